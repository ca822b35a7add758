"""Starts the workers, replaces those that die and, on SIGHUP, all of them one by one, and ends them together.

A worker is a new process of the same command, so it reads the settings, secrets and certificates again. All workers
accept from one socket, which stays open while they come and go: a connection that none has accepted waits.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from service.workers import metric_files
from service.workers.part import Part

LEAST_PAUSE, MOST_PAUSE = 1.0, 30.0  # seconds before another try, if new workers end before they serve
logger = structlog.get_logger("conversations.workers")


@dataclass(slots=True, eq=False)
class _Worker:
    process: asyncio.subprocess.Process
    control: socket.socket  # the worker ends when this is closed
    is_retired: bool = False
    watch: asyncio.Task[None] | None = None

    def signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


@dataclass(slots=True)
class Supervisor:
    """`command` starts a worker, with an option for its part added. `patience`: seconds that one may take to end."""

    command: Sequence[str]
    environment: Mapping[str, str]
    count: int
    listeners: Sequence[socket.socket]
    folder: Path
    patience: float
    _slots: dict[int, _Worker] = field(default_factory=dict)
    _all: set[_Worker] = field(default_factory=set)
    _refilling: set[asyncio.Task[None]] = field(default_factory=set)
    _reload: asyncio.Event = field(default_factory=asyncio.Event)
    _end: asyncio.Event = field(default_factory=asyncio.Event)
    _ended_by: signal.Signals | None = None

    async def run(self) -> int | signal.Signals:
        """Runs until SIGINT or SIGTERM, which it returns, or returns the exit code of a worker that cannot start.

        The first worker starts alone, so that the reason is printed only once if workers cannot start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        try:
            failed = await self._fill(0)
            if not failed and not self._end.is_set():
                others = await asyncio.gather(*(self._fill(slot) for slot in range(1, self.count)))
                failed = next((code for code in others if code), 0)
            if not failed and not self._end.is_set():
                logger.info("workers_started", workers=self.count)
                await self._reload_until_the_end()
        finally:
            await self._end_all()
        return self._ended_by or failed

    def _stop(self, number: signal.Signals) -> None:
        """Passes the signal on: a second SIGINT ends workers at once."""
        self._ended_by = self._ended_by or number
        self._end.set()
        for worker in self._all:
            worker.signal(number)

    async def _reload_until_the_end(self) -> None:
        ended = asyncio.create_task(self._end.wait())
        while not self._end.is_set():
            asked = asyncio.create_task(self._reload.wait())
            await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            if self._reload.is_set() and not self._end.is_set():
                self._reload.clear()
                await self._replace_all()

    async def _replace_all(self) -> None:
        """Replaces one worker after the other. If a new one cannot start, the old ones that are left stay."""
        for slot, old in list(self._slots.items()):
            if self._end.is_set() or self._slots.get(slot) is not old:  # it died, and is being replaced already
                continue
            old.is_retired = True
            if code := await self._fill(slot):
                self._keep(slot, old, code)
                return
            await self._end_one(old)
        if not self._end.is_set():
            logger.info("workers_replaced", workers=self.count)

    def _keep(self, slot: int, old: _Worker, code: int) -> None:
        """Keeps a worker that was to be replaced, because the new one cannot start."""
        if self._end.is_set():
            return
        logger.error("workers_not_replaced", exit_code=code)
        old.is_retired = False
        if old not in self._all:  # it died meanwhile
            self._refill_soon(slot)

    async def _fill(self, slot: int) -> int:
        """Starts a new worker for the slot. Returns 0 once it serves, or its exit code if it ends before."""
        ours, theirs = socket.socketpair()
        descriptors = [listener.fileno() for listener in self.listeners]
        part = Part(self.count, theirs.fileno(), tuple(descriptors), self.folder)
        process = await asyncio.create_subprocess_exec(
            *self.command,
            f"--as-worker={part.text()}",
            env=self.environment,
            pass_fds=(part.control, *descriptors),
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,  # ctrl-C on a terminal reaches the supervisor alone
        )
        theirs.close()
        ours.setblocking(False)
        worker = _Worker(process, ours)
        self._all.add(worker)
        if self._end.is_set():  # while it was started
            worker.signal(signal.SIGTERM)
        with suppress(ConnectionResetError):
            if await asyncio.get_running_loop().sock_recv(ours, 1):
                self._slots[slot] = worker
                worker.watch = asyncio.create_task(self._watch(slot, worker))
                return 0
        code = await process.wait()
        self._forget(worker)
        return code or 1

    async def _watch(self, slot: int, worker: _Worker) -> None:
        """Replaces the worker when it dies."""
        code = await worker.process.wait()
        self._forget(worker)
        if worker.is_retired or self._end.is_set():
            return
        logger.error("worker_died", worker=worker.process.pid, exit_code=code)
        self._refill_soon(slot)

    def _refill_soon(self, slot: int) -> None:
        del self._slots[slot]
        task = asyncio.create_task(self._refill(slot))
        self._refilling.add(task)
        task.add_done_callback(self._refilling.discard)

    async def _refill(self, slot: int) -> None:
        pause = LEAST_PAUSE
        while not self._end.is_set() and (code := await self._fill(slot)):
            if not self._end.is_set():
                logger.error("worker_not_started", exit_code=code, seconds_until_next=pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), pause)
            pause = min(MOST_PAUSE, 2 * pause)
        if not self._end.is_set():
            logger.info("worker_replaced", worker=self._slots[slot].process.pid)

    def _forget(self, worker: _Worker) -> None:
        self._all.discard(worker)
        worker.control.close()
        metric_files.merge_ended(self.folder, worker.process.pid)

    async def _end_one(self, worker: _Worker) -> None:
        worker.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(worker.process.wait(), self.patience)
        except TimeoutError:
            worker.signal(signal.SIGKILL)
            await worker.process.wait()

    async def _end_all(self) -> None:
        self._end.set()
        await asyncio.gather(*(self._end_one(worker) for worker in list(self._all)))
        await asyncio.gather(*(one.watch for one in self._slots.values() if one.watch), *self._refilling)
