"""Attacks on the archiver and the instruments for them. What was attacked, how often: docs/reliability.md."""
