"""Writing: the mapping, aliases, and versioned bulk writes."""
