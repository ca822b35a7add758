"""Fuzzing of everything that reads what strangers write; scripts/fuzz runs it."""
