"""The manifest's contract, and what the SQL adapter promises beyond it."""
