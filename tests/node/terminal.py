"""Commands on a pseudo-terminal, as a person types them."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.corpus import ORGANIZATIONS
from tests.node.clusters import Cluster

COMMAND = [sys.executable, "-m", "service"]
WAIT_SECONDS = 120


def environment(cluster: Cluster, home: Path, **changes: str) -> dict[str, str]:
    own = {
        name: value for name, value in cluster.environment.items() if name not in ("NO_COLOR", "COLUMNS", "FORCE_COLOR")
    }
    return own | {"HOME": str(home), "CONVERSATIONS_ORGANIZATION": str(ORGANIZATIONS[0])} | changes


class Terminal:
    """A command on a pseudo-terminal of its own, which is `columns` wide."""

    def __init__(self, cluster: Cluster, home: Path, *arguments: str, columns: int = 100, **changes: str) -> None:
        self.main, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], env=environment(cluster, home, **({"TERM": "xterm-256color"} | changes)), cwd=home,
            stdin=inner, stdout=inner, stderr=inner, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - without a terminal of its own, ctrl-C is text
        )  # fmt: skip
        os.close(inner)
        self.printed = ""

    def read_until(self, words: str) -> None:
        while words not in self.printed:
            assert self._read(), f"{words!r} never came: {self.printed!r}"

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        os.close(self.main)
        return self.process.wait(WAIT_SECONDS)

    def _read(self) -> bool:
        try:
            assert select.select([self.main], [], [], WAIT_SECONDS)[0], f"nothing more came: {self.printed!r}"
            data = os.read(self.main, 65536)
        except OSError:  # EIO: the command has ended
            return False
        self.printed += data.decode(errors="replace")
        return bool(data)


def on_terminal(cluster: Cluster, home: Path, *arguments: str, columns: int = 100, **changes: str) -> tuple[int, str]:
    terminal = Terminal(cluster, home, *arguments, columns=columns, **changes)
    return terminal.end(), terminal.printed.replace("\r\n", "\n")
