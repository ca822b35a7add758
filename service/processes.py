"""Works on the pieces of a long input in other processes, in the order of the input."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from service.errors import ConversationsError

Piece = TypeVar("Piece")
Result = TypeVar("Result")
PIECES_AHEAD = 2  # of each process


@contextmanager
def pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """The processes end with the block, and also when this process is killed.

    If one of them is killed, ConversationsError is raised in place of what waits for a result.
    """
    found = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield found
    except BrokenProcessPool as error:
        raise ConversationsError(
            "one of the processes of --workers was killed, perhaps for want of memory: run the command again, "
            "with fewer of them"
        ) from error
    finally:
        found.shutdown(cancel_futures=True)


def submitted(
    found: ProcessPoolExecutor, function: Callable[[Piece], Result], pieces: Iterable[Piece], *, ahead: int
) -> Iterator[tuple[Piece, Future[Result]]]:
    """Each piece with the result to wait for. At most `ahead` pieces are under way."""
    waiting: deque[tuple[Piece, Future[Result]]] = deque()
    for piece in pieces:
        waiting.append((piece, found.submit(function, piece)))
        if len(waiting) >= ahead:
            yield waiting.popleft()
    yield from waiting


def mapped(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], *, workers: int | None
) -> Iterator[tuple[Piece, Result]]:
    """Each piece with its result: in this process without `workers`, else in so many others."""
    if workers is None:
        for piece in pieces:
            yield piece, function(piece)
        return
    with pool(workers) as found:
        for piece, future in submitted(found, function, pieces, ahead=workers * PIECES_AHEAD):
            yield piece, future.result()


def _begin() -> None:
    """In a new process: ctrl-C is for the first process, and the end of that is the end of this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_first, daemon=True).start()


def _end_with_the_first() -> None:
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(1)
