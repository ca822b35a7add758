"""A new index under a running service: lock, steps, verification, comparison, rollback, prune, repair."""
