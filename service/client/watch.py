"""Watches the nodes of a cluster in the background: asks those that take part, and probes those that failed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

from opensearchpy.exceptions import TransportError

from service import telemetry
from service.client import error_types
from service.client.connection import Connection
from service.client.node_health import OPENS_CIRCUIT, Budget, Failure, Node, Nodes, State
from service.client.probes import Probes
from service.errors import AnswerUnusable, ConversationsError

FIRST_PAUSE_SECONDS = 0.2
FRESH_SECONDS = 2.0  # after which a node that was part of its cluster may have been left out


class Watch:
    """The nodes and what is known of them, for one client or for several of the same cluster.

    `reads` has a future for each running read, which is done once all nodes are dead. `budget` limits slow reads that
    are sent to a second node.
    """

    def __init__(
        self,
        count: int,
        most_failures: int,
        probe_seconds: float,
        alias: str,
        search_seconds: float,
        prepare: Callable[[], Awaitable[object]],
        connect: Callable[[int], Connection],
        report: Callable[[int, str | None], None],
    ) -> None:
        """`prepare` is called before the first `connect`, which makes a connection to the node of this number.

        `report` is called with the number of a node and a reason when a probe of the node fails, and with None when it
        is well again.
        """
        self.nodes = Nodes([Node(number, most_failures, self._count_state) for number in range(count)])
        self.budget = Budget()
        self.reads: set[asyncio.Future[object]] = set()
        self._probe_seconds = probe_seconds
        self._prepare = prepare
        self._took_part: dict[int, float] = {}  # when each node was last asked and found to be part of its cluster
        self._report = report
        self._reported: set[int] = set()
        self._probes = Probes(connect, alias, search_seconds, self._witness_failed)
        self._watches: dict[int, asyncio.Task[None]] = {}
        self._questions: list[asyncio.Task[None]] = []
        self._is_closed = False
        for state in State:
            telemetry.nodes.labels(state.value)  # each is there from the start
        telemetry.nodes.labels(State.READY.value).inc(count)

    async def close(self) -> None:
        self._is_closed = True
        for node in self.nodes.all:
            telemetry.nodes.labels(node.state.value).dec()
        tasks = [*self._watches.values(), *self._questions]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._probes.close()
        self.nodes.all.clear()

    def begin(self) -> None:
        """Begins to ask the nodes regularly, if there are several."""
        if not (self._questions or self._is_closed) and len(self.nodes.all) > 1:
            self._questions = [asyncio.create_task(self._ask_regularly(node)) for node in self.nodes.all]

    def failed(self, node: Node, failure: Failure, error: Exception) -> None:
        """Records the failure. Once a node is dead, the others are probed, so that a dead cluster is noticed soon.

        Once all are dead, running reads end.
        """
        before = node.state
        node.failed(failure, error)
        self._watch(node)
        if self.nodes.are_all_dead():
            for read in self.reads:
                if not read.done():
                    read.set_result(None)
        if node.state is State.DEAD and before is not State.DEAD:
            for other in self.nodes.all:
                if other.state is State.READY:
                    self._suspect(other, is_doubted=True)

    def late(self, node: Node) -> None:
        """Probes a node at once that has not answered a call for a long time, which is not a failure yet."""
        self._suspect(node, is_doubted=not self._is_fresh(node))

    def _suspect(self, node: Node, *, is_doubted: bool) -> None:
        """Probes a node at once. `is_doubted` says that it may have been left out by its cluster."""
        node.suspected(is_doubted=is_doubted)
        self._watch(node, at_once=True)

    def _is_fresh(self, node: Node) -> bool:
        """Whether the node was part of its cluster a moment ago."""
        return asyncio.get_running_loop().time() - self._took_part.get(node.number, -math.inf) <= FRESH_SECONDS

    def _watch(self, node: Node, *, at_once: bool = False) -> None:
        """Probes the node in the background until it answers."""
        running = self._watches.get(node.number)
        if (running is None or running.done()) and not self._is_closed:
            self._watches[node.number] = asyncio.create_task(
                self._probe_until_ready(node, 0.0 if at_once else FIRST_PAUSE_SECONDS)
            )

    async def _probe_until_ready(self, node: Node, pause: float) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(pause)
            begun = clock()
            if node.state is not State.READY:
                await self._probe(node)
            if node.state is State.READY:  # a call may have found it well before the probe
                self._report_back(node)
                return
            pause = max(0.0, begun + self._probe_seconds - clock())

    async def _ask_regularly(self, node: Node) -> None:
        """Asks the node whether its cluster may have left it out. If so, it is probed.

        A node that is doubted or dead is being probed for this anyway.
        """
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._probe_seconds)
            if node.is_doubted or node.state is State.DEAD:
                continue
            asked_at = clock()
            try:
                await self._prepare()
                is_cut_off = await self._probes.is_cut_off(node.number)
            except Exception:  # such as a file of the certificate authority that is just being replaced
                is_cut_off = True
            node.is_outside = self._probes.is_outside(node.number)
            if is_cut_off:
                self._suspect(node, is_doubted=True)
            else:
                self._took_part[node.number] = asked_at
                node.id = node.id or await self._probes.id_of(node.number)

    async def _probe(self, node: Node) -> None:
        if not await self._takes_part(node):
            return
        error = await self._probes.search_problem(node.number)
        if error is not None:
            failure = error_types.failure_of(error) or Failure.SICK
            self._probe_failed(node, Failure.HUNG if failure is Failure.SILENT else failure, error)
            return
        if (node.is_doubted or not self._is_fresh(node)) and not await self._takes_part(node):
            return
        node.answered()

    def _report_back(self, node: Node) -> None:
        if node.number in self._reported:
            self._reported.discard(node.number)
            self._report(node.number, None)

    async def _takes_part(self, node: Node) -> bool:
        """Whether the node answers, and is part of its cluster."""
        asked_at = asyncio.get_running_loop().time()
        error = await self._problem(node)
        node.is_outside = self._probes.is_outside(node.number)
        if error is None:
            node.takes_part()
            self._took_part[node.number] = asked_at
            return True
        failure = self._failure_of_probe(node, error)
        node.silent_probes += failure is Failure.SILENT
        self._probe_failed(node, failure, error)
        return False

    def _probe_failed(self, node: Node, failure: Failure, error: Exception) -> None:
        self.failed(node, failure, error)
        if node.number not in self._reported:
            self._reported.add(node.number)
            self._report(node.number, _reason(failure, error))

    async def _problem(self, node: Node) -> Exception | None:
        """The error that shows that the node does not take part in its cluster; None if it does."""
        try:
            await self._prepare()
            if len(self.nodes.all) == 1:
                await self._probes.check_answers(node.number)
            else:
                await self._probes.check_member(node.number, [one.number for one in self.nodes.witnesses(node)])
        except (TransportError, ConversationsError) as error:
            return None if self._says_nothing_against(error) else error
        except Exception as error:  # such as a file of the certificate authority that is just being replaced
            return error
        return None

    def _says_nothing_against(self, error: Exception) -> bool:
        """Whether the error is an answer of a single node, or of one that refuses to report its state."""
        may_not_tell = isinstance(error, TransportError) and error.status_code in (401, 403)
        return error_types.failure_of(error) is None and (may_not_tell or len(self.nodes.all) == 1)

    def _failure_of_probe(self, node: Node, error: Exception) -> Failure:
        if isinstance(error, AnswerUnusable):
            node.suspected()
            if self._probes.has_no_manager(node.number) and not self.nodes.are_most_alive(node):
                return Failure.ALONE
        return error_types.failure_of(error) or Failure.SICK

    def _witness_failed(self, number: int, error: Exception) -> None:
        """Counts a failure of a node that did not answer when another was probed, if it had no failure before."""
        node, failure = self.nodes.all[number], error_types.failure_of(error)
        if node.failures == 0 and failure in OPENS_CIRCUIT:
            self.failed(node, failure, error)

    def _count_state(self, before: State, after: State) -> None:
        if self._is_closed:
            return
        telemetry.nodes.labels(before.value).dec()
        telemetry.nodes.labels(after.value).inc()
        if after is State.DEAD:
            telemetry.circuits_opened.inc()


def _reason(failure: Failure, error: Exception) -> str:
    """Why a probe failed, without anything that a node or a proxy answered."""
    if isinstance(error, ConversationsError):
        return str(error)
    return failure.value if isinstance(error, TransportError) else type(error).__name__
