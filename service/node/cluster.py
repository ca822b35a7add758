"""Several local nodes in one cluster, for development, and to test what a cluster does when nodes die.

The data folder holds `nodes/1`, `nodes/2` and so on, each the data folder of one node, and what belongs to all of
them: `lock`, `node.json` (the URLs of the nodes that run) and `snapshots`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from service.errors import NodeFailed
from service.node import folder_lock, health, member_jar
from service.node.distribution import Distribution
from service.node.folder import NODES, make_private, require_shape, unwritable
from service.node.member import HOSTS, Member
from service.node.process import POLL_SECONDS, RECOVERY_SECONDS

HEAP_OF_EACH = "384m"


class LocalCluster:
    """Several nodes in one data folder, on 127.0.0.1 only. A context manager: entering starts it, leaving stops it.

    `nodes` are in the order of their names, node-1 first. Each can be killed, suspended, resumed and restarted, from
    any thread. More than half of them must run: otherwise there is no cluster manager, and nothing can be changed.
    """

    def __init__(
        self,
        data: Path,
        distribution: Distribution,
        *,
        count: int = 3,
        heap: str = HEAP_OF_EACH,
        options: dict[str, str] | None = None,
    ) -> None:
        """`heap` is that of each node. `options` are added to the opensearch.yml of each."""
        self.data = data.absolute()
        self.distribution = distribution
        self._lock: IO[str] | None = None
        names = [f"node-{number}" for number in range(1, count + 1)]
        self.nodes = tuple(
            Member(
                name, self.data / NODES / str(number), distribution,
                names=names, snapshots=self.data / "snapshots", publish=self._publish, heap=heap, options=options,
            )
            for number, name in enumerate(names, 1)
        )  # fmt: skip

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def urls(self) -> list[str]:
        """The URLs of all nodes, also of dead ones: a restarted node has the same URL if its port is still free."""
        return [node.url for node in self.nodes]

    def start(self) -> None:
        """Starts all nodes and waits until they are one cluster with all primary shards.

        Raises NodeFailed with the reason and the last lines of a log, and DistributionFailed.
        """
        require_shape(self.data, len(self.nodes))
        self._prepare_folders()
        self._lock = folder_lock.take(self.data)
        try:
            member_jar.make(self.distribution)
            self._start_all(self.nodes)
            self._await_complete()
            self.write_running()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops all nodes at once. Those that do not end are killed."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(Member.stop, self.nodes))
        if self._lock is not None:
            (self.data / "node.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def revive(self) -> None:
        """Resumes suspended nodes, restarts dead ones, and waits until all nodes are one cluster."""
        for node in self.nodes:
            node.resume()
        self._start_all([node for node in self.nodes if not node.is_running])
        self._await_complete()
        self.write_running()

    def await_green(self) -> None:
        """Waits until each shard has all of its copies."""
        self._await_complete(status="green")

    def deaths(self) -> Iterator[tuple[Member, str]]:
        """Yields each node when it dies, with the reason, such as "was ended by SIGTERM". Ends when no node is left."""
        deaths = queue.SimpleQueue[tuple[Member, str]]()
        for node in self.nodes:
            threading.Thread(target=lambda one=node: deaths.put((one, one.wait_for_reason())), daemon=True).start()
        for _node in self.nodes:
            yield deaths.get()

    def running(self) -> list[Member]:
        return [node for node in self.nodes if node.is_running]

    def write_running(self) -> None:
        """Writes the nodes that run now to node.json, where commands look for the cluster."""
        running = self.running()
        if running and running[0].pid is not None:
            urls = [node.url for node in running]
            folder_lock.write(self.data / "node.json", folder_lock.Running(urls[0], running[0].pid, os.getpid(), urls))

    def _prepare_folders(self) -> None:
        try:
            make_private(self.data)
            for folder in (self.data / "snapshots", self.data / NODES):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise NodeFailed(unwritable(self.data, error)) from None

    def _start_all(self, nodes: Sequence[Member]) -> None:
        """Starts all nodes at once, because none is ready before the others. The first failure ends the start."""
        pool = ThreadPoolExecutor(len(self.nodes))
        try:
            for job in as_completed([pool.submit(node.start) for node in nodes]):
                job.result()
        except BaseException:
            for node in nodes:
                node.kill_process()
            raise
        finally:
            pool.shutdown()

    def _await_complete(self, status: str = "yellow") -> None:
        deadline = time.monotonic() + RECOVERY_SECONDS
        while not health.is_complete(self.urls[0], len(self.nodes), status):
            problem, is_lasting = health.shard_problem(self.urls[0])
            if is_lasting or time.monotonic() > deadline:
                raise NodeFailed(f"the cluster did not start: {problem or 'its nodes do not find each other'}")
            if any(not node.is_running for node in self.nodes):
                raise NodeFailed("the cluster did not start: one of its nodes ended")
            time.sleep(POLL_SECONDS)

    def _publish(self) -> None:
        """Writes the addresses of all nodes into the folder of each."""
        hosts = "".join(f"127.0.0.1:{node.transport_port}\n" for node in self.nodes if node.transport_port is not None)
        for node in self.nodes:
            folder = node.data / "config"
            if folder.is_dir():
                partial = folder / f"{HOSTS}.partial"
                partial.write_text(hosts)
                partial.replace(folder / HOSTS)
