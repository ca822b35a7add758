"""Limits of one process: semaphores with fair queues, and token buckets. They know neither HTTP nor OpenSearch."""
