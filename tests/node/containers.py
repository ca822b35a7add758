"""OpenSearch in a container, of the image that docker-compose.yml runs: where an engine answers, the tests run on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage

IMAGE = Path(__file__).parents[2] / "deploy" / "opensearch"
START_SECONDS = 180.0


@contextmanager
def node() -> Iterator[str]:
    """The address of a node that is ready; its container is removed in the end."""
    with (
        DockerImage(path=IMAGE, tag="conversation-search/opensearch:test", clean_up=False) as image,
        DockerContainer(str(image))
        .with_env("discovery.type", "single-node")
        .with_env("action.auto_create_index", "false,.*")
        .with_env("DISABLE_SECURITY_PLUGIN", "true")
        .with_env("DISABLE_INSTALL_DEMO_CONFIG", "true")
        .with_env("OPENSEARCH_JAVA_OPTS", "-Xms512m -Xmx512m -XX:G1PeriodicGCInterval=2000")
        .with_exposed_ports(9200) as container,
    ):
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(9200)}"
        deadline = time.monotonic() + START_SECONDS
        while not _is_healthy(url):
            assert time.monotonic() < deadline, container.get_logs()[0][-3000:].decode(errors="replace")
            time.sleep(0.2)
        yield url


def _is_healthy(url: str) -> bool:
    try:
        answer = httpx.get(f"{url}/_cluster/health", params={"wait_for_status": "yellow", "timeout": "5s"}, timeout=10)
    except httpx.TransportError:
        return False
    return answer.status_code == 200
