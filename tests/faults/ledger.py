"""What was sent and what was acknowledged, and so what an answer may hold. It knows no network and no clock.

A write is *sent* before its request begins, *acknowledged* once it was answered with 200, and *visible* if the answer
also said that searches find it (`refresh=wait_for`). A write without an answer may have happened or not.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Write:
    """One version of one conversation; a deletion has no subject."""

    organization: str
    uid: str
    version: int
    subject: str | None

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
    sent: dict[int, str | None] = field(default_factory=dict)
    acknowledged: int = -1
    visible: list[tuple[int, int]] = field(default_factory=list)  # (tick, highest version that was visible then)
    deleted_at: int | None = None  # the tick when the deletion became visible
    is_deletion_sent: bool = False


class Ledger:
    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], _Document] = {}
        self._tick = 0
        self._created_sent, self._created_seen = Counter[str](), Counter[str]()
        self._deleted_sent, self._deleted_seen = Counter[str](), Counter[str]()
        self.sent_writes = self.acknowledged_writes = 0

    def sent(self, writes: Iterable[Write]) -> None:
        for write in writes:
            self.sent_writes += 1
            document = self._documents.get(write.key)
            if document is None:
                document = self._documents[write.key] = _Document()
                self._created_sent[write.organization] += 1
            if write.subject is None and not document.is_deletion_sent:
                document.is_deletion_sent = True
                self._deleted_sent[write.organization] += 1
            document.sent[write.version] = write.subject

    def acknowledged(self, writes: Iterable[Write], *, is_visible: bool) -> None:
        self._tick += 1
        for write in writes:
            self.acknowledged_writes += 1
            document = self._documents[write.key]
            document.acknowledged = max(document.acknowledged, write.version)
            if is_visible:
                self._became_visible(document, write)

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

    def wrong_item(self, organization: str, uid: str, version: int, subject: str, start: Start) -> str | None:
        """Why this version of a conversation is none that a request may find; None if it may."""
        document = self._documents.get((organization, uid))
        if document is None:
            return f"{uid} was never sent to {organization}"
        if document.sent.get(version) != subject or subject is None:
            return f"{uid} has version {version} with the subject {subject!r}, which was never sent"
        if document.deleted_at is not None and document.deleted_at <= start.tick:
            return f"{uid} was deleted before"
        if version < (least := self._visible_at(document, start)):
            return f"{uid} has version {version}, but {least} was visible before"
        return None

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
            possible = {version: text for version, text in document.sent.items() if version >= document.acknowledged}
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
