"""A fault of any middleware is answered in the API's form, and logged without its text."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from service.api.auth import Tokens
from service.api.middleware.address_rate import AddressRate
from service.api.middleware.answer_bytes import AnswerBytes
from service.api.middleware.compression import Compression
from service.api.middleware.cors import Cors
from service.api.middleware.disconnect import Disconnect
from service.api.middleware.head import Head
from service.api.middleware.hosts import Hosts
from service.api.middleware.operations_address import OperationsAddress
from service.api.middleware.rate_headers import RateLimit
from service.api.middleware.search_slots import SearchSlots
from service.settings import Settings
from tests.without_cluster import ask

ORIGIN = "https://crm.example.com"
REQUEST: dict[str, Any] = {"url": "/api/caller", "headers": {"Origin": ORIGIN, "X-Request-ID": "12345678"}}
OUTER = (Cors, Hosts)
INNER = (AddressRate, AnswerBytes, Compression, Disconnect, Head, OperationsAddress, RateLimit, SearchSlots)


@pytest.mark.parametrize(
    ("kind", "method"), [*((one, "handle") for one in OUTER + INNER), (Tokens, "known_of")], ids=str
)
def test_a_fault_of_a_middleware_has_the_usual_form(
    bare_settings: Settings, monkeypatch: pytest.MonkeyPatch, kind: Any, method: str
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("private")

    monkeypatch.setattr(kind, method, broken)
    settings = bare_settings.but(
        cors_origins=ORIGIN, allowed_hosts="search.example.com", operations_address="127.0.0.1:9"
    )
    with capture_logs() as lines:
        (answer,) = ask(settings, REQUEST)
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["code"], error["request_id"]) == ("internal_error", "12345678")
    assert answer.headers["x-request-id"] == "12345678"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert ("access-control-allow-origin" in answer.headers) == (kind not in (*OUTER, OperationsAddress))
    assert [line["error"] for line in lines if line["event"] == "fault"] == ["TypeError"]
    assert [line["status"] for line in lines if line["event"] == "request"] == [500]
    assert "private" not in str(lines) + answer.text


def test_an_answer_that_has_begun_is_cut_off(bare_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the client would take the part for the whole answer."""

    async def broken(_self: object, _scope: object, _receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise TypeError

    monkeypatch.setattr(AnswerBytes, "handle", broken)
    with pytest.raises(TypeError):
        ask(bare_settings, REQUEST)
