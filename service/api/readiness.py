"""GET /health/ready: whether this process can serve requests. The result is cached for a second.

While a node of OpenSearch is silent, some calls wait for it until the cluster removes it, so the results of some checks
are unknown. The service is ready all the same if searches are answered, and only a minority of the nodes is silent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from service.client.node_health import Answering
from service.errors import NO_INDEX, ConversationsError, SearchTimeout, SearchUnavailable
from service.index.silent_nodes import Members
from service.message_texts import counted

REMEMBERED_SECONDS = 1.0
SECONDS = 3.0  # until the result: the probes of docs/kubernetes.md and `conversations healthy` wait for 5 s
DOUBT_SHARE = 0.4  # of the time: if not all checks have succeeded by then, asks which nodes are silent
MEMBERS_SHARE = 0.5  # of the time, to find out which nodes are silent
AGAIN_SHARE = 0.2  # of the time: then an unanswered search is sent again, perhaps to another copy of the shard
LOOK_SECONDS = 0.05  # between two counts of the nodes that answer, while none does

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ready:
    """The service is ready. `nodes` says how many of several nodes answer, `unknown` what could not be found out."""

    nodes: str | None = None
    unknown: str | None = None


class Readiness:
    """Runs checks at the same time. A check raises an error while the service cannot serve."""

    def __init__(
        self,
        search: Check,
        others: Mapping[str, Check],
        *,
        seconds: float,
        reason: Callable[[], Awaitable[str | None]],
        members: Callable[[], Awaitable[Members | None]],
        nodes: Callable[[], Answering] = lambda: Answering(1, 1),
    ) -> None:
        """`search` must succeed. The keys of `others` say what each check finds out: "whether ...".

        `seconds` is the time until the result. `reason` is called after a failed check, and returns the cause, such as
        a full disk, or None if unknown. `members` returns which nodes are silent, and `nodes` how many answered the
        last calls of this process.
        """
        self._search = search
        self._others = others
        self._seconds = seconds
        self._reason = reason
        self._members = members
        self._nodes = nodes
        self._lock = asyncio.Lock()
        self._checked_at: float | None = None
        self._nodes_then: Answering | None = None
        self._result: Ready | SearchUnavailable = Ready()

    async def __call__(self) -> Ready:
        """The result of a run of the checks that ended at most REMEMBERED_SECONDS ago.

        If not ready, raises SearchUnavailable with the reason. If the number of nodes that answer has changed, the
        checks run again.
        """
        async with self._lock:  # concurrent requests wait for one run of the checks and share its result
            if (
                self._checked_at is None
                or time.monotonic() - self._checked_at > REMEMBERED_SECONDS
                or self._nodes() != self._nodes_then
            ):
                self._result = await self._run()
                self._nodes_then = self._nodes()
                self._checked_at = time.monotonic()
        if isinstance(self._result, SearchUnavailable):
            raise self._result.with_traceback(None)
        return self._result

    async def _run(self) -> Ready | SearchUnavailable:
        clock = asyncio.get_running_loop().time
        ends = clock() + self._seconds
        tasks = [asyncio.ensure_future(check()) for check in (self._searched, *self._others.values())]
        try:
            await asyncio.wait(tasks, timeout=DOUBT_SHARE * self._seconds)
            if not (found := self._found(tasks)).is_well:
                members, reason = await asyncio.gather(self._members(), self._reason())
                if reason is None and (members is None or not found.is_good_enough(members)):
                    await asyncio.wait(tasks, timeout=max(0.0, ends - clock()))
                found = self._found(tasks)
            if not found.is_well:
                return self._judged(found, members, reason)
            return await self._with_nodes(ends)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _searched(self) -> None:
        """Searches. Until there is an answer, sends another search after each AGAIN_SHARE of the time."""
        running: set[asyncio.Future[None]] = set()
        try:
            while True:
                running.add(asyncio.ensure_future(self._search()))
                done, _ = await asyncio.wait(
                    running, timeout=AGAIN_SHARE * self._seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return done.pop().result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _found(self, tasks: Sequence[asyncio.Future[None]]) -> _Found:
        """What the checks found so far. Raises errors that are not ConversationsErrors."""
        is_answered, *others = [_error_of(task) for task in tasks]
        unknown = [name for name, error in zip(self._others, others, strict=True) if isinstance(error, SearchTimeout)]
        errors = [error for error in (is_answered, *others) if error and not isinstance(error, SearchTimeout)]
        return _Found(is_answered is None, tuple(unknown), errors[0] if errors else None)

    def _judged(self, found: _Found, members: Members | None, reason: str | None) -> Ready | SearchUnavailable:
        """The result of checks that did not all succeed."""
        if found.error is not None or reason is not None:
            made = SearchUnavailable(reason or str(found.error))
            if found.error is not None and reason is None and found.error.to_callers == NO_INDEX:
                made.to_callers = NO_INDEX  # all other texts for operators are what they look for here
            made.__cause__ = found.error
            return made
        silent = "" if members is None or not members.silent else f"{', '.join(members.silent)} does not answer"
        if members is not None and found.is_good_enough(members):
            answering = members.count - len(members.silent)
            unknown = f"{silent}, so it is unknown {' and '.join(found.unknown)}"
            return Ready(_in_words(Answering(answering, members.count)), unknown)
        said = f" ({silent})" if silent else ""
        return SearchUnavailable(
            f"OpenSearch did not respond to the health check within {self._seconds:.0f} s{said}: try again"
        )

    async def _with_nodes(self, ends: float) -> Ready | SearchUnavailable:
        """Ready, or the error if none of several nodes answers until `ends`. All may be in doubt for a moment."""
        while (nodes := self._nodes()).all > 1 and nodes.answering == 0:
            if asyncio.get_running_loop().time() >= ends:
                return SearchUnavailable(f"{_in_words(nodes)}: try again shortly")
            await asyncio.sleep(LOOK_SECONDS)
        return Ready(_in_words(nodes) if nodes.all > 1 else None)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the checks found: whether a search was answered, what is unknown, and the first error."""

    is_answered: bool
    unknown: tuple[str, ...]
    error: ConversationsError | None

    @property
    def is_well(self) -> bool:
        return self.is_answered and not self.unknown and self.error is None

    def is_good_enough(self, members: Members) -> bool:
        """Whether searches are answered, no check failed, and a minority of silent nodes explains what is unknown."""
        return self.is_answered and self.error is None and members.is_minority_silent


def _in_words(nodes: Answering) -> str:
    return f"{nodes.answering} of {counted(nodes.all, 'node')} of OpenSearch answer"


def _error_of(task: asyncio.Future[None]) -> ConversationsError | None:
    """The error of a check; SearchTimeout also while it runs, and None if it succeeded."""
    if not task.done():
        return SearchTimeout()
    error = task.exception()
    if error is not None and not isinstance(error, ConversationsError):
        raise error
    return error
