"""One OpenSearch for all processes of a run: the first process that needs it starts it, and it ends after the last one.

`python -m tests.node.shared_node FOLDER` is the process that owns the node. Each process that uses the node holds a
shared lock of the file `users`, which the kernel releases even if the process is killed. The owner waits for an
exclusive lock of this file, and then stops the node.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.node import LocalNode, prepare
from service.settings import Settings, child_environment
from tests.node import containers
from tests.processes import wait_until

HEAP = "1536m"  # 512 MB for each of the three processes of scripts/test

_owners: list[subprocess.Popen[bytes]] = []  # started by this process, and running longer than it


@contextmanager
def used(folder: Path) -> Iterator[str]:
    """The node's address. It runs at least until the block, or the process, ends."""
    folder.mkdir(exist_ok=True)
    with (folder / "users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits while an earlier node is being stopped
        yield _address(folder)


def log(folder: Path) -> Path:
    """What the node prints. There is no such file if it runs in a container."""
    return folder / "data" / "logs" / "node.out"


def _address(folder: Path) -> str:
    url = folder / "url"
    with (folder / "starting").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not url.exists():
            said = folder / "owner"
            with said.open("wb") as output:
                owner = subprocess.Popen(
                    [sys.executable, "-m", "tests.node.shared_node", folder],
                    stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=Path(__file__).parents[2],
                    env=child_environment(without=("JDK_JAVA_OPTIONS",)),  # not those of one test
                    start_new_session=True,  # a terminal's ctrl-C must not reach it
                )  # fmt: skip
            _owners.append(owner)
            wait_until(url.exists, process=owner, says=said.read_text, seconds=600)
    return url.read_text()


@contextmanager
def _started(data: Path) -> Iterator[str]:
    """A node in a container if a container engine runs, else a local one."""
    if containers.engine_answers():
        with containers.node() as url:
            yield url
        return
    settings = Settings.load()
    with LocalNode(data, prepare(settings.cache, java_home=settings.java_home), heap=HEAP) as node:
        yield node.url


def own(folder: Path) -> None:
    """Starts the node, and stops it when no process uses it any more."""
    url, partial = folder / "url", folder / "url.partial"
    with _started(folder / "data") as address, (folder / "users").open("a") as users:
        partial.write_text(address)
        partial.rename(url)
        fcntl.flock(users, fcntl.LOCK_EX)
        url.unlink()


if __name__ == "__main__":
    own(Path(sys.argv[1]))
