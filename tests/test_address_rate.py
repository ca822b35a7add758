"""Requests without a valid token are limited for each address. Requests with a valid token are not."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest

from service import telemetry
from service.api.auth import Tokens
from service.api.client_address import ClientAddresses
from service.api.middleware import rate_headers
from service.errors import Misconfigured
from service.settings import Settings
from tests.without_cluster import ask

ONE = UUID(int=1, version=4)
STRANGE: list[dict[str, Any]] = [
    {"url": "/api/conversations"},
    {"url": "/api/conversations", "headers": {"Authorization": "Bearer x.y.z"}},
    {"url": "/api/conversations", "headers": {"Authorization": "Basic eDp5"}},
    {"url": "/api/conversations", "headers": {"Authorization": "Bearer ck_0123456789abcdef_x"}},
    {"url": "/sign-in", "method": "POST", "content": b'{"code": "x"}'},
    {"url": "/docs"},
    {"url": "/docs/openapi.json"},
    {"url": "/"},
    {"url": "/nowhere", "method": "PURGE"},
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals are sent without delay. tests/node/test_request_limits.py tests the delay."""
    monkeypatch.setattr(rate_headers, "HOLD_SECONDS", 0.0)


def refusals() -> float:
    return float(telemetry.refused.labels("address", "own")._value.get())


@pytest.mark.parametrize("strange", STRANGE, ids=lambda one: f"{one['url']} {len(one)}")
def test_requests_without_a_valid_token_are_refused_above_the_rate_of_their_address(
    bare_settings: Settings, strange: dict[str, Any]
) -> None:
    before = refusals()
    *first, last = ask(bare_settings.but(address_rate=0.01, address_burst=3), *[strange] * 4)
    assert 429 not in {answer.status_code for answer in first}
    assert last.status_code == 429
    error = last.json()["error"]
    assert error["code"] == "too_many_requests"
    assert error["message"] == (
        "your address sends more than 0.01 requests without a valid token a second, or 3 at once: "
        "wait as long as Retry-After says"
    )
    assert error["request_id"] == last.headers["x-request-id"]
    assert 1 <= int(last.headers["retry-after"]) <= 100
    assert last.headers["x-content-type-options"] == "nosniff"
    assert refusals() == before + 1


def test_the_rate_of_an_address_neither_counts_nor_refuses_requests_with_a_valid_token(bare_settings: Settings) -> None:
    settings = bare_settings.but(address_rate=0.01, address_burst=2)
    headers = {"Authorization": f"Bearer {Tokens(settings).mint('ada', [ONE])}"}
    mine: dict[str, Any] = {"url": "/api/caller", "headers": headers}
    answers = ask(settings, *[mine] * 5, STRANGE[0], STRANGE[1], STRANGE[1], mine, {"url": "/docs"}, mine)
    assert [answer.status_code for answer in answers] == [200] * 5 + [401, 401, 429, 200, 429, 200]


@pytest.mark.parametrize("address_rate", [100.0, 0.0])
@pytest.mark.parametrize("url", ["/nowhere", "/api/nowhere", "/docs", "/sign-in", "/"])
def test_with_a_valid_token_all_requests_cost_their_caller_a_unit(
    bare_settings: Settings, url: str, address_rate: float
) -> None:
    settings = bare_settings.but(caller_rate=0.01, caller_burst=5, address_rate=address_rate)
    headers = {"Authorization": f"Bearer {Tokens(settings).mint('ada', [ONE])}"}
    one: dict[str, Any] = {"url": url, "headers": headers, "method": "POST" if url == "/sign-in" else "GET"}
    live: dict[str, Any] = {"url": "/health/live", "headers": headers}
    known: dict[str, Any] = {"url": "/api/caller", "headers": headers}
    answers = ask(settings, known, *[one] * 3, *[live] * 9, known, one, known, live)
    assert 429 not in statuses(answers[:-3])
    assert statuses(answers[-3:]) == [429, 429, 200]
    assert [answer.headers["ratelimit"].partition(";t")[0] for answer in answers[:4]] == [
        f'"caller";r={left}' for left in (4, 3, 2, 1)
    ]
    assert int(answers[-3].headers["retry-after"]) >= 1
    assert answers[-3].headers["ratelimit"].startswith('"caller";r=0;')


def test_checks_of_health_are_free_and_0_is_no_limit(bare_settings: Settings) -> None:
    few = bare_settings.but(address_rate=0.01, address_burst=1)
    answers = ask(few, *[{"url": "/health/live"}] * 5, STRANGE[0], STRANGE[0], {"url": "/health/live"})
    assert [answer.status_code for answer in answers] == [200] * 5 + [401, 429, 200]
    unlimited = ask(bare_settings.but(address_rate=0.0, address_burst=1), *[STRANGE[0]] * 20)
    assert {answer.status_code for answer in unlimited} == {401}


def from_(*hops: str) -> dict[str, Any]:
    return {"url": "/api/conversations", "headers": [("X-Forwarded-For", hop) for hop in hops]}


def statuses(answers: list[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


def test_behind_a_trusted_proxy_each_client_has_its_own_rate(bare_settings: Settings) -> None:
    few = bare_settings.but(address_rate=0.01, address_burst=1)
    sent = [from_("198.51.100.1"), from_("198.51.100.2"), from_("203.0.113.9, 198.51.100.1")]
    assert statuses(ask(few.but(trusted_proxies="127.0.0.1"), *sent)) == [401, 401, 429]
    assert statuses(ask(few, *sent)) == [401, 429, 429], "without the setting, nobody is believed"
    assert statuses(ask(few.but(trusted_proxies="10.0.0.0/8"), *sent)) == [401, 429, 429]


@pytest.mark.parametrize(
    ("peer", "hops", "expected"),
    [
        ("192.0.2.1", ["198.51.100.1"], "192.0.2.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:8080"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["\xff", ""], "10.0.0.1"),
        ("10.0.0.1", [", ".join(["198.51.100.1"] + ["10.0.0.2"] * 1000)], "10.0.0.2"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("no address", ["198.51.100.1"], ""),
    ],
)
def test_the_address_of_a_client_is_the_last_one_that_is_no_trusted_proxy(
    peer: str, hops: list[str], expected: str
) -> None:
    headers = [(b"x-forwarded-for", hop.encode("latin-1")) for hop in hops]
    scope: Any = {"client": (peer, 5), "headers": headers}
    assert ClientAddresses("10.0.0.0/8 fd00::/8").of(scope) == expected
    nowhere: Any = {**scope, "client": None}
    assert ClientAddresses(None).of(nowhere) == ""


@pytest.mark.parametrize("value", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8", "*", " "])
def test_proxies_are_addresses_or_networks(bare_settings: Settings, value: str) -> None:
    with pytest.raises(Misconfigured, match="addresses or networks"):
        bare_settings.but(trusted_proxies=value)
