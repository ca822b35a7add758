"""Builds a new index while the service runs: lock, steps, verification, comparison, rollback, repair, and
the removal of old indices and tombstones (prune)."""
