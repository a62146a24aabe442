"""Tools for those who work on the program; none is part of it."""
