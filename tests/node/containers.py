"""OpenSearch in a container, of the image that docker-compose.yml runs. Tests use it if a container engine runs."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import httpx
from docker.errors import DockerException
from docker.utils import parse_host
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage

IMAGE = Path(__file__).parents[2] / "deploy" / "opensearch"
START_SECONDS = 180.0


def engine_answers() -> bool:
    """Whether Docker, or an engine with its API, answers at DOCKER_HOST or at Docker's default address."""
    address = parse_host(os.environ.get("DOCKER_HOST"))
    if address.startswith("http+unix://"):  # its client would leave a socket open if nobody listens
        with socket.socket(socket.AF_UNIX) as engine:
            try:
                engine.connect(address.removeprefix("http+unix://"))
            except OSError:
                return False
    with closing(docker.from_env(version="1.41", timeout=5)) as client:
        try:
            return bool(client.ping())
        except DockerException:
            return False


@contextmanager
def node() -> Iterator[str]:
    """The address of a node that is ready. Its container is removed at the end."""
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
