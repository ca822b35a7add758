"""Finds out whether the local node is dead: from its process, a fatal error in its log, or refused connections.

OpenSearch's own launcher ends the process when a thread ends with an Error, because the node's state is unknown then:
its index writer may be closed while the cluster's health stays green. The runner that starts the local node does not,
so this module does. A node that is only slow is never mistaken for a dead one: the kernel accepts connections for a
process that is paused or busy, and refuses them only if no process listens.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from service.node.failure import ending

LOOK_SECONDS = 1.0  # between two checks
REFUSED_SECONDS = 30.0  # in which every connection is refused; then the node is dead
CONNECT_SECONDS = 2.0
LINE_BYTES = 4096  # at the start of a log line that are searched
_FRAME = re.compile(r"(?:\[[^\]]*\]\[[A-Z]+ *\]\[stderr *\] )?\tat ")
# What the JVM prints when a thread ends with an Error, on its own standard error or through OpenSearch's logger.
_FATAL = re.compile(rb'(?:\[[^\]]*\]\[[A-Z]+ *\]\[stderr *\] )?Exception in thread "[^"]*" ([\w.$]+Error)\b')


class Watch:
    """Watches one running node. `log` is the file of its standard output and standard error."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self._process = process
        self._address = _address(url)
        self._log = log
        self._read_bytes = 0
        self._rest = b""
        self._refused_since: float | None = None

    def wait(self) -> str:
        """Blocks until the node is dead. Returns the reason as a phrase, such as "was ended by SIGTERM"."""
        while (reason := self._look()) is None:
            pass
        return reason

    def _look(self) -> str | None:
        try:
            return ending(self._process.wait(LOOK_SECONDS))
        except subprocess.TimeoutExpired:
            pass
        if (error := self._fatal_error()) is not None:
            return f"cannot go on after a fatal error ({error})"
        if self._refused_for(time.monotonic()) >= REFUSED_SECONDS:
            return f"has refused connections for {REFUSED_SECONDS:.0f} s"
        return None

    def _fatal_error(self) -> str | None:
        """The class of the first Error that ended a thread, in the log lines since the last check."""
        try:
            with self._log.open("rb") as log:
                log.seek(self._read_bytes)
                new = log.read()
        except OSError:  # the log was removed
            return None
        self._read_bytes += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        self._rest = self._rest[:LINE_BYTES]
        match = next(filter(None, (_FATAL.match(line[:LINE_BYTES]) for line in lines)), None)
        return None if match is None else match[1].decode()

    def _refused_for(self, now: float) -> float:
        """Seconds for which every connection was refused; 0 if the last one was not."""
        if not self._is_refused():
            self._refused_since = None
            return 0.0
        if self._refused_since is None:
            self._refused_since = now
        return now - self._refused_since

    def _is_refused(self) -> bool:
        try:
            socket.create_connection(self._address, CONNECT_SECONDS).close()
        except ConnectionRefusedError:
            return True
        except OSError:  # a timeout or a local problem does not show that the node is dead
            return False
        return False


def last_lines(log: Path, most: int) -> str:
    """The last lines of a log. Stack frames are left out, because one error may have thousands."""
    try:
        text = log.read_text("utf-8", "replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if not _FRAME.match(line)]
    return "\n".join(lines[-most:])


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
