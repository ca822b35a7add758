"""Judges the result of each document of a bulk request: done, to be sent again, or an error of the whole index.

A document is rejected only if the document itself is invalid, because callers discard rejected documents. A closed
index, a block, a missing shard and a moved alias refuse all documents, some of them with the same status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.client.responses import BulkEntry
from service.errors import CircuitOpen, ConversationsError, Overloaded, WriteFailed

Outcome = Literal["written", "unchanged", "rejected"]
GONE = "an index was removed"
MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Result:
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Why a document should be sent again.

    `is_busy`: OpenSearch had no capacity for it. `is_dead`: all its nodes are dead, so nothing is sent to them.
    """

    reason: str
    is_busy: bool = False
    is_dead: bool = False

    @classmethod
    def after(cls, error: ConversationsError) -> Again:
        """Why it should be sent again after this error."""
        return cls(str(error), is_busy=isinstance(error, Overloaded), is_dead=isinstance(error, CircuitOpen))


Verdict = Result | Again

_OF_THE_DOCUMENT = frozenset(
    {
        "mapper_parsing_exception",
        "document_parsing_exception",
        "strict_dynamic_mapping_exception",
        "parsing_exception",
        "parse_exception",
        "x_content_parse_exception",
        "json_parse_exception",
        "number_format_exception",
        "max_bytes_length_exceeded_exception",
    }
)
_SAYS_DOCUMENT = re.compile(r"immense term|failed to parse|^mapper |^id \[?.* too long", re.IGNORECASE)
_SAYS_INDEX = re.compile(
    r"alias|shard|pipeline|limit of total fields|number of documents|routing|closed|blocked", re.IGNORECASE
)
_FATAL: Mapping[str, str] = {
    "cluster_block_exception": (
        "OpenSearch blocks writes to the index{block}: free disk space or lift the block, then send again"
    ),
    "index_closed_exception": "the index is closed: open it in OpenSearch (POST <index>/_open), then send again",
    "security_exception": "OpenSearch refuses the service's user: check its permission to write, then send again",
}
_BLOCK = re.compile(r"blocked by: \[[A-Z_]+/\d+/([A-Za-z0-9 ,./()_-]+)")


def judge(entries: Sequence[BulkEntry]) -> list[Verdict]:
    """The verdict on each document of an answer. Raises WriteFailed for an error that no document caused."""
    some_went_well = any(entry.error is None and entry.status in (200, 201) for entry in entries)
    return [_judge(entry, some_went_well=some_went_well) for entry in entries]


def _judge(entry: BulkEntry, *, some_went_well: bool) -> Verdict:
    if entry.error is None:
        if entry.status in (200, 201):
            return Result("written")
        raise _failed(f"status {entry.status}")
    kind, reason = entry.error.type, entry.error.reason or ""
    if kind in _FATAL:
        found = _BLOCK.search(reason)
        raise WriteFailed(_FATAL[kind].format(block=f" ({found[1]})" if found else ""))
    if "No space left on device" in reason:
        raise WriteFailed("a disk of OpenSearch is full: free disk space, then send again")
    if kind == "version_conflict_engine_exception":
        return Result("unchanged")
    if kind == "index_not_found_exception":
        return Again(GONE)
    if entry.status == 429:
        return Again(named(kind), is_busy=True)
    if entry.status >= 500 or kind == "shard_not_found_exception":  # a shard that has just failed is started again
        return Again(named(kind))
    if entry.status == 400 and _is_of_the_document(kind, reason, some_went_well=some_went_well):
        return Result("rejected", shortened(reason))
    raise _failed(f"{named(kind)}, status {entry.status}")


def _is_of_the_document(kind: str, reason: str, *, some_went_well: bool) -> bool:
    """Whether the document is invalid. An unknown error counts as such if other documents were written."""
    if kind in _OF_THE_DOCUMENT or _SAYS_DOCUMENT.search(reason):
        return True
    return some_went_well and not _SAYS_INDEX.search(reason)


def _failed(what: str) -> WriteFailed:
    return WriteFailed(f"OpenSearch refuses to write, for a reason that is not in the document ({what}): check its log")


def named(kind: str) -> str:
    """The type of an error, if it is safe to show."""
    return kind if re.fullmatch(r"[a-z_]{1,100}", kind) else "an unknown error"


def shortened(reason: str) -> str:
    """The reason without the quoted value."""
    for quoted in (" Preview of field's value", " The prefix of the first immense term"):
        reason = reason.partition(quoted)[0]
    return reason[:MOST_CHARACTERS] or "OpenSearch does not take the document"
