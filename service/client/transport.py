"""Sends each call to a node that answers, and a read to a second one if the first fails or is late.

opensearch-py's own pool and retries are not used. If all nodes are dead, its pool still sends requests to them; as soon
as a node has rested, it gets all requests at once; and its retries repeat writes. This module sends again:

- any call whose connection could not be made, to each of the other nodes, because it was never sent;
- a read, once, if its connection was lost, if it had no answer within a share of its deadline, or if its answer did not
  come from OpenSearch.

Other writes are repeated only by their callers, who know whether that is safe (service.index.writer).

Once all nodes are dead, calls are not sent, and running reads end at once. A running write goes on until its own time
is over, because it may have been executed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from opensearchpy import AsyncTransport, JSONSerializer
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import TransportError
from opensearchpy.serializer import Deserializer

from service import deadline, telemetry
from service.client import error_types, responses
from service.client.call import Call
from service.client.connection import Connection
from service.client.node_health import COSTLY, Budget, Failure, Node, Nodes, State
from service.client.probes import Probes
from service.errors import AnswerUnusable, ConversationsError
from service.message_texts import counted

EXPECTED = (404, 409)  # normal outcomes, not failures: the document does not exist, or has a newer version
LATE_SECONDS = 5.0  # a node is probed after this time without an answer, however long the call may take
LEAST_SECONDS = 0.2  # a node is never late before this time, however little time a call has
FIRST_PAUSE_SECONDS = 0.2
_LEAVES_SOMETHING = "_search/point_in_time"  # so it is never sent to two nodes at the same time

_connection: ContextVar[Connection] = ContextVar("connection")


@dataclass(frozen=True, slots=True)
class Policy:
    """See service.cluster_settings. `timeout` is the default of a call, in seconds."""

    timeout: float
    slow_share: float
    failures: int
    probe_seconds: float


class _Deserializer(Deserializer):
    """Decodes every response as JSON, whatever its content type, so that HTML raises the same error as broken JSON."""

    def loads(self, s: str, mimetype: str | None = None) -> object:
        return self.default.loads(s)


class Transport(AsyncTransport):
    """opensearch-py's transport, which also counts and traces calls, checks their responses and chooses the nodes."""

    connection_class: type[Connection]

    def __init__(
        self, hosts: Collection[object], *, policy: Policy, beside: Transport | None = None, **options: Any
    ) -> None:
        """`beside` is the transport of another client of the same cluster. If given, it probes the nodes for both."""
        super().__init__(hosts, **options)
        self.deserializer = _Deserializer({JSONSerializer.mimetype: self.serializer})
        self._policy = policy
        self._probes = Probes(self._connect_for_probes, self._witness_failed)
        self._watches: dict[int, asyncio.Task[None]] = {}
        self._rounds: asyncio.Task[None] | None = None
        self._budget = Budget()
        self._reads: set[asyncio.Future[object]] = set()  # one for each running read, done once all nodes are dead
        self._keeper: Transport = beside or self
        self._nodes: Nodes = (
            Nodes([Node(number, policy.failures, _count_state) for number in range(len(hosts))])
            if beside is None
            else beside._nodes
        )
        if beside is None:
            telemetry.nodes.labels(State.READY.value).inc(len(hosts))

    async def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the base class has it)
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> object:
        name = telemetry.call_of(url)
        started = time.perf_counter()
        in_use = telemetry.pool.labels("in_use")
        in_use.inc()
        try:
            await self._async_call()
            self._keeper._begin_rounds()
            with telemetry.tracing.span(f"opensearch {name}", "client") as facts:
                facts |= {"db.system.name": "opensearch", "db.operation.name": name, "http.request.method": method}
                return await self._send(self._call_of(method, url, params, body, timeout, ignore, headers))
        except TransportError as error:
            status = error.status_code if isinstance(error.status_code, int) else 0
            is_its_own = error_types.is_opensearchs(error)
            if status not in EXPECTED or not is_its_own:
                telemetry.failures.labels(name, str(status)).inc()
            if status in EXPECTED and not is_its_own:
                raise AnswerUnusable(
                    f"a server that is not OpenSearch responded with {status}: "
                    "check OPENSEARCH_URL, and any proxy between the service and OpenSearch"
                ) from error
            raise
        except AnswerUnusable:
            telemetry.failures.labels(name, "unusable").inc()
            raise
        finally:
            in_use.dec()
            telemetry.calls.labels(name).observe(time.perf_counter() - started)

    def get_connection(self) -> Connection:
        """The connection of the node that was chosen for this call."""
        return _connection.get()

    def mark_dead(self, connection: object) -> None:
        """Does nothing. The base class would take the connection out of its pool and never close it."""

    async def close(self) -> None:
        tasks = [*self._watches.values(), *([] if self._rounds is None else [self._rounds])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._probes.close()
        if self._keeper is self:
            for node in self._nodes.all:
                telemetry.nodes.labels(node.state.value).dec()
            self._nodes.all.clear()
        await super().close()

    def nodes_in_words(self) -> str | None:
        """How many nodes answered the last calls; None if there is only one."""
        nodes = self._nodes.all
        ready = sum(node.state is State.READY for node in nodes)
        return None if len(nodes) == 1 else f"{ready} of {counted(len(nodes), 'node')} of OpenSearch answer"

    def _call_of(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None,
        body: bytes | None,
        seconds: float | None,
        ignore: Collection[int],
        headers: Mapping[str, str] | None,
    ) -> Call:
        rest = dict(params or {})
        given = seconds or rest.pop("request_timeout", None) or self._policy.timeout
        ends = asyncio.get_running_loop().time() + float(str(given))
        return Call(method, url, rest, body, ends, ignore, headers)

    async def _send(self, call: Call) -> object:
        self._budget.add()
        if call.is_read:
            return await self._read(call)
        tried: list[Node] = []
        last: Unreachable | None = None
        while (node := self._nodes.pick(tried)) is not None:
            tried.append(node)
            try:
                return await self._watched(node, call)
            except Unreachable as error:
                if error_types.failure_of(error) is not Failure.DOWN:
                    raise
                last = error
        raise last or self._open_circuit()

    async def _read(self, call: Call) -> object:
        """The first answer: from one node, or from a second one if the first failed or is late.

        If all nodes are found dead meanwhile, raises the same error as calls that come later.
        """
        tried: list[Node] = []
        running: set[asyncio.Task[object]] = set()
        last: Exception | None = None
        may_be_late = self._policy.slow_share < 1 and call.kind != _LEAVES_SOMETHING
        is_late = False
        left = 2  # an unreachable node costs no time, so it does not count
        all_dead: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._keeper._reads.add(all_dead)
        try:
            while True:
                if not running:
                    node = self._nodes.pick(tried) if left > 0 else None
                    if node is None:
                        raise last or self._open_circuit()
                    if last is not None:
                        telemetry.retried.labels("failed").inc()
                    left -= 1
                    running.add(self._start(node, call.anywhere if tried else call, tried))
                wait = (0.0 if is_late else self._slow_after(call)) if may_be_late and left > 0 else None
                either: set[asyncio.Future[object]] = {all_dead, *running}
                await asyncio.wait(either, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                done = {task for task in running if task.done()}
                running -= done
                for task in done:
                    last = _failed_attempt(task)
                    if last is None:
                        return task.result()
                    left += error_types.failure_of(last) is Failure.DOWN
                if all_dead.done():
                    raise last if last is not None and not running else self._circuit_error()
                if not done:
                    is_late = True
                    if (other := self._nodes.pick(tried)) is not None and self._budget.take():
                        telemetry.retried.labels("slow").inc()
                        left -= 1
                        running.add(self._start(other, call.anywhere, tried))
                    else:
                        may_be_late = False
        finally:
            self._keeper._reads.discard(all_dead)
            for task in running:
                task.cancel()

    def _start(self, node: Node, call: Call, tried: list[Node]) -> asyncio.Task[object]:
        tried.append(node)
        task = asyncio.create_task(self._watched(node, call))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # even if nobody waits for it
        return task

    def _slow_after(self, call: Call) -> float:
        left = call.ends - asyncio.get_running_loop().time()
        return max(LEAST_SECONDS, min(LATE_SECONDS, self._policy.slow_share * deadline.remaining(left)))

    async def _watched(self, node: Node, call: Call) -> object:
        """One attempt. A late node is probed meanwhile, and rests until it passes the probe."""
        late = asyncio.get_running_loop().call_later(self._slow_after(call), self._keeper._suspect, node)
        try:
            answer = await self._attempt(node, call)
        except (TransportError, ConversationsError) as error:
            if (failure := error_types.failure_of(error)) is not None:
                self._keeper._failed(node, failure, error)
            else:
                self._heard(node, call)
            raise
        finally:
            late.cancel()
        self._heard(node, call)
        return answer

    def _heard(self, node: Node, call: Call) -> None:
        """Called after each answer. Raises AnswerUnusable for a read if the answer may be old."""
        if node.state is State.READY or len(self._nodes.all) == 1:
            node.answered()
            return
        node.spoke()
        if node.is_doubted and call.is_read and self._nodes.are_others_ready(node):
            raise responses.unusable("its node was silent or cut off before, so the answer may be old")

    async def _attempt(self, node: Node, call: Call) -> object:
        chosen = _connection.set(self.connection_pool.connection_opts[node.number][0])
        seconds = max(0.001, call.ends - asyncio.get_running_loop().time())
        try:
            answer: object = await super().perform_request(
                call.method, call.url, dict(call.params), call.body, seconds, call.ignore, call.headers
            )
        finally:
            _connection.reset(chosen)
        if call.method != "HEAD":
            responses.check_shape(call.method, call.url, answer, call.body)
        return answer

    def _failed(self, node: Node, failure: Failure, error: Exception) -> None:
        """Records the failure. Once a node is dead, the others are probed, so that a dead cluster is noticed soon.

        Once all are dead, running reads end.
        """
        before = node.state
        node.failed(failure, error)
        self._watch(node)
        if self._nodes.are_all_dead():
            for read in self._reads:
                if not read.done():
                    read.set_result(None)
        if node.state is State.DEAD and before is not State.DEAD:
            for other in self._nodes.all:
                if other.state is State.READY:
                    self._suspect(other)

    def _suspect(self, node: Node) -> None:
        node.suspected()
        self._watch(node, at_once=True)

    def _watch(self, node: Node, *, at_once: bool = False) -> None:
        """Probes the node in the background until it answers."""
        running = self._watches.get(node.number)
        if (running is None or running.done()) and self._nodes.all:
            self._watches[node.number] = asyncio.create_task(
                self._probe_until_ready(node, 0.0 if at_once else FIRST_PAUSE_SECONDS)
            )

    async def _probe_until_ready(self, node: Node, pause: float) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(pause)
            if node.state is State.READY:
                return
            begun = clock()
            await self._probe(node)
            pause = max(0.0, begun + self._policy.probe_seconds - clock())

    def _begin_rounds(self) -> None:
        if self._rounds is None and len(self._nodes.all) > 1:
            self._rounds = asyncio.create_task(self._go_round())

    async def _go_round(self) -> None:
        """Asks the nodes that take part, again and again, and probes those that their cluster may have left out."""
        while True:
            await asyncio.sleep(self._policy.probe_seconds)
            asked = [node.number for node in self._nodes.all if node.state is State.READY]
            for number in await self._probes.cut_off(asked):
                self._suspect(self._nodes.all[number])

    async def _probe(self, node: Node) -> None:
        await self._async_call()
        try:
            if len(self._nodes.all) == 1:
                await self._probes.check_answers(node.number)
            else:
                await self._probes.check_member(node.number, [one.number for one in self._nodes.witnesses(node)])
        except (TransportError, ConversationsError) as error:
            if (failure := error_types.failure_of(error)) is not None:
                is_alone = node.number in self._probes.without_manager and not self._nodes.are_most_alive(node)
                self._failed(node, Failure.ALONE if is_alone else failure, error)
                return
        node.answered()

    def _connect_for_probes(self, number: int) -> Connection:
        host = self.connection_pool.connection_opts[number][1]
        return self.connection_class(**{**self.kwargs, **host, "pool_maxsize": 1})

    def _witness_failed(self, number: int, error: Exception) -> None:
        """A node that did not answer when another one was probed, which counts as its first failure if it had none."""
        node, failure = self._nodes.all[number], error_types.failure_of(error)
        if node.failures == 0 and failure in COSTLY:
            self._failed(node, failure, error)

    def _open_circuit(self) -> Unreachable:
        """The error for a call that is not sent, because all nodes are dead."""
        telemetry.unsent.inc()
        return self._circuit_error()

    def _circuit_error(self) -> Unreachable:
        opened = error_types.circuit_open([node.last for node in self._nodes.all])
        return Unreachable("N/A", str(opened), opened)


def _failed_attempt(task: asyncio.Task[object]) -> Exception | None:
    """Why another node is asked; None if this one answered. Raises an error that any node would answer with."""
    error = task.exception()
    if error is not None and (error_types.failure_of(error) is None or not isinstance(error, Exception)):
        raise error
    return error


def _count_state(before: State, after: State) -> None:
    telemetry.nodes.labels(before.value).dec()
    telemetry.nodes.labels(after.value).inc()
    if after is State.DEAD:
        telemetry.circuits_opened.inc()
