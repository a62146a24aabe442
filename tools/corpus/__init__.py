"""What verification is measured on: speech-like sound, real encoders, every class of damage, and a report."""
