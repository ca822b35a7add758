"""Sends a batch of writes, judges the results, and divides a request that OpenSearch does not accept as a whole.

One bad document can make its whole request fail with a timeout, a lost connection, 413, 400 or 500. Then the request is
sent in parts, until the bad document is alone. A document that is too large (413) is rejected at once, any other only
if it has failed alone more than once and the index is known to accept writes. After a timeout or a lost connection,
other documents of the batch must also have been written. So an outage never looks like a bad document.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

import msgspec
from opensearchpy.exceptions import TransportError

from service.client import Client, translated
from service.client.error_types import causes_of, is_lost
from service.client.responses import Bulk, BulkEntry, convert, unusable
from service.errors import ConversationsError, IndexUnusable, SearchTimeout, SearchUnavailable, WriteFailed
from service.index import refreshing
from service.index.item_outcomes import Again, Result, judge
from service.index.write_check import check_writable, held_version
from service.index.write_targets import own_alias
from service.stored_documents import is_tombstone
from service.times import LAST, epoch_milliseconds

PARTS = 8  # into which a failed request is divided; after four divisions, each of 1,000 documents is sent alone
FAILURES_ALONE = 2
FIRST_SHARE, PART_SHARE = 3, 8  # the first request may take a third of the patience, and each part an eighth
LONGEST_REQUEST, LONGEST_PART = 60.0, 15.0  # seconds
WAIT_SHARE = 0.5  # of a request's time, which OpenSearch may wait for a refresh
PROBE_SECONDS = 2.0
_LAST_VERSION = epoch_milliseconds(LAST)
LEAST_SECONDS = 0.05  # no request ends sooner
TIME_IS_UP = "the time is up"

Place = tuple[int, str]
"""The number of a write in the batch, and the index that it goes to."""


@dataclass(frozen=True, slots=True)
class Write:
    """One document to write: its id and routing, its version, its bytes."""

    id: str
    routing: str
    version: int
    source: bytes


class Proof(Enum):
    """What proves that a document made the request fail."""

    NONE = "OpenSearch may not have processed the request"
    INDEX = "OpenSearch answered: it is enough that the index takes writes"
    NEIGHBOUR = "nothing was answered: other documents must have been written meanwhile"
    ITSELF = "the answer says so"


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that failed as a whole: the reason, and what would prove that a document caused it."""

    again: Again
    proof: Proof


@dataclass(slots=True)
class Delivery:
    """The writes of one call, and the results so far at each of their places. `patience` is in seconds.

    With `refresh` wait_for, `unrefreshed` are the indices in which searches may not find some of the documents yet.
    OpenSearch does not wait for unchanged documents. A request that was divided, or that goes to an index that
    refreshes seldom or never, does not wait either: if it waited too long, it would be sent again, and would report its
    own writes as unchanged.
    """

    client: Client
    alias: str
    writes: Sequence[Write]
    refresh: str
    patience: float
    deadline: float
    settled: dict[Place, Result] = field(default_factory=dict)
    unrefreshed: set[str] = field(default_factory=set)
    _failed_alone: dict[Place, int] = field(default_factory=dict)
    _written_since_failure: int = 0
    _has_failed: bool = False
    _waits: bool = True
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARTS))

    async def send(self, places: list[Place]) -> Again | None:
        """Sends the writes at these places. Returns why some have no result yet, or None. Raises WriteFailed."""
        seconds = min(self.patience / FIRST_SHARE, LONGEST_REQUEST)
        if self.refresh == "wait_for":
            names = sorted({name for _at, name in places})
            self._waits = await refreshing.is_soon(
                self.client,
                names,
                alias=self.alias,
                within=seconds * WAIT_SHARE,
                seconds=max(LEAST_SECONDS, min(PROBE_SECONDS, self._left())),
            )
        return await self._send(places, seconds)

    async def _send(self, places: list[Place], seconds: float) -> Again | None:
        outcome = await self._request(places, min(seconds, self._left()))
        if not isinstance(outcome, Failure):
            return outcome
        if outcome.proof is Proof.NONE or self._left() <= 0:
            return outcome.again
        self._has_failed = True
        if outcome.proof is not Proof.ITSELF and (doubt := await self._doubt(places)) is not None:
            return doubt
        return await (self._send_parts(places) if len(places) > 1 else self._blame(places, outcome, seconds))

    async def _blame(self, places: list[Place], outcome: Failure, seconds: float) -> Again | None:
        """Rejects a document that failed alone, or sends it once more, or returns why neither is possible."""
        if outcome.proof is Proof.NEIGHBOUR and await self._may_be_there(places[0]):
            return outcome.again
        if self._is_rejected(places[0], outcome):
            return None
        is_first = self._failed_alone[places[0]] < FAILURES_ALONE
        return await self._send(places, seconds) if is_first else outcome.again

    async def _send_parts(self, places: list[Place]) -> Again | None:
        """Sends all parts at the same time, so that several bad documents take no longer than one."""
        size = -(-len(places) // PARTS)
        seconds = min(self.patience / PART_SHARE, LONGEST_PART)
        parts = [places[start : start + size] for start in range(0, len(places), size)]
        found = await asyncio.gather(*(self._send(part, seconds) for part in parts))
        return next((why for why in found if why is not None), None)

    def _is_rejected(self, place: Place, failure: Failure) -> bool:
        """Counts the failure of a document that was sent alone. Rejects it if it is proven to be the cause."""
        self._failed_alone[place] = self._failed_alone.get(place, 0) + 1
        is_proven = failure.proof is Proof.ITSELF or (
            self._failed_alone[place] >= FAILURES_ALONE
            and (failure.proof is Proof.INDEX or self._written_since_failure > 0)
        )
        if is_proven:
            reason = f"OpenSearch does not take this document: {failure.again.reason}"
            self.settled[place] = Result("rejected", reason)
        return is_proven

    async def _doubt(self, places: list[Place]) -> Again | None:
        """Why the index and not a document may be the cause; None if the index accepts writes."""
        names = sorted({name for _at, name in places})
        try:
            await check_writable(self.client, names, seconds=max(0.1, min(PROBE_SECONDS, self._left())))
        except ConversationsError as error:
            return Again.after(error)
        return None

    async def _may_be_there(self, place: Place) -> bool:
        """False only if the index is known to hold neither the document nor a newer one."""
        write, name = self.writes[place[0]], place[1]
        seconds = max(0.1, min(PROBE_SECONDS, self._left()))
        try:
            held = await held_version(self.client, name, write.id, write.routing, seconds=seconds)
        except ConversationsError:
            return True
        return held >= write.version

    def _left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()

    async def _request(self, places: list[Place], seconds: float) -> Again | Failure | None:
        """Sends one request and stores the results. Returns why some have no result, or how the request failed."""
        if seconds < LEAST_SECONDS:
            return Again(TIME_IS_UP)
        refresh = self.refresh if self._waits and not self._has_failed else "false"
        body = b"".join(lines(self.writes[at], own_alias(name)) for at, name in places)
        params = {
            "require_alias": "true",
            "refresh": refresh,
            "timeout": f"{max(1, seconds * 900):.0f}ms",  # so a missing shard is reported before the request times out
            "filter_path": "items.index._id,items.index._index,items.index.status,items.index.error",
            "request_timeout": seconds,
        }
        try:
            async with self._slots:
                with translated(alias=self.alias):
                    answer = await self.client.bulk(body=body, params=params)
        except (SearchUnavailable, SearchTimeout, IndexUnusable) as error:
            return _failure(error, is_alone=len(places) == 1)
        return self._settle(places, answer, has_waited=refresh == self.refresh)

    def _settle(self, places: list[Place], answer: object, *, has_waited: bool) -> Again | None:
        entries = [item.index for item in convert(answer, Bulk).items]
        if not self._are_of(places, entries):
            return Again(str(unusable("it has other documents than were sent")))
        why: Again | None = None
        for place, verdict in zip(places, judge(entries), strict=True):
            if isinstance(verdict, Again):
                why = verdict
                continue
            self.settled[place] = verdict
            if self.refresh == "wait_for" and (verdict.outcome == "unchanged" or not has_waited):
                self.unrefreshed.add(place[1])
            if self._has_failed and verdict.outcome != "rejected":
                self._written_since_failure += 1
        return why

    def _are_of(self, places: list[Place], entries: list[BulkEntry]) -> bool:
        """Whether the answer is about the documents that were sent, in the same order."""
        return len(places) == len(entries) and all(
            entry.id == self.writes[at].id and entry.index in (name, own_alias(name))
            for (at, name), entry in zip(places, entries, strict=True)
        )


def _failure(error: SearchUnavailable | SearchTimeout | IndexUnusable, *, is_alone: bool) -> Again | Failure:
    """What the failure of a whole request shows. Raises WriteFailed if waiting cannot help."""
    again = Again.after(error)
    cause = error.__cause__
    if isinstance(error, SearchTimeout) or (isinstance(cause, TransportError) and is_lost(cause)):
        return Failure(again, Proof.NEIGHBOUR)
    if not isinstance(cause, TransportError):
        return again
    if isinstance(error, IndexUnusable) or cause.status_code in (401, 403):
        raise WriteFailed(str(error)) from error
    kinds = {kind for kind, _reason in causes_of(cause)}
    if "circuit_breaking_exception" in kinds:
        return Failure(again, Proof.NONE if is_alone else Proof.INDEX)
    if cause.status_code == 413:
        return Failure(Again("it is larger than OpenSearch, or a proxy before it, takes"), Proof.ITSELF)
    is_refused = cause.status_code in (400, 500) and "cluster_block_exception" not in kinds
    return Failure(again, Proof.INDEX) if is_refused else again


def lines(write: Write, target: str) -> bytes:
    """The two lines of one document in a bulk request."""
    action = {
        "_index": target,
        "_id": write.id,
        "routing": write.routing,
        "version": write.version,
        "version_type": "external_gte" if _is_at_latest_time(write) else "external",
    }
    return b'{"index":%s}\n%s\n' % (msgspec.json.encode(action), write.source)


def _is_at_latest_time(write: Write) -> bool:
    """Whether it is a deletion at the latest possible time. It may replace a document of the same version."""
    return write.version == _LAST_VERSION and is_tombstone(write.source)
