"""Tests of archiver.cli."""
