"""Errors whose text is for operators: callers get another text, and operators find the original in the log."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import TransportError
from structlog.testing import capture_logs

from service.api.auth import Tokens
from service.client import error_types, translated
from service.client.responses import SearchAnswer, check_search, unusable
from service.client.transport import WRONG_PATH
from service.errors import (
    NOT_NOW,
    NOT_WRITTEN,
    OVERLOADED,
    UNFIT_INDEX,
    AnswerMayBeOld,
    AnswerUnusable,
    ConversationsError,
    IndexUnusable,
    PushedBack,
    SearchUnavailable,
    WriteFailed,
    WrongPath,
)
from service.index.compatibility import CompatibilityCheck
from service.settings import Settings
from tests.without_cluster import ask

ONE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
SEVERAL = "conversations points to several indices (conversations-1, conversations-2): remove it from all but one"


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (IndexUnusable(SEVERAL), 503, UNFIT_INDEX),
        (unusable("hits is missing"), 503, NOT_NOW),
        (WrongPath(WRONG_PATH), 503, NOT_NOW),
        (AnswerMayBeOld("its node was silent"), 503, AnswerMayBeOld.to_callers),
        (WriteFailed("the disk of OpenSearch's node node-1 is full: free disk space"), 503, NOT_WRITTEN),
        (PushedBack("OpenSearch accepted no more writes for 8 s (a larger heap)"), 429, PushedBack.to_callers),
        (SearchUnavailable("check OPENSEARCH_USER").for_operators(), 503, NOT_NOW),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_caller_is_told_what_to_do_and_the_log_what_is_wrong(
    bare_settings: Settings, monkeypatch: pytest.MonkeyPatch, error: ConversationsError, status: int, expected: str
) -> None:
    async def fails(_self: object) -> None:
        raise error

    monkeypatch.setattr(CompatibilityCheck, "__call__", fails)
    token = Tokens(bare_settings).mint("ada", [ONE])
    request: dict[str, Any] = {"url": "/api/conversations", "headers": {"Authorization": f"Bearer {token}"}}
    with capture_logs() as lines:
        (answer,) = ask(bare_settings, request)
    assert (answer.status_code, answer.json()["error"]["message"]) == (status, expected)
    (line,) = (line for line in lines if line["event"] == "request")
    assert line["reason"] == str(error) != expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "index_closed_exception"),
        (403, "cluster_block_exception"),
        (400, "validation_exception"),
        (503, "no_shard_available_action_exception"),
        (503, "cluster_manager_not_discovered_exception"),
        (401, "unknown"),
        (418, "unknown"),
    ],
)
def test_errors_of_opensearch_have_another_text_for_callers(status: int, kind: str) -> None:
    with pytest.raises(ConversationsError) as raised, translated(alias="test"):
        raise TransportError(status, kind, {"error": {"type": kind, "reason": "no"}, "status": status})
    assert raised.value.to_callers in (NOT_NOW, UNFIT_INDEX)


def test_an_overloaded_cluster_is_reported_without_the_advice_to_operators() -> None:
    with pytest.raises(SearchUnavailable, match="larger heap") as raised, translated():
        raise TransportError(429, "circuit_breaking_exception", {"error": {"type": "circuit_breaking_exception"}})
    assert raised.value.to_callers == OVERLOADED


def test_a_call_that_is_not_sent_has_the_text_for_callers_of_the_last_failure() -> None:
    untrusted = Unreachable("N/A", "", aiohttp.ClientConnectorSSLError(None, OSError()))
    opened = error_types.circuit_open([untrusted])
    assert "OPENSEARCH_CA_FILE" in str(opened)
    assert opened.to_callers == NOT_NOW
    gone = Unreachable("N/A", "", aiohttp.ClientConnectorError(None, OSError()))  # type: ignore[arg-type]
    assert error_types.circuit_open([gone]).to_callers is None, "its text is for callers, too"


def test_missing_shards_have_another_text_for_callers() -> None:
    with pytest.raises(SearchUnavailable, match="check the cluster's health") as raised:
        check_search(SearchAnswer(), {})
    assert not isinstance(raised.value, AnswerUnusable)
    assert raised.value.to_callers == NOT_NOW


def test_a_check_of_the_index_that_takes_too_long_names_no_alias_to_callers() -> None:
    async def hangs() -> None:
        await asyncio.sleep(60)

    async def full() -> str:
        return "the disk of OpenSearch's node node-1 is full"

    for reason, expected in ((None, "OpenSearch did not answer in time: try again"), (full, NOT_NOW)):
        with pytest.raises(ConversationsError) as raised:
            asyncio.run(CompatibilityCheck(hangs, seconds=0.001, reason=reason)())
        assert raised.value.to_callers == expected
