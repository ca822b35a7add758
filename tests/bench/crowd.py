"""A crowd of connections in a process of its own: some send nothing, others a byte now and then.

`python -m tests.bench.crowd HOST PORT IDLE SLOW`; a connection that is closed is opened again at once. The crowd needs
little processor time, so it does not disturb the measurement of the service.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from contextlib import suppress

EVERY_SECONDS = 2.0


def main(host: str, port: int, idle: int, slow: int) -> None:
    chosen = selectors.DefaultSelector()

    def connect(*, is_slow: bool) -> None:
        made = socket.socket()
        made.setblocking(False)
        made.connect_ex((host, port))
        chosen.register(made, selectors.EVENT_READ, is_slow)

    for number in range(idle + slow):
        connect(is_slow=number < slow)
    due = time.monotonic() + EVERY_SECONDS
    while True:
        for key, _events in chosen.select(max(0.0, due - time.monotonic())):
            assert isinstance(key.fileobj, socket.socket)
            if not _is_open(key.fileobj):
                chosen.unregister(key.fileobj)
                key.fileobj.close()
                connect(is_slow=key.data)
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY_SECONDS
            for key in list(chosen.get_map().values()):
                if key.data and isinstance(key.fileobj, socket.socket):
                    with suppress(OSError):
                        key.fileobj.send(b"X")


def _is_open(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(65_536))
    except BlockingIOError:
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
