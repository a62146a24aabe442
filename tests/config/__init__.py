"""Tests of archiver.config."""
