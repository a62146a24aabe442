"""Pure decisions: no network, no files, no database, no clock. The time, where it matters, is a parameter."""
