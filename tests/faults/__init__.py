"""Faults of a cluster of three nodes, at random but repeatable by a seed, while it is read and written."""
