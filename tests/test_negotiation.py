"""The headers of content negotiation and of conditional requests: pure functions of their values."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest
from litestar.types import Message, Receive, Scope, Send

from service.api.conditional_requests import names
from service.api.home import prefers_html
from service.api.media_type import check_body
from service.api.middleware.compression import GZIP, GZIP_ALWAYS, NEITHER, PLAIN, Compression, choose
from service.api.quality_values import weights
from service.errors import ConversationsError, UnsupportedEncoding, UnsupportedMediaType


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("gzip", GZIP),
        ("GZip", GZIP),
        ("x-gzip", GZIP),
        ("*", GZIP),
        ("gzip, br", GZIP),
        ("br, gzip, deflate", GZIP),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", GZIP),
        ("identity, gzip", GZIP),
        ("gzip;q=0.5", GZIP),
        ("gzip ; q=1", GZIP),
        ("br", PLAIN),
        ("gzip;q=0", PLAIN),
        ("gzip;q=0.000", PLAIN),
        ("gzip; Q=0", PLAIN),
        ("*, gzip;q=0", PLAIN),
        ("gzip;q=0, *;q=1", PLAIN),
        ("identity;q=1, gzip;q=0.5", PLAIN),
        ("identity", PLAIN),
        ("notgzip", PLAIN),
        ("gzipped, x-my-gzip", PLAIN),
        ("gzip;q=high", PLAIN),
        ("gzip;q=2", PLAIN),
        ("gzip;q=nan", PLAIN),
        ("*;q=0, identity", PLAIN),
        ("*;q=0, gzip", GZIP_ALWAYS),
        ("identity;q=0, gzip", GZIP_ALWAYS),
        ("identity;q=0, *", GZIP_ALWAYS),
        ("identity;q=0", NEITHER),
        ("*;q=0", NEITHER),
        ("br, *;q=0", NEITHER),
        ("identity;q=0, gzip;q=0", NEITHER),
    ],
)
def test_the_weights_of_accept_encoding_decide(header: str | None, expected: str) -> None:
    assert choose(header) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        ([""], False),
        (["*"], True),
        ([" * "], True),
        (['W/"abc"'], True),
        (['"abc"'], True),
        (['"x", W/"abc"'], True),
        (['"x",W/"abc",'], True),
        ([', ,"abc"'], True),
        (['"x"', 'W/"abc"'], True),
        (['"x,y", "abc"'], True),
        (['"x, \\"abc"'], False),
        (['"abcd"'], False),
        (['"ABC"'], False),
        (['w/"abc"'], False),
        (["abc"], False),
        (['"x" "abc"'], False),
        (['"abc", *'], False),
        (['"abc'], False),
    ],
)
def test_if_none_match_is_a_list_compared_weakly(values: list[str], expected: bool) -> None:
    assert names(values, "abc") is expected


def test_a_long_if_none_match_is_read_once() -> None:
    assert not names(['"' + "a" * 60_000], "abc")
    assert not names([" " * 60_000 + "x"], "abc")
    assert names([", " * 30_000 + '"abc"'], "abc")


@pytest.mark.parametrize("sent", [0, 1, 2])
def test_a_compressed_answer_that_is_cut_off_leaves_nothing_open(sent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[Message] = [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"a" * 5_000, "more_body": True},
    ]

    async def cut_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages[:sent]:
            await send(message)
        raise ConnectionResetError

    async def receive() -> Message:
        raise NotImplementedError

    async def send(_message: Message) -> None: ...

    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    scope = {
        "type": "http",
        "path": "/api/",
        "headers": [(b"accept-encoding", b"gzip")],
        "state": {},
        "query_string": b"",
    }
    for _time in range(20):
        with pytest.raises(ConnectionResetError):
            asyncio.run(Compression(cut_off)(scope, receive, send))  # type: ignore[arg-type]
    gc.collect()
    assert told == []


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html", True),
        ("TEXT/HTML;level=1", True),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0, */*", False),
        ("*/*", False),
        ("application/json", False),
        ("", False),
        ("text/html;q=x", False),
    ],
)
def test_only_clients_that_name_html_get_the_page(accept: str, expected: bool) -> None:
    assert prefers_html(accept) is expected


def test_of_a_name_that_comes_twice_the_first_counts() -> None:
    assert weights("a;q=0.2, b, A;q=0.9;x=y, ,c;x=1;q=0") == {"a": 0.2, "b": 1.0, "c": 0.0}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"")],
        [(b"content-type", b"application/x-ndjson")],
        [(b"content-type", b"application/x-ndjson; charset=UTF-8")],
        [(b"content-type", b'Application/JSON;charset="utf-8"')],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"text/plain"), (b"content-encoding", b"identity")],
        [(b"content-encoding", b"")],
    ],
)
def test_bodies_that_are_taken(headers: list[tuple[bytes, bytes]]) -> None:
    check_body(headers)


@pytest.mark.parametrize(
    ("headers", "kind", "says"),
    [
        ([(b"content-encoding", b"gzip")], UnsupportedEncoding, "without compression"),
        ([(b"content-encoding", b"identity"), (b"content-encoding", b"br")], UnsupportedEncoding, "identity, br"),
        ([(b"content-type", b"text/csv")], UnsupportedMediaType, "text/csv"),
        ([(b"content-type", b"multipart/form-data; boundary=x")], UnsupportedMediaType, "one JSON object a line"),
        ([(b"content-type", b"application/gzip")], UnsupportedMediaType, "application/x-ndjson"),
        ([(b"content-type", b"application/json"), (b"content-type", b"text/csv")], UnsupportedMediaType, "text/csv"),
        ([(b"content-type", b"nonsense")], UnsupportedMediaType, "nonsense"),
        ([(b"content-type", b"\xff\x1b[31m")], UnsupportedMediaType, r"\xff\x1b[31m"),
        ([(b"content-type", b"application/json; charset=utf-16")], UnsupportedMediaType, "utf-16"),
    ],
)
def test_bodies_that_are_refused(headers: list[tuple[bytes, bytes]], kind: type[ConversationsError], says: str) -> None:
    with pytest.raises(kind) as caught:
        check_body(headers)
    assert says in str(caught.value)
