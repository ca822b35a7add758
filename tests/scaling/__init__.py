"""scripts/simulate: organizations on shards, and searches in queues. It needs Python alone."""
