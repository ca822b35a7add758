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
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import msgspec
from opensearchpy import AsyncTransport, JSONSerializer
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import TransportError
from opensearchpy.serializer import Deserializer

from service import deadline, telemetry
from service.client import error_types, responses
from service.client.call import Call
from service.client.connection import Connection
from service.client.node_health import Answering, Failure, Node, State
from service.client.probes import LEAST_SEARCH_SECONDS
from service.client.watch import Watch
from service.errors import AnswerMayBeOld, AnswerUnusable, ConversationsError, WrongPath

EXPECTED = (404, 409)  # normal outcomes, not failures: the document does not exist, or has a newer version
LATE_SECONDS = 5.0  # a node is probed after this time without an answer, however long the call may take
LEAST_SECONDS = 0.2  # a node is never late before this time, however little time a call has
WRONG_PATH = "OpenSearch does not answer at the path of its URL: check the path in OPENSEARCH_URL, or leave it out"
_POINT_IN_TIME = "_search/point_in_time"  # never sent to two nodes at the same time: one of two would stay open

_connection: ContextVar[Connection] = ContextVar("connection")


@dataclass(frozen=True, slots=True)
class Policy:
    """See service.cluster_settings. `timeout` is the default of a call, in seconds. Probes search `alias`."""

    alias: str
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
        self,
        hosts: Collection[object],
        *,
        policy: Policy,
        same_cluster_as: Transport | None = None,
        report: Callable[[int, str | None], None] = lambda _number, _problem: None,
        **options: Any,
    ) -> None:
        """`same_cluster_as` is the transport of another client of the same cluster. Its nodes and probes serve both.

        Watch describes `report`.
        """
        super().__init__(hosts, **options)
        self.deserializer = _Deserializer({JSONSerializer.mimetype: self.serializer})
        self._policy = policy
        self._owns_watch = same_cluster_as is None
        self._watch: Watch = (
            Watch(
                len(hosts),
                policy.failures,
                policy.probe_seconds,
                policy.alias,
                max(LEAST_SEARCH_SECONDS, policy.timeout / 2),
                self._async_call,
                self._connect_for_probes,
                report,
            )
            if same_cluster_as is None
            else same_cluster_as._watch
        )
        self._nodes = self._watch.nodes
        self._closing: set[asyncio.Task[object]] = set()

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
            self._watch.begin()
            with telemetry.tracing.span(f"opensearch {name}", "client") as facts:
                facts |= {"db.system.name": "opensearch", "db.operation.name": name, "http.request.method": method}
                return await self._send(self._call_of(method, url, params, body, timeout, ignore, headers))
        except TransportError as error:
            status = error.status_code if isinstance(error.status_code, int) else 0
            is_its_own = error_types.is_from_opensearch(error)
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
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._owns_watch:
            await self._watch.close()
        await super().close()

    @property
    def answering(self) -> Answering:
        nodes = self._nodes.all
        return Answering(sum(node.state is State.READY for node in nodes), len(nodes))

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
        if call.is_read:
            self._watch.budget.add()
            return await self._read(call)
        tried: list[Node] = []
        last: Exception | None = None
        while (node := self._nodes.pick(tried)) is not None:
            tried.append(node)
            try:
                return await self._watched(node, call)
            except Unreachable as error:
                if error_types.failure_of(error) is not Failure.DOWN:
                    raise
                last = error
            except WrongPath as error:  # refused before anything was done
                last = error
        raise last or self._open_circuit()

    async def _read(self, call: Call) -> object:
        """The first answer: from one node, or from a second one if the first failed or is late.

        If all nodes are found dead meanwhile, raises the same error as calls that come later.
        """
        tried: list[Node] = []
        running: set[asyncio.Task[object]] = set()
        last: Exception | None = None
        now = asyncio.get_running_loop().time
        may_go_twice = self._policy.slow_share < 1 and call.kind != _POINT_IN_TIME
        late_at = now() + self._slow_after(call) if may_go_twice else None
        left = 2  # an unreachable node costs no time, so it does not count
        all_dead: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._watch.reads.add(all_dead)
        try:
            while True:
                if not running:
                    node = self._nodes.pick(tried, is_search=call.is_search) if left > 0 else None
                    if node is None:
                        raise last or self._open_circuit()
                    if last is not None:
                        telemetry.retried.labels("failed").inc()
                    left -= 1
                    running.add(self._start(node, call.anywhere if tried else call, tried))
                wait = None if late_at is None or left == 0 else max(0.0, late_at - now())
                either: set[asyncio.Future[object]] = {all_dead, *running}
                await asyncio.wait(either, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
                done = {task for task in running if task.done()}
                running -= done
                for task in sorted(done, key=lambda task: task.exception() is not None):  # an answer before an error
                    last = _failed_attempt(task, is_last=not running)
                    if last is None:
                        return task.result()
                    left += error_types.failure_of(last) is Failure.DOWN or isinstance(last, AnswerMayBeOld)
                if all_dead.done():
                    raise last if last is not None and not running else self._circuit_error()
                if not done:
                    other = self._nodes.pick(tried, is_search=call.is_search)
                    if other is not None and self._watch.budget.take():
                        telemetry.retried.labels("slow").inc()
                        left -= 1
                        running.add(self._start(other, call.anywhere, tried))
                    else:
                        late_at = None
        finally:
            self._watch.reads.discard(all_dead)
            for task in running:
                task.cancel()

    def _start(self, node: Node, call: Call, tried: list[Node]) -> asyncio.Task[object]:
        tried.append(node)
        task = asyncio.create_task(self._watched(node, call))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # else asyncio might log the error
        return task

    def _slow_after(self, call: Call) -> float:
        left = call.ends - asyncio.get_running_loop().time()
        return max(LEAST_SECONDS, min(LATE_SECONDS, self._policy.slow_share * deadline.remaining(left)))

    async def _watched(self, node: Node, call: Call) -> object:
        """One attempt. A late node is probed meanwhile, and rests until it passes the probe."""
        silent_before = node.silent_probes
        late = asyncio.get_running_loop().call_later(self._slow_after(call), self._watch.late, node)
        try:
            answer = await self._attempt(node, call)
        except (TransportError, ConversationsError) as error:
            failure = error_types.failure_of(error)
            if failure is Failure.SILENT and call.is_search:
                self._watch.late(node)  # the probe finds out whether it is silent to other calls, too
            elif failure is not None:
                self._watch.failed(node, failure, error)
            else:
                self._heard(node, call, silent_before)
            raise
        finally:
            late.cancel()
        try:
            self._heard(node, call, silent_before)
        except AnswerMayBeOld:
            if call.kind == _POINT_IN_TIME and isinstance(answer, dict):
                self._close_point_in_time(answer["pit_id"])
            raise
        return answer

    def _close_point_in_time(self, pit_id: str) -> None:
        """Closes a point in time in the background. Nobody uses it, because the answer with its id was rejected."""
        body = msgspec.json.encode({"pit_id": [pit_id]})
        task = asyncio.create_task(self.perform_request("DELETE", f"/{_POINT_IN_TIME}", body=body))
        self._closing.add(task)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        task.add_done_callback(self._closing.discard)

    def _heard(self, node: Node, call: Call, silent_before: int) -> None:
        """Called after each answer. Raises AnswerMayBeOld for a read.

        A node may have been removed from its cluster, and have joined it again, since it got the call. In this case, it
        did not answer a probe meanwhile.
        """
        was_silent = node.silent_probes > silent_before
        if len(self._nodes.all) == 1:
            is_known_well = call.is_search or not node.late_searches
        else:
            is_known_well = node.state is State.READY and not was_silent
        if is_known_well:
            node.answered()
            return
        node.spoke(is_search=call.is_search)
        may_be_old = was_silent or node.is_doubted
        if call.is_read and (node.is_outside or (may_be_old and self._nodes.are_others_believed(node))):
            raise AnswerMayBeOld(
                "the answer of OpenSearch may be old, as its node was silent before, or is cut off: try again shortly"
            )

    async def _attempt(self, node: Node, call: Call) -> object:
        chosen = _connection.set(self.connection_pool.connection_opts[node.number][0])
        seconds = max(0.001, call.ends - asyncio.get_running_loop().time())
        try:
            answer: object = await super().perform_request(
                call.method, call.url, dict(call.params), call.body, seconds, call.ignore, call.headers
            )
        except TransportError as error:
            path = self.connection_pool.connection_opts[node.number][0].url_prefix
            if error_types.is_about_path(error, path, call.url):
                raise WrongPath(WRONG_PATH) from error
            raise
        finally:
            _connection.reset(chosen)
        if call.method != "HEAD":
            responses.check_shape(call.method, call.url, answer, call.body)
        return answer

    def _connect_for_probes(self, number: int) -> Connection:
        host = self.connection_pool.connection_opts[number][1]
        at_once = 2 + len(self._nodes.all)  # asked regularly, probed, and asked about each of the others
        return self.connection_class(**{**self.kwargs, **host, "pool_maxsize": at_once})

    def _open_circuit(self) -> Unreachable:
        """The error for a call that is not sent, because all nodes are dead."""
        telemetry.unsent.inc()
        return self._circuit_error()

    def _circuit_error(self) -> Unreachable:
        opened = error_types.circuit_open([node.last for node in self._nodes.all])
        return Unreachable("N/A", str(opened), opened)


def _failed_attempt(task: asyncio.Task[object], *, is_last: bool) -> Exception | None:
    """The error because of which another node is asked, or waited for; None if this one answered.

    Raises an error that every node would answer with. If this attempt `is_last`, raises a temporary error, too.
    """
    error = task.exception()
    if error is None:
        return None
    if isinstance(error, Exception):
        is_of_the_node = error_types.failure_of(error) is not None
        if is_of_the_node or (not is_last and error_types.is_temporary(error)):
            return error
    raise error
