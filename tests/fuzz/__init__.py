"""Fuzzing of all code that reads untrusted input; scripts/fuzz runs it."""
