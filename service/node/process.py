"""Starts, watches and stops the local node.

The data folder holds all files of the node: `config/`, `index/` (OpenSearch's data), `logs/`, `work/`, `snapshots/`,
`node.json` (the URL of the running node), `port.json` (its last port) and `lock`.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from service import progress
from service.errors import NodeFailed
from service.local_node_settings import HEAP
from service.node import failure, folder_lock, health
from service.node.distribution import Distribution
from service.node.folder import UMASK, for_owner, make_folders, require_shape, unwritable
from service.node.watch import Watch, last_lines
from service.settings import child_environment

START_SECONDS = 120.0
RECOVERY_SECONDS = 1800.0  # for a node that responds but still recovers its indices after a crash
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1
LOG_LINES_SHOWN = 12
FREE_BYTES_NEEDED = 500 * 2**20
HIGHEST_PORT = 9299  # the runner looks for a free port only up to here
LOWEST_PORT = 5600
STARTS = 3  # another process may take the port between the check and the bind
END_BYTES = 200_000  # at the end of a log, searched for the reason why the node ended

JVM_OPTIONS = (
    "-XX:+ExitOnOutOfMemoryError",
    # As in OpenSearch's own config/jvm.options: its real-memory circuit breaker relies on G1 with these reserves.
    "-XX:+UseG1GC",
    "-XX:G1ReservePercent=25",
    "-XX:InitiatingHeapOccupancyPercent=30",
    # A heap full of garbage makes the circuit breaker refuse every request, and without requests nothing is allocated
    # that would make the JVM collect it. So the JVM also collects after two seconds without a collection.
    "-XX:G1PeriodicGCInterval=2000",
    "--enable-native-access=ALL-UNNAMED",
    # OpenSearch's analyzers need Thai word breaks, which are missing from the JRE's own locale data but in ICU's.
    "-Djava.locale.providers=CLDR,SPI",
)

TRANSPORT_PORTS = range(10_000, 30_000)
RUNNER = "org.codelibs.opensearch.runner.OpenSearchRunner"

CONFIG = """\
{discovery}network.host: 127.0.0.1
path.repo: [{snapshots}]
action.auto_create_index: false
# Above the largest bulk request that the service sends, and far below the heap.
http.max_content_length: 64mb
indices.breaker.total.use_real_memory: true
# While a point in time is open, a shard that was lost cannot be opened again. So a point in time that nobody closed
# ends on time, not up to a minute later.
search.keep_alive_interval: 5s
point_in_time.init.keep_alive: 10s
# Absolute sizes, because the disk of a developer is often 90 % full.
cluster.routing.allocation.disk.watermark.low: 300mb
cluster.routing.allocation.disk.watermark.high: 200mb
cluster.routing.allocation.disk.watermark.flood_stage: 100mb
"""


class LocalNode:
    """One OpenSearch node in one data folder. A context manager: entering starts it, leaving stops it."""

    def __init__(
        self,
        data: Path,
        distribution: Distribution,
        *,
        heap: str = HEAP,
        options: dict[str, str] | None = None,
        jvm_options: tuple[str, ...] = (),
    ) -> None:
        """`options` are added to opensearch.yml, `jvm_options` to the JVM's options. `heap` is such as 512m or 2g."""
        self.data = data.absolute()
        self.options = options or {}
        self.distribution = distribution
        self.heap = heap
        self.jvm_options = jvm_options
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the node and waits until its health is at least yellow.

        Raises NodeFailed with the reason and the last lines of the log.
        """
        require_shape(self.data, 1)
        self._prepare_folders()
        self._lock = folder_lock.take(self.data)
        try:
            self._start()
            assert self.process is not None
            folder_lock.write(self.data / "port.json", folder_lock.LastPort(int(self.url.rpartition(":")[2])))
            folder_lock.write(self.data / "node.json", folder_lock.Running(self.url, self.process.pid, os.getpid()))
        except BaseException:
            self.kill_process()
            self._release()
            raise

    def _start(self) -> None:
        """Starts the process. Retries if its port was taken meanwhile, or if it ended without showing a reason.

        The runner swallows the exception that ended a start, so in later starts the JVM logs all exceptions.
        """
        for attempt in range(1, STARTS + 1):
            is_last = attempt == STARTS
            self._launch(logs_exceptions=attempt > 1)
            if self._is_started():
                return
            assert self.process is not None
            code = self.process.returncode
            reason = failure.reason(code, _text(self.log), _text(self._exceptions) if attempt > 1 else "")
            is_worth_another = (reason is None and attempt == 1) or (reason is not None and reason.is_address_in_use)
            if is_last or not is_worth_another:
                raise NodeFailed(self._with_log_lines(f"OpenSearch did not start: {reason or failure.ending(code)}"))

    def stop(self, patience: float = STOP_SECONDS) -> None:
        """Sends SIGTERM, and SIGKILL if the node has not ended after `patience` seconds. Does nothing if none runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill_process()
        if self._lock is not None:  # else node.json belongs to another process, which has the lock
            (self.data / "node.json").unlink(missing_ok=True)
        self._release()

    def kill(self) -> None:
        """Sends SIGKILL, like a crash. For tests of crash recovery."""
        self.kill_process()
        self._release()

    @property
    def snapshots(self) -> Path:
        """The folder in which OpenSearch may make a repository of snapshots."""
        return self.data / "snapshots"

    @property
    def log(self) -> Path:
        """The file of the node's standard output and standard error."""
        return self.data / "logs" / "node.out"

    def wait(self) -> str:
        """Blocks until the node is dead, and returns a line with the reason, followed by its last log lines."""
        return self._with_log_lines(f"OpenSearch {self.wait_for_reason()}")

    def wait_for_reason(self) -> str:
        """Blocks until the node is dead, and returns the reason as a phrase, such as "was ended by SIGTERM".

        A node can be dead while its process still runs (see service.node.watch). That process is killed.
        """
        assert self.process is not None
        reason = Watch(self.process, self.url, self.log).wait()
        self.kill_process()  # SIGKILL loses no data: acknowledged writes are in the translog
        if failure.disk_is_full(_end(self.log)):
            reason += f", and the disk that holds {self.data} is full: free some space"
        return reason

    def _with_log_lines(self, sentence: str) -> str:
        return f"{sentence}. Its last log lines, from {self.log}:\n{self.last_log_lines()}"

    @property
    def _exceptions(self) -> Path:
        return self.data / "logs" / failure.LOG

    def last_log_lines(self) -> str:
        return last_lines(self.log, LOG_LINES_SHOWN)

    def _prepare_folders(self) -> None:
        try:
            make_folders(self.data)
            free = shutil.disk_usage(self.data).free
            (self.data / "config" / "probe").write_text("writable")
            (self.data / "config" / "probe").unlink()
        except OSError as error:
            raise NodeFailed(unwritable(self.data, error)) from None
        if free < FREE_BYTES_NEEDED:
            raise NodeFailed(
                f"only {free // 2**20} MB are free on the disk of {self.data}, and OpenSearch needs "
                f"{FREE_BYTES_NEEDED // 2**20} MB: free some, or choose another folder with --data"
            )

    def _launch(self, *, logs_exceptions: bool) -> None:
        base = self._port()
        snapshots = json.dumps(str(self.snapshots), ensure_ascii=False)  # a JSON string is valid YAML
        config = CONFIG.format(discovery=self._discovery(), snapshots=snapshots)
        config += "".join(f"{name}: {value}\n" for name, value in self.options.items())
        (self.data / "config" / "opensearch.yml").write_text(config, "utf-8")
        shutil.rmtree(self.data / "work", ignore_errors=True)
        command = [
            str(self.distribution.java),
            f"-Xms{self.heap}",
            f"-Xmx{self.heap}",
            *JVM_OPTIONS,
            *self._class_cache(),
            *self.jvm_options,
            *([failure.exception_logging(self.data / "logs")] if logs_exceptions else []),
            *self._program(),
            *("-basePath", str(self.data / "work")),
            *("-confPath", str(self.data / "config")),
            *("-dataPath", str(self.data / "index")),
            *("-logsPath", str(self.data / "logs")),
            *("-numOfNode", "1"),
            *("-clusterName", "conversations"),
            *("-baseHttpPort", str(base - 1)),  # the runner adds the node's number
            "-printOnFailure",
            *("-pluginTypes", "org.opensearch.plugin.analysis.icu.AnalysisICUPlugin"),
        ]
        assert self._lock is not None
        with open(self.log, "wb", opener=for_owner) as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.data / "work" if (self.data / "work").exists() else self.data,
                env=child_environment(LC_ALL="C.UTF-8"),  # Java decodes file names by the locale
                start_new_session=True,  # so that a terminal's ctrl-C does not reach the node: it must stop last
                umask=UMASK,
                pass_fds=(self._lock.fileno(),),
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 (no thread is started before)
            )

    def _discovery(self) -> str:
        """The lines of opensearch.yml that say with which nodes this one is a cluster, and its port for them."""
        return f"discovery.type: single-node\ntransport.port: {free_port(TRANSPORT_PORTS)}\n"

    def _program(self) -> list[str]:
        """The class path and the main class."""
        return ["-cp", os.pathsep.join(map(str, self.distribution.jars)), RUNNER]

    def _is_usable(self, url: str) -> bool:
        return health.is_usable(url)

    def _class_cache(self) -> list[str]:
        """The JVM options that use the class cache, if there is one. The JVM ignores a cache that does not fit."""
        path = self.distribution.class_cache
        return [f"-XX:AOTCache={path}", "-Xlog:aot*=off"] if path and path.exists() else []

    def _port(self) -> int:
        """The node's last port if it is free, so that its URL stays the same; else any free port."""
        last = folder_lock.read(self.data / "port.json", folder_lock.LastPort)
        if last is not None and is_free(last.port):
            return last.port
        return free_port(range(LOWEST_PORT, HIGHEST_PORT))

    def _is_started(self) -> bool:
        """Waits until the node is healthy. Returns False if its process ended. Raises NodeFailed after the timeout."""
        assert self.process is not None
        started = time.monotonic()
        deadline = started + START_SECONDS
        problem = None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            if (url := self._announced_url()) and health.is_own(url, self.process.pid):
                if self._is_usable(url):
                    self.url = url
                    return True
                problem, is_lasting = health.shard_problem(url)
                if is_lasting:
                    break
                if deadline == started + START_SECONDS:
                    progress.say("OpenSearch responds, and is still recovering its indices")
                    deadline = started + RECOVERY_SECONDS
            time.sleep(POLL_SECONDS)
        if problem is None:
            problem = f"it was not ready within {deadline - started:.0f} s"
        raise NodeFailed(self._with_log_lines(f"OpenSearch did not start: {problem}"))

    def _announced_url(self) -> str | None:
        """The URL from the node's log. The runner may have chosen another port than the one it was given."""
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if "HttpServerTransport" in line and "publish_address {" in line:
                return f"http://{line.split('publish_address {')[1].split('}')[0]}"
        return None

    def kill_process(self) -> None:
        """Sends SIGKILL and keeps the lock."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def running_url(data: Path) -> str | None:
    """The URL of the running local node of this data folder, or None if none is running.

    For a local cluster, the URLs of all nodes that run, as in OPENSEARCH_URL.
    """
    running = folder_lock.read(data / "node.json", folder_lock.Running)
    if running is None or not folder_lock.is_held(data):
        return None
    return ",".join(running.urls or [running.url])


def _die_with_parent() -> Callable[[], None] | None:
    """A function that makes the kernel stop the node when its owner is killed (prctl(2), PR_SET_PDEATHSIG).

    None on other systems than Linux.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(1, signal.SIGTERM, 0, 0, 0) and None


def free_port(candidates: range) -> int:
    """A free port of these. Processes with the same seed of `random` get different ones. Raises NodeFailed."""
    for port in random.SystemRandom().sample(candidates, min(200, len(candidates))):
        if is_free(port):
            return port
    raise NodeFailed(
        f"no free port was found from {candidates.start} to {candidates.stop - 1} on 127.0.0.1: "
        "stop a program that uses one"
    )


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as OpenSearch does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _text(log: Path) -> str:
    try:
        return log.read_text("utf-8", "replace")
    except OSError:
        return ""


def _end(log: Path) -> str:
    """The last part of a log, which may be long."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - END_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
