"""Strange paths, parameters and headers are never answered with 5xx; an error for a path has the usual shape."""

from __future__ import annotations

import random
import socket
from urllib.parse import quote, urlsplit

import pytest

from service.query.conditions import MATCHES
from service.query.parameters import LIST_PARAMETERS
from tests.corpus import ORGANIZATIONS
from tests.node.serving import Api

PARTS = (
    "%00", "%ff", "%ed%a0%80", "%2F", "%2f..%2f..", "..", "../../etc/passwd", "%2e%2e/", "a" * 5000, "\\", "%", "%zz",
    "%F0%9F%98%80", "%7Buid%7D", ";", "?", "%0d%0a", "%E2%80%A8", "//", "-1", "1e400",
)  # fmt: skip
BASES = ("/", "/api/conversations/", "/docs/", "/docs/assets/", "/docs/assets/javascripts/", "/health/", "/metrics/")
VALUES = (
    "", "%00", "%ff", "%ed%a0%80", "9" * 400, "1e400", "NaN", "Infinity", "[]", "%F0%9F%98%80" * 128, "a" * 500,
    "a%20" * 250, "%EF%BF%BF", "%22", ",", "a," * 200, "-", "none,any", "0001", "9999-12-31", "9999-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "0000", "-99999w", "2016-12-31T23:59:60Z", "0001..9999",
    "(" * 300, "%22a" * 200, "OR" * 200, "status:" * 60, "updated:9999", "-updated:0001", "after:9999%20before:0001",
    "%E2%80%8D" * 100, "re:" * 150, "%EF%B7%BA" * 80, "%CC%81" * 400, "abc" * 166, "abcde%20" * 60,
)  # fmt: skip
EXTRAS = (
    "", "&explain=query&suggest=true&highlight=subject&facets=status,category&facets[created_on]=year",
    "&search=zzzzqqq&suggest=true&tz=Pacific/Kiritimati", "&cursor=*&suggest=true&tz=America/Adak&explain=query",
)  # fmt: skip
HEADERS = ("Prefer", "If-None-Match", "X-Request-ID", "Accept", "Accept-Encoding", "Content-Type", "Range", "Cookie")
HEADER_VALUES = (b"\xff\xfe", b"\xc3\xa9", b"a" * 5000, b"", b";;;==", b"handling=strict;" * 300, b"gzip;q=9e999, br")


def ask(api: Api, method: str, target: str, headers: bytes = b"") -> bytes:
    """The answer to a request of exactly these bytes."""
    address = urlsplit(api.address)
    token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n".encode()
    found = b""
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.settimeout(60)
        connection.sendall(head + headers + b"\r\n")
        while more := connection.recv(65_536):
            found += more
    assert found.startswith(b"HTTP/1.1 "), (method, target[:100])
    assert found[9:10] != b"5", (method, target[:100], found[:1000])
    return found


@pytest.mark.parametrize("base", BASES)
def test_strange_paths_are_never_5xx(base: str, api: Api) -> None:
    for part in PARTS:
        for method in ("GET", "DELETE", "POST"):
            answer = ask(api, method, base + part)
            if not answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3")):
                assert b'"status":"error"' in answer, (method, base, part[:50])


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:20])
def test_strange_values_of_parameters_are_never_5xx(value: str, api: Api) -> None:
    rng = random.Random(value)
    for name in (*rng.sample([one.name for one in LIST_PARAMETERS], 6), "q", "search", "created_on[lt]"):
        ask(api, "GET", f"/api/conversations?per_page=1&{name}={value}{rng.choice(EXTRAS)}")
    ask(api, "GET", f"/api/conversations/suggest?q={value}")
    ask(api, "DELETE", f"/api/conversations/{'0' * 8}-0000-4000-8000-{'0' * 12}?deleted_on={value or 'x'}")


def test_a_search_for_many_long_words_is_answered_or_refused(api: Api) -> None:
    for search in ("abcde " * 83, "a" * 500, "zzzz" * 125, "qwertyuiop " * 45, "\U0001f600" * 125, "re: " * 120):
        answer = api.get(
            "/api/conversations", api.token(ORGANIZATIONS[0]), params={"search": search[:500], "suggest": "true"}
        )
        assert answer.status_code in (200, 400), answer.text[:1000]


@pytest.mark.parametrize("match", MATCHES)
def test_long_texts_are_never_5xx_in_any_way_of_matching(match: str, api: Api) -> None:
    for search in (
        "abcde " * 83,
        "a" * 500,
        "a1b2" * 125,
        "\U0001f600 " * 250,
        "a-b_c.d@e " * 50,
        "a " * 250,
        "李" * 500,
    ):
        for extra in ("", "&highlight=subject&suggest=true", "&sort=relevance"):
            ask(api, "GET", f"/api/conversations?match={match}&search={quote(search[:500])}{extra}")


@pytest.mark.parametrize("name", HEADERS)
def test_strange_headers_are_never_5xx(name: str, api: Api) -> None:
    for value in HEADER_VALUES:
        for target in ("/api/conversations?per_page=1", "/docs/", "/metrics", "/nowhere"):
            ask(api, "GET", target, name.encode() + b": " + value + b"\r\n")


def test_a_second_authorization_header_is_refused(api: Api) -> None:
    assert ask(api, "GET", "/api/conversations", b"Authorization: Bearer x\r\n").startswith(b"HTTP/1.1 401 ")
