"""One node of a local cluster: a process of its own, which can be killed, suspended and started again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.node import health, member_jar
from service.node.distribution import Distribution
from service.node.process import STOP_SECONDS, TRANSPORT_PORTS, LocalNode, free_port, is_free

HOSTS = "unicast_hosts.txt"  # in the folder config: the addresses of the other nodes. OpenSearch reads it repeatedly

# The kernel ends a node when the thread that started it ends (see process.py), so that thread must stay alive.
_LAUNCHER = ThreadPoolExecutor(1, thread_name_prefix="node-launcher")

_DISCOVERY = """\
node.name: {name}
discovery.seed_providers: file
cluster.initial_cluster_manager_nodes: {names}
transport.port: {port}
"""


class Member(LocalNode):
    """A node of a LocalCluster. Only LocalCluster makes its nodes."""

    def __init__(
        self,
        name: str,
        data: Path,
        distribution: Distribution,
        *,
        names: list[str],
        snapshots: Path,
        publish: Callable[[], None],
        heap: str,
        options: dict[str, str] | None = None,
    ) -> None:
        """`names` are those of all nodes. `publish` gives all of them the `transport_port` of each."""
        super().__init__(data, distribution, heap=heap, options=options)
        self.name = name
        self.transport_port: int | None = None
        self._names = names
        self._snapshots = snapshots
        self._publish = publish

    @property
    def pid(self) -> int | None:
        """The id of the process, even after its end. None before the first start."""
        return None if self.process is None else self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there, suspended or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def snapshots(self) -> Path:
        return self._snapshots  # the same folder for all nodes

    def suspend(self) -> None:
        """Sends SIGSTOP: the process keeps its memory and connections, and does nothing until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self, patience: float = STOP_SECONDS) -> None:
        self.resume()  # a suspended process would not act on SIGTERM
        super().stop(patience)

    def restart(self) -> None:
        """Stops the node if it runs, and starts it with its data. Returns when it is in the cluster again."""
        self.stop()
        self.start()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def _launch(self, *, logs_exceptions: bool) -> None:
        _LAUNCHER.submit(super()._launch, logs_exceptions=logs_exceptions).result()

    def _discovery(self) -> str:
        if self.transport_port is None or not is_free(self.transport_port):
            self.transport_port = free_port(TRANSPORT_PORTS)
        self._publish()
        return _DISCOVERY.format(name=self.name, names=json.dumps(self._names), port=self.transport_port)

    def _program(self) -> list[str]:
        jars = [*self.distribution.jars, member_jar.path(self.distribution)]
        return ["-cp", os.pathsep.join(map(str, jars)), member_jar.MAIN]

    def _is_usable(self, url: str) -> bool:
        return health.has_joined(url)
