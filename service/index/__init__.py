"""Writing: the mapping, the life of an index, and bulk writes into it."""
