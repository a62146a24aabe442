"""Periods: the evidence of a listing, the statement of a closed day, the chain of statements, and its verification."""
