"""The outcome of each document in a bulk answer. These tests need no node."""

from __future__ import annotations

import pytest

from service.client.responses import BulkEntry, BulkError
from service.errors import WriteFailed
from service.index.item_outcomes import Again, Result, judge


def entry(status: int, kind: str | None = None, reason: str = "no") -> BulkEntry:
    return BulkEntry(id="a", index="b", status=status, error=None if kind is None else BulkError(kind, reason))


WRITTEN = entry(201)
IMMENSE = (
    'Document contains at least one immense term in field="x" (whose UTF8 encoding is longer than the max length), '
    "all of which were skipped. The prefix of the first immense term is: '[102, 103]...'"
)


@pytest.mark.parametrize(
    "found",
    [
        entry(400, "mapper_parsing_exception", "failed to parse field [x]. Preview of field's value: 'secret'"),
        entry(400, "strict_dynamic_mapping_exception"),
        entry(400, "illegal_argument_exception", IMMENSE),
    ],
)
def test_a_documents_own_400_is_a_rejection_without_its_values(found: BulkEntry) -> None:
    (verdict,) = judge([found])
    assert isinstance(verdict, Result)
    assert verdict.outcome == "rejected"
    assert "secret" not in (verdict.reason or "")
    assert "102" not in (verdict.reason or "")


def test_an_unknown_400_is_a_rejection_only_where_others_were_written() -> None:
    strange = entry(400, "strange_exception")
    assert [type(one) for one in judge([strange, WRITTEN])] == [Result, Result]
    with pytest.raises(WriteFailed):
        judge([strange])


@pytest.mark.parametrize(
    "found",
    [
        entry(400, "index_closed_exception", "closed"),
        entry(400, "illegal_argument_exception", "[x] is not an alias"),
        entry(400, "illegal_argument_exception", "number of documents in the index cannot exceed 2147483519"),
        entry(400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"),
        entry(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"),
        entry(429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded];"),
        entry(403, "security_exception"),
        entry(404, "strange_exception"),
        entry(409, "strange_exception"),
        entry(200, "strange_exception"),
        entry(0),
        entry(418),
    ],
)
def test_what_is_not_the_documents_fault_is_never_a_rejection(found: BulkEntry) -> None:
    with pytest.raises(WriteFailed):
        judge([found, WRITTEN])


def test_a_full_disk_is_named() -> None:
    full = entry(500, "i_o_exception", "No space left on device")
    flooded = entry(
        429,
        "cluster_block_exception",
        "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
        "read-only-allow-delete block];",
    )
    for found in (full, flooded):
        with pytest.raises(WriteFailed, match="free disk space"):
            judge([found, WRITTEN])


def test_a_shard_that_has_just_failed_is_no_fault_of_the_document() -> None:
    (verdict,) = judge([entry(404, "shard_not_found_exception", "no such shard")])
    assert isinstance(verdict, Again)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_document_with_a_temporary_error_is_sent_again(status: int) -> None:
    (verdict,) = judge([entry(status, "strange_exception")])
    assert isinstance(verdict, Again)
    assert verdict.is_busy == (status == 429)
