"""Builds a new index while the service runs: lock, steps, verification, comparison, rollback, prune and repair."""
