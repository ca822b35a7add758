"""Indices and writes: the mapping, the aliases, and versioned bulk writes."""
