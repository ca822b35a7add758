"""The service over real HTTP: in a thread of the test, or as a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx
import uvicorn

from service.api.auth import Tokens
from service.api.http_protocol import KEEP_ALIVE_SECONDS, ConnectionLimits, bounded
from service.api.sign_in import SignInCodes
from service.app import create_app
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests import logged
from tests.node.clusters import Cluster
from tests.served import CERTIFICATES, await_address


@dataclass
class Api:
    """The service over real HTTP, on a port of its own, and callers for it."""

    settings: Settings
    address: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, verify=CERTIFICATES))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.close()

    def token(self, *organizations: UUID, **options: Any) -> str:
        return Tokens(self.settings).mint("tester", list(organizations), **options)

    def get(self, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return self.http.get(f"{self.address}{path}", headers=headers, **options)

    def conversations(self, token: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.get("/api/conversations", token, params=parameters or {})
        assert answer.status_code == 200, answer.text[:1000]
        body: dict[str, Any] = answer.json()
        return body


def serving(
    settings: Settings, url: str, windows: Windows | None = None, codes: SignInCodes | None = None
) -> Iterator[Api]:
    """Runs the application in a thread until the generator is closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(settings, url, windows=windows, codes=codes),
                http=bounded(ConnectionLimits.of(settings)),
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                ws="none",
                log_config=None,
                access_log=False,
            )
        )
        ready = threading.Event()
        started = server.startup

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            await started(sockets)
            ready.set()

        server.startup = startup  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(30)
        api = Api(settings, f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield api
        finally:
            api.http.close()
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def serve_process(
    cluster: Cluster, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """`conversations serve` as a process of its own: the process, its address, and the file of its log."""
    log = logged.new_file("served")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", "0", *options],
            env=cluster.environment | environment, stderr=stderr,
        )  # fmt: skip
    try:
        yield process, await_address(process, log), log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
