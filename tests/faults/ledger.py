"""What was sent and what was acknowledged, and so what an answer may hold. It uses no network and no clock.

A write is *sent* before its request begins, *acknowledged* once it was answered with 200, and *visible* if the answer
also said that searches find it (`refresh=wait_for`). So is everything of the same organization that was acknowledged
before that request began: an organization is in one shard, whose refresh takes all of it. A write without an answer may
have happened or not.
"""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Write:
    """One version of one conversation; a deletion has no subject. `sent_at` is in milliseconds, as versions are."""

    organization: str
    uid: str
    version: int
    subject: str | None
    sent_at: int

    @property
    def key(self) -> tuple[str, str]:
        return self.organization, self.uid


@dataclass(frozen=True, slots=True)
class Start:
    """What was certain when a request began."""

    tick: int
    created: int
    deleted: int


@dataclass(slots=True)
class _Document:
    sent: dict[int, Write] = field(default_factory=dict)
    acknowledged: int = -1
    visible: list[tuple[int, int]] = field(default_factory=list)  # (tick, highest version that was visible then)
    deleted_at: int | None = None  # the tick when the deletion became visible
    is_deletion_sent: bool = False


class Ledger:
    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], _Document] = {}
        self._by_date = defaultdict[str, list[tuple[int, str]]](list)  # by organization: all (sent_at, uid), in order
        self._not_yet_visible = defaultdict[str, deque[tuple[int, Write]]](
            deque
        )  # with the tick of the acknowledgement
        self._tick = 0
        self._created_sent, self._created_seen = Counter[str](), Counter[str]()
        self._deleted_sent, self._deleted_seen = Counter[str](), Counter[str]()
        self.sent_writes = self.acknowledged_writes = 0

    def sent(self, writes: Iterable[Write]) -> int:
        """Call it before the request begins. Returns the tick that `acknowledged` needs."""
        for write in writes:
            self.sent_writes += 1
            document = self._documents.get(write.key)
            if document is None:
                document = self._documents[write.key] = _Document()
                self._created_sent[write.organization] += 1
            if write.subject is None and not document.is_deletion_sent:
                document.is_deletion_sent = True
                self._deleted_sent[write.organization] += 1
            if all(known.sent_at != write.sent_at for known in document.sent.values()):
                bisect.insort(self._by_date[write.organization], (write.sent_at, write.uid))
            document.sent[write.version] = write
        return self._tick

    def acknowledged(self, writes: Iterable[Write], *, sent: int, is_visible: bool) -> None:
        """`sent` is what the method of this name returned for the first request with these writes."""
        self._tick += 1
        for write in writes:
            self.acknowledged_writes += 1
            document = self._documents[write.key]
            document.acknowledged = max(document.acknowledged, write.version)
            if is_visible:
                self._became_visible(document, write)
                earlier = self._not_yet_visible[write.organization]
                while earlier and earlier[0][0] <= sent:
                    _tick, one = earlier.popleft()
                    self._became_visible(self._documents[one.key], one)
            else:
                self._not_yet_visible[write.organization].append((self._tick, write))

    def _became_visible(self, document: _Document, write: Write) -> None:
        if not document.visible:
            self._created_seen[write.organization] += 1
        highest = max(write.version, document.visible[-1][1] if document.visible else -1)
        document.visible.append((self._tick, highest))
        if write.subject is None and document.deleted_at is None:
            document.deleted_at = self._tick
            self._deleted_seen[write.organization] += 1

    def start(self, organization: str) -> Start:
        return Start(self._tick, self._created_seen[organization], self._deleted_seen[organization])

    def total_bounds(self, organization: str, start: Start) -> tuple[int, int]:
        """The least and the most that a total may be, of a request that began at `start` and has ended now."""
        least = start.created - self._deleted_sent[organization]
        return max(0, least), self._created_sent[organization] - start.deleted

    def wrong_item(self, found: Write, start: Start) -> str | None:
        """Why a request may not find this version of a conversation; None if it may."""
        uid, version = found.uid, found.version
        document = self._documents.get(found.key)
        if document is None:
            return f"{uid} was never sent to {found.organization}"
        if document.sent.get(version) != found or found.subject is None:
            return f"{uid} is {found}, which was never sent"
        if self._was_deleted(document, start):
            return f"{uid} was deleted before"
        if version < (least := self._visible_at(document, start)):
            return f"{uid} has version {version}, but {least} was visible before"
        return None

    def missing(
        self, organization: str, start: Start, there: set[str], *, after: float, before: float, must_rest: bool
    ) -> str | None:
        """Which conversation is missing in an answer, and why it must be there; None if all are there.

        A conversation must be there if it was visible when the request began, is not being deleted, and if each version
        that the request may find has a `sent_at` between the two dates, exclusive. With `must_rest`, it must also have
        only one such version: the pages of a walk are read one after the other, and may miss a conversation that moves.
        """
        for uid in self._dated(organization, after, before):
            if uid in there:
                continue
            document = self._documents[organization, uid]
            versions = self._certain_versions(document, start)
            if (
                versions
                and not (must_rest and len(versions) > 1)
                and all(after < version.sent_at < before for version in versions)
            ):
                return f"{uid} is missing, but version {versions[0].version} was visible before"
        return None

    def rank_bounds(self, organization: str, start: Start, sent_at: int) -> tuple[int, int]:
        """The least and the most conversations that may come before one with this date, in the order -sent_at.

        The most includes those with the same date, except for the conversation itself.
        """
        least = most = 0
        for uid in set(self._dated(organization, sent_at - 1, float("inf"))):
            document = self._documents[organization, uid]
            versions = self._certain_versions(document, start)
            least += bool(versions) and all(version.sent_at > sent_at for version in versions)
            most += not self._was_deleted(document, start)
        return least, most - 1

    def _dated(self, organization: str, after: float, before: float) -> Iterator[str]:
        dates = self._by_date[organization]
        first = bisect.bisect_right(dates, after, key=lambda entry: entry[0])
        for at in range(first, len(dates)):
            sent_at, uid = dates[at]
            if sent_at >= before:
                return
            yield uid

    def _certain_versions(self, document: _Document, start: Start) -> list[Write]:
        """The versions of which a request must find one; none if it may find nothing."""
        least = self._visible_at(document, start)
        if least < 0 or document.is_deletion_sent:
            return []
        return [write for version, write in document.sent.items() if version >= least]

    def _was_deleted(self, document: _Document, start: Start) -> bool:
        return document.deleted_at is not None and document.deleted_at <= start.tick

    def wrong_absence(self, organization: str, uid: str, start: Start) -> str | None:
        """Why the conversation must be there; None if it may be missing."""
        document = self._documents[organization, uid]
        if self._visible_at(document, start) < 0 or document.is_deletion_sent:
            return None
        return f"{uid} is missing, but was visible before"

    def _visible_at(self, document: _Document, start: Start) -> int:
        at = bisect.bisect_right(document.visible, start.tick, key=lambda entry: entry[0])
        return document.visible[at - 1][1] if at else -1

    def problems(self, found: Mapping[tuple[str, str], tuple[int, str]]) -> list[str]:
        """What differs between the ledger and the whole index, at the end: (version, subject) by organization and uid."""
        wrong = [
            f"{uid} of {organization} was never sent" for organization, uid in found.keys() - self._documents.keys()
        ]
        for (organization, uid), document in self._documents.items():
            there = found.get((organization, uid))
            possible = {
                version: write.subject for version, write in document.sent.items() if version >= document.acknowledged
            }
            if there is None:
                may_be_missing = document.acknowledged < 0 or None in possible.values()
                if not may_be_missing:
                    wrong.append(f"{uid} of {organization} was acknowledged and is lost")
            elif there[0] not in possible or possible[there[0]] != there[1]:
                wrong.append(f"{uid} of {organization} is {there}, acknowledged was {document.acknowledged}")
        return wrong

    def visible_uids(self, organization: str) -> list[str]:
        """Those of an organization that are certainly there."""
        return [
            uid
            for (owner, uid), document in self._documents.items()
            if owner == organization and document.visible and not document.is_deletion_sent
        ]
