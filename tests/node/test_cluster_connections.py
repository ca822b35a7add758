"""How the service reaches a cluster that is slow, not there yet, or behind TLS, a password and a path."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from service.node import Distribution, LocalNode
from service.settings import Settings
from tests import in_thread
from tests.commands import run_here
from tests.node.clusters import Cluster
from tests.node.serving import serve_process
from tests.processes import wait_until
from tests.served import CERTIFICATES

USER, PASSWORD = "ada", "p@ss:wörd/"
QUOTED = "ada:p%40ss%3Aw%C3%B6rd%2F"


def ready(address: str) -> int:
    return httpx.get(f"{address}/health/ready", timeout=60, verify=CERTIFICATES).status_code


def test_a_cluster_that_is_slow_or_not_there_yet_is_waited_for(
    settings: Settings, distribution: Distribution, tmp_path: Path
) -> None:
    with LocalNode(tmp_path / "node", distribution) as node:
        cluster = Cluster(settings.but(alias="slow"), node.url)
        cluster.load([])
        assert node.process is not None
        os.kill(node.process.pid, signal.SIGSTOP)  # it takes connections, and answers nothing
        try:
            with serve_process(cluster, CONVERSATIONS_REQUEST_TIMEOUT="1") as (process, address, log):
                assert ready(address) in (503, 504)
                assert process.poll() is None
                assert "Not ready yet: OpenSearch did not answer" in log.read_text()
                os.kill(node.process.pid, signal.SIGCONT)
                wait_until(lambda: ready(address) == 200, process=process, says=log.read_text)
        finally:
            os.kill(node.process.pid, signal.SIGCONT)
    with serve_process(cluster) as (process, address, log):
        assert ready(address) == 503
        assert "Not ready yet: OpenSearch cannot be reached" in log.read_text()
        with LocalNode(tmp_path / "node", distribution) as again:
            assert again.url == cluster.url
            wait_until(lambda: ready(address) == 200, process=process, says=log.read_text)


class Gate(BaseHTTPRequestHandler):
    """A proxy before the node: it checks the password, and removes /search from the beginning of the path."""

    protocol_version = "HTTP/1.1"
    node = ""
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("authorization") != self.expected:
            self._answer(401, "text/plain", b"Unauthorized")
            return
        if not self.path.startswith("/search/"):
            self._answer(404, "text/plain", b"no such path")
            return
        connection = http.client.HTTPConnection(self.node, timeout=60)
        try:
            headers = {"content-type": self.headers.get("content-type", "application/json")}
            connection.request(self.command, self.path.removeprefix("/search"), body or None, headers)
            answer = connection.getresponse()
            self._answer(answer.status, answer.getheader("content-type", ""), answer.read())
        finally:
            connection.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass_on

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@contextmanager
def gate(node: str, certificates: Path) -> Iterator[int]:
    """The port of a gate on localhost, with TLS and the certificate of OpenSearch's nodes."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "node.pem", certificates / "node-key.pem")
    own = type("OwnGate", (Gate,), {"node": urlsplit(node).netloc})
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as server:
        server.daemon_threads = True
        server.block_on_close = False
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with in_thread.serving(server):
            yield server.server_address[1]


@pytest.mark.parametrize("place", ["url", "variables"])
def test_tls_a_password_and_a_path_work_and_no_password_is_shown(
    fresh: Cluster, made: Path, tmp_path: Path, place: str
) -> None:
    fresh.load([])
    with gate(fresh.url, made / "opensearch") as port:
        told = {
            "url": {"OPENSEARCH_URL": f"https://{QUOTED}@localhost:{port}/search/"},
            "variables": {
                "OPENSEARCH_URL": f"https://localhost:{port}/search",
                "OPENSEARCH_USER": USER,
                "OPENSEARCH_PASSWORD": PASSWORD,
            },
        }[place] | {"OPENSEARCH_CA_FILE": str(made / "ca" / "ca.pem")}

        def conversations(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
            return run_here(arguments, environment=fresh.environment | told | changes, folder=tmp_path)

        doctor = conversations("doctor")
        assert f"at https://localhost:{port}/search: " in doctor.stdout, doctor.stdout + doctor.stderr
        assert "failed " not in doctor.stdout
        status = conversations("status")
        assert status.returncode == 0, status.stderr
        with serve_process(fresh, **told) as (_process, address, log):
            assert ready(address) == 200
            healthy = conversations("healthy", "--url", address)
            assert healthy.returncode == 0, healthy.stderr
        refused = conversations(
            "status",
            OPENSEARCH_URL=f"https://ada:wr%6Fng-hush@localhost:{port}/search",
            OPENSEARCH_USER="",
            OPENSEARCH_PASSWORD="",
        )
        assert refused.returncode == 1
        untrusted = conversations("status", OPENSEARCH_CA_FILE=ssl.get_default_verify_paths().cafile or "")
        assert untrusted.returncode == 1
        for done in (doctor, status, healthy, refused, untrusted):
            shown = done.stdout + done.stderr
            assert not any(part in shown for part in (PASSWORD, QUOTED.partition(":")[2], "hush")), shown
        assert not any(part in log.read_text() for part in (PASSWORD, QUOTED.partition(":")[2]))
