"""Limits of one process: rooms with fair queues, and buckets for callers. They know neither HTTP nor OpenSearch."""
