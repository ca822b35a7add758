"""What the faults happen to: three nodes, a proxy before each of them, and two processes of the service."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx
from opensearchpy.exceptions import TransportError

from service.api.auth import Tokens
from service.client import Client, connect
from service.errors import ConversationsError
from service.node import LocalCluster, prepare
from service.node.process import free_port
from service.settings import Settings
from tests.node.proxy import Proxy
from tests.processes import wait_until

ALIAS = "faults"
ORGANIZATIONS = [str(uuid5(NAMESPACE_URL, f"faults:{number}")) for number in range(3)]
SECRET = "the secret of the fault runs, of this process only"
LEASE_SECONDS = 3.0
START_SECONDS = 180.0
# A node that is suspended for 12 s is then removed from its cluster before it resumes. By default, that takes 30 s.
DETECTION = {
    f"cluster.fault_detection.{check}.{name}": value
    for check in ("follower_check", "leader_check")
    for name, value in (("timeout", "3s"), ("retry_count", "2"))
}


class World:
    """A context manager. `say` gets a line for each thing that happens to it."""

    def __init__(self, heap: str, say: Callable[[str], None]) -> None:
        self._stack = ExitStack()
        self._heap = heap
        self.say = say
        self.services: list[subprocess.Popen[bytes] | None] = [None, None]
        self.reindexing = threading.Lock()
        self.is_reindexed = False  # the last reindex ended, so that both indices are complete
        self.load: subprocess.Popen[bytes] | None = None
        self.reindex: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="faults-"))
        self.folder = Path(folder)
        settings = Settings.load()
        distribution = prepare(settings.cache, java_home=settings.java_home)
        self.cluster = LocalCluster(self.folder / "cluster", distribution, heap=self._heap, options=DETECTION)
        self._stack.callback(self.cluster.stop)
        self.cluster.start()
        self.proxies = [self._stack.enter_context(Proxy(url)) for url in self.cluster.urls]
        self.settings = settings.but(
            opensearch_url=" ".join(proxy.url for proxy in self.proxies), alias=ALIAS, token_secret=SECRET,
            data=self.folder / "data", replicas=1, write_lease=LEASE_SECONDS, request_timeout=10.0,
        )  # fmt: skip
        self.token = Tokens(self.settings).mint(  # for half a day, also for a service whose clock is an hour ahead
            "faults", [UUID(one) for one in ORGANIZATIONS], scopes=("conversations:write", "conversations:export")
        )
        self.run("create", "--replicas", "1").wait(START_SECONDS)
        self.addresses = [f"http://127.0.0.1:{free_port(range(18000, 19000))}" for _service in self.services]
        self._stack.callback(self._end_processes)
        for number in range(len(self.services)):
            self.start_service(number)

    def environment(self) -> dict[str, str]:
        assert self.settings.opensearch_url is not None
        return os.environ | {
            "OPENSEARCH_URL": self.settings.opensearch_url, "CONVERSATIONS_ALIAS": ALIAS,
            "CONVERSATIONS_TOKEN_SECRET": SECRET, "CONVERSATIONS_DATA": str(self.settings.data),
            "CONVERSATIONS_WRITE_LEASE": str(LEASE_SECONDS), "CONVERSATIONS_REQUEST_TIMEOUT": "10",
            "CONVERSATIONS_CALLER_RATE": "0", "CONVERSATIONS_SEARCHES": "48",
            "CONVERSATIONS_SEARCHES_PER_ORGANIZATION": "48", "CONVERSATIONS_EXPORTS": "24",
            "CONVERSATIONS_EXPORTS_PER_ORGANIZATION": "24", "CONVERSATIONS_LOG_FORMAT": "json",
        }  # fmt: skip

    def run(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """A command, as a process. Its output is in a file of the folder. `environment` is added to that of all."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "service", *arguments],
                cwd=self.folder, env=self.environment() | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
                stdout=log, stderr=log,
            )  # fmt: skip

    def log(self, command: str) -> str:
        return (self.folder / f"{command}.log").read_text("utf-8", "replace")[-1500:]

    def start_service(self, number: int, **environment: str) -> None:
        address = self.addresses[number]
        process = self.services[number] = self.run("serve", "--port", address.rpartition(":")[2], **environment)

        def is_live() -> bool:
            try:
                return httpx.get(f"{address}/health/live", timeout=2).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_live, process=process, says=lambda: self.log("serve"), seconds=START_SECONDS)

    def clock_ahead(self, number: int) -> float:
        """By how many seconds the clock of a service is ahead of that of this process."""
        told = httpx.get(f"{self.addresses[number]}/health/live", timeout=10).headers["date"]
        return parsedate_to_datetime(told).timestamp() - time.time()

    def stop_service(self, number: int, how: signal.Signals) -> None:
        process = self.services[number]
        if process is not None:
            process.send_signal(how)
            process.wait(60)

    def cat(self, what: str) -> list[dict[str, Any]]:
        """A table of the cluster, from the first node that answers."""
        for _attempt in range(30):
            for node in self.cluster.nodes:
                with suppress(httpx.HTTPError, ValueError):
                    answer = httpx.get(f"{node.url}/_cat/{what}?format=json", timeout=5)
                    if answer.status_code == 200:
                        return list(answer.json())
            time.sleep(1)
        raise AssertionError(f"no node says what {what} there are")

    def act(self, action: Callable[[Client], Any], *, ignores: tuple[int, ...] = ()) -> Any:
        """Asks the cluster itself, past the proxies; a few times, because it may be electing its manager."""

        async def run() -> Any:
            urls = " ".join(node.url for node in self.cluster.nodes)
            client = connect(self.settings, urls, timeout=60)
            try:
                return await action(client)
            finally:
                await client.close()

        for _attempt in range(9):
            try:
                return asyncio.run(run())
            except (ConversationsError, TransportError) as error:
                if isinstance(error, TransportError) and error.status_code in ignores:
                    return None
                self.say(f"asking again: {type(error).__name__} {str(error)[:200]}")
                time.sleep(1)
        return asyncio.run(run())

    def revive(self) -> None:
        """All nodes run again, as one cluster, behind their proxies."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(self.cluster.revive).result()
        for proxy, node in zip(self.proxies, self.cluster.nodes, strict=True):
            proxy.move_to(node.url)

    def retry_shards(self) -> None:
        """Closes all points in time and asks for another attempt at shards that could not be opened, as an operator would.

        A node that was removed from its cluster cannot open a shard while a point in time from before holds it.
        """
        for node in self.cluster.running():
            with suppress(httpx.HTTPError):
                httpx.delete(f"{node.url}/_search/point_in_time/_all", timeout=5)
                httpx.post(f"{node.url}/_cluster/reroute?retry_failed=true&metric=none", timeout=5)
                return

    def index(self) -> str:
        """The index that is read now."""
        found = self.act(lambda client: client.indices.get_alias(index=ALIAS))
        return str(next(iter(found)))

    def _end_processes(self) -> None:
        self._end(*self.services)
        self.end_commands()

    def end_commands(self) -> None:
        self._end(self.load, self.reindex)

    def _end(self, *processes: subprocess.Popen[bytes] | None) -> None:
        for process in processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
