"""Calls against recordings, day by day: read, reconciled, written down, and told to the recordings."""
