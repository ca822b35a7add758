"""Processes the pieces of a long input in other processes, and returns the results in the order of the input.

Each process has its own pipe and one piece at a time. If a process is killed, its pipe ends, and the parent process
notices this at once. In the standard library's pool, all processes share one queue, and the others could wait forever.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from service.errors import ConversationsError

Piece = TypeVar("Piece")
Result = TypeVar("Result")
STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Raised:
    error: Exception


class Worker(Generic[Piece, Result]):
    """A process that calls the function with each piece that it is sent."""

    def __init__(self, function: Callable[[Piece], Result]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        resource_tracker.ensure_running()  # now, because its start unblocks SIGINT, which is blocked below
        self._process = context.Process(target=_work, args=(other, function), daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # only the parent process handles ctrl-C
        try:
            self._process.start()
        except BrokenPipeError as error:
            raise _killed() from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            other.close()

    def send(self, piece: Piece) -> None:
        try:
            self._connection.send(piece)
        except OSError as error:
            raise _killed() from error

    def result(self) -> Result:
        """Waits for the result of the piece. Raises what the function raised."""
        try:
            found: Result | _Raised = self._connection.recv()
        except (EOFError, OSError) as error:
            raise _killed() from error
        if isinstance(found, _Raised):
            raise found.error
        return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()


@contextmanager
def started(function: Callable[[Piece], Result], count: int) -> Iterator[Sequence[Worker[Piece, Result]]]:
    """Starts `count` processes. They end with the block, and also when this process is killed."""
    with ExitStack() as stack:
        workers: list[Worker[Piece, Result]] = []
        for _number in range(count):
            worker = Worker(function)
            stack.callback(worker.stop)
            workers.append(worker)
        yield workers


def handed_out(
    workers: Sequence[Worker[Piece, Result]], pieces: Iterable[Piece]
) -> Iterator[tuple[Piece, Worker[Piece, Result]]]:
    """Yields each piece with the process that works on it. Call its `result` before taking the next piece."""
    idle, busy = deque(workers), deque[tuple[Piece, Worker[Piece, Result]]]()
    for piece in pieces:
        if not idle:
            yield busy[0]
            idle.append(busy.popleft()[1])
        worker = idle.popleft()
        worker.send(piece)
        busy.append((piece, worker))
    yield from busy


def mapped(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], *, workers: int | None
) -> Iterator[tuple[Piece, Result]]:
    """Yields each piece with its result. With `workers`, that many other processes compute it, else this one."""
    if workers is None:
        for piece in pieces:
            yield piece, function(piece)
        return
    with started(function, workers) as others:
        for piece, worker in handed_out(others, pieces):
            yield piece, worker.result()


def _killed() -> ConversationsError:
    return ConversationsError(
        "one of the processes of --workers was killed, perhaps because memory ran out: run the command again, "
        "with fewer of them"
    )


def _work(connection: Connection, function: Callable[[Piece], Result]) -> None:
    """The main function of the process. It ends when the parent process ends."""
    while True:
        try:
            piece = connection.recv()
        except (EOFError, OSError):
            return
        try:
            result: Result | _Raised = function(piece)
        except Exception as error:
            result = _Raised(error)
        try:
            connection.send(result)
        except OSError:
            return
