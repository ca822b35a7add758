"""The Python client against a server that fails as networks, proxies and busy services do."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest

from conversation_search import (
    AsyncClient,
    Client,
    ConnectionFailed,
    Conversation,
    ConversationSearchError,
    Deletion,
    Forbidden,
    IncompleteExport,
    InvalidRequest,
    Metadata,
    NotFound,
    Retries,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from conversation_search._calls import line
from conversation_search._settings import IDLE_SECONDS
from service.api.http_protocol import KEEP_ALIVE_SECONDS
from service.conversation import Conversation as Stored
from tests.scripted_server import (
    ITEM,
    ORGANIZATION,
    QUICK,
    UID,
    Answer,
    Server,
    export_end,
    failure,
    lines,
    page,
    success,
)

NESTED = b"[" * 100_000  # deeper than any parser goes


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest), (401, Unauthorized), (403, Forbidden), (404, NotFound), (413, InvalidRequest),
        (429, TooManyRequests), (500, Unavailable), (503, Unavailable), (504, Unavailable),
    ],
)  # fmt: skip
def test_an_error_is_an_exception_with_its_details(
    server: Server, status: int, kind: type[ConversationSearchError]
) -> None:
    server.answers = [failure(status, **{"Retry-After": "7"})]
    with server.client() as client, pytest.raises(kind) as caught:
        client.search(per_page=500)
    error: Any = caught.value
    assert (error.status, error.code, error.message, error.request_id) == (status, "a_code", "It failed", "an-id")
    assert (error.problems[0].parameter, error.problems[0].value, error.retry_after) == ("per_page", "500", 7.0)
    assert "per_page: must be less" in str(error)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_request_is_sent_again_until_it_succeeds(server: Server, status: int) -> None:
    server.answers = [failure(status), failure(status), page(ITEM)]
    with server.client() as client:
        assert client.search()[0].uid == UID
    assert len(server.requests) == 3


def test_a_request_is_sent_at_most_as_often_as_the_caller_says(server: Server) -> None:
    server.answers = [failure(503)]
    for attempts in (1, 3):
        server.requests.clear()
        with server.client(Retries(attempts, 0)) as client, pytest.raises(Unavailable):
            client.count()
        assert len(server.requests) == attempts


def test_the_client_does_not_wait_longer_than_the_caller_says(server: Server) -> None:
    server.answers = [failure(429, **{"Retry-After": "60"})]
    with server.client(Retries(longest_wait=59)) as client, pytest.raises(TooManyRequests):
        client.count()
    assert len(server.requests) == 1


def test_the_client_waits_at_least_as_long_as_the_service_says() -> None:
    retries = Retries(attempts=100, longest_wait=5)
    assert retries.wait(1, 3.0) == 3.0
    assert 2.5 <= (retries.wait(99, None) or 0) <= 5
    assert retries.wait(1, 5.1) is None
    assert retries.wait(100, None) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_a_request_that_would_fail_again_is_not_sent_again(server: Server, status: int) -> None:
    server.answers = [failure(status)]
    with server.client() as client, pytest.raises(ConversationSearchError):
        client.get(UID)
    assert len(server.requests) == 1


def test_a_deletion_is_sent_again_only_if_that_is_safe(server: Server) -> None:
    """A second deletion could delete what was written after the first."""
    server.answers = [failure(503)]
    with server.client() as client:
        with pytest.raises(Unavailable):
            client.delete(UID)
        assert len(server.requests) == 1
        with pytest.raises(Unavailable):
            client.delete(UID, deleted_on=datetime.now(UTC))
        assert len(server.requests) == 4
        server.answers, before = [failure(429)], len(server.requests)
        with pytest.raises(TooManyRequests):
            client.delete(UID)
        assert len(server.requests) - before == 3


def test_a_broken_connection_is_tried_again(server: Server) -> None:
    server.answers = [(200, {"Content-Length": "9999"}, b'{"status'), page(ITEM)]
    with server.client() as client:
        assert len(client.search()) == 1


class Closing:
    """A server that keeps each connection open after its first answer, and closes it when the next request comes."""

    def __init__(self) -> None:
        self.requests = 0
        outer = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            answered = False

            def _answer(self) -> None:
                outer.requests += 1
                self.close_connection = self.answered
                if not self.answered:
                    self.answered = True
                    content = success({"items": [{"outcome": "written"}], "total": 7})[2]
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_DELETE = _answer

            def log_message(self, *_arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Client:
        self.thread.start()
        return Client(f"http://127.0.0.1:{self.http.server_address[1]}", token="t", retries=QUICK)

    def __exit__(self, *_error: object) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def test_a_request_that_may_be_sent_twice_survives_a_closed_connection() -> None:
    with (closing := Closing()) as client, client:
        assert [client.count().total for _ in range(3)] == [7, 7, 7]
        assert client.delete(UID, deleted_on=datetime.now(UTC))
        assert closing.requests == 7  # each but the first was sent again, over a new connection


def test_a_deletion_without_a_date_is_not_sent_again_when_nobody_knows_whether_it_arrived() -> None:
    with (closing := Closing()) as client, client:
        assert client.delete(UID)
        with pytest.raises(ConnectionFailed, match=r"may have been applied or not: .* deleted_on"):
            client.delete(UID)
        assert closing.requests == 2
        assert client.delete(UID)


def test_idle_connections_are_closed_before_the_service_closes_them() -> None:
    assert IDLE_SECONDS < KEEP_ALIVE_SECONDS


def test_the_caller_is_returned_as_typed_values(server: Server) -> None:
    told = {"user": "ada", "organizations": [str(UID)], "scopes": ["conversations:write"], "is_restricted": False}
    for default in (None, str(UID)):
        server.answers = [success({**told, "default_organization": default, "mood": "happy"})]
        with server.client() as client:
            found = client.caller()
        assert (found.user, found.organizations, found.scopes) == ("ada", (UID,), ("conversations:write",))
        assert found.default_organization == (None if default is None else UID)
        assert not found.is_restricted


def test_the_error_about_an_unreachable_service_names_its_address() -> None:
    with Client("http://127.0.0.1:1", token="t", retries=QUICK) as client, pytest.raises(ConnectionFailed) as caught:
        client.count()
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>a proxy</html>"),
        (200, {}, b'{"status":"success"}'),
        (200, {}, b'{"status":"success","data":{}}'),
        (302, {"Location": "http://127.0.0.1:1/"}, b""),
        (404, {}, b"<html>not found</html>"),
        (200, {}, NESTED),
        (404, {}, NESTED),
    ],
)
def test_an_answer_of_another_server_is_an_error(server: Server, answer: Answer) -> None:
    server.answers = [answer]
    with server.client() as client, pytest.raises(UnexpectedAnswer):
        client.search()


def test_an_error_of_a_proxy_is_an_error_of_the_service(server: Server) -> None:
    server.answers = [(502, {}, b"<html>bad gateway</html>")]
    with server.client() as client, pytest.raises(Unavailable):
        client.search()


def test_a_walk_goes_from_cursor_to_cursor(server: Server) -> None:
    server.answers = [page(ITEM, next_cursor="second"), failure(503), page(ITEM, ITEM, next_cursor=None)]
    with server.client() as client:
        assert len(list(client.walk(status="active"))) == 3
    cursors = [dict(parse_qsl(urlsplit(path).query))["cursor"] for _method, path, _body in server.requests]
    assert cursors == ["*", "second", "second"]


def test_an_export_is_whole_or_an_error(server: Server) -> None:
    def read(content: bytes, **headers: str) -> int:
        server.answers = [(200, headers, content)]
        with server.client() as client:
            return len(list(client.export(status="active")))

    whole = lines(ITEM, ITEM, export_end(2))
    assert read(whole) == 2
    assert read(lines(export_end(0))) == 0
    for broken in (lines(ITEM, ITEM), lines(ITEM, export_end(2)), whole[:-20], whole[:100], b"", b"<html>\n", NESTED):
        with pytest.raises(IncompleteExport):
            read(broken)
    with pytest.raises(IncompleteExport) as caught:
        read(lines(ITEM), **{"Content-Length": "9999"})
    assert caught.value.received == 1


def test_an_export_that_is_refused_is_tried_again(server: Server) -> None:
    server.answers = [failure(429), (200, {}, lines(export_end(0)))]
    with server.client() as client:
        assert list(client.export()) == []
        server.answers = [failure(403)]
        with pytest.raises(Forbidden):
            list(client.export())


def test_any_number_of_conversations_is_written_in_batches(server: Server) -> None:
    def items(count: int) -> list[dict[str, Any]]:
        return [{"line": place, "uid": str(UID), "outcome": "written"} for place in range(1, count + 1)]

    server.answers = [success({"items": items(1_000)}), failure(429), success({"items": items(1_000)}),
                      success({"items": items(500)})]  # fmt: skip
    with server.client() as client:
        results = list(client.write_all(ITEM for _ in range(2_500)))
        assert [result.line for result in results] == list(range(1, 2_501))
        assert [body.count(b"\n") for _method, _path, body in server.requests] == [1_000, 1_000, 1_000, 500]
        assert list(client.write_all([])) == []


def test_a_batch_has_a_bounded_size(server: Server) -> None:
    server.answers = [success({"items": []})]
    with server.client() as client:
        list(client.write_all({**ITEM, "subject": "x" * 1_500_000} for _ in range(5)))
    assert [body.count(b"\n") for _method, _path, body in server.requests] == [2, 2, 1]


def test_an_unknown_field_of_a_newer_service_is_ignored(server: Server) -> None:
    server.answers = [
        success({**ITEM, "mood": "happy", "metadata": {"from_name": "Ada", "mood": 1}, "categories": ["a"]})
    ]
    with server.client() as client:
        found = client.get(UID)
    assert found.updated_on == datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
    assert (found.metadata.from_name, found.categories, found.sent_at) == ("Ada", ("a",), None)


def test_what_is_written_is_what_the_service_accepts() -> None:
    written = Conversation(
        uid=UID, organization_uid=ORGANIZATION, updated_on=datetime(2026, 1, 2, tzinfo=UTC), subject="ü", status="active",
        categories=("a", "b"), metadata=Metadata(to_emails=("ada@example.org",), attachment_count=2), agent_uid=UUID(int=3),
    )  # fmt: skip
    stored = Stored.model_validate_json(line(written))
    assert (stored.subject, stored.categories, stored.metadata.attachment_count) == ("ü", ["a", "b"], 2)
    gone = json.loads(
        line(Deletion(uid=UID, organization_uid=ORGANIZATION, deleted_on=datetime(2026, 1, 2, tzinfo=UTC)))
    )
    assert gone == {
        "uid": str(UID), "organization_uid": str(ORGANIZATION), "deleted_on": "2026-01-02T00:00:00.000+00:00",
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"updated_on: .* has no time zone"):
        line(Conversation(uid=UID, organization_uid=ORGANIZATION, updated_on=datetime(2026, 1, 2)))


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://example.org", "http://"])
def test_a_wrong_address_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match="address of a service"):
        Client(url, token="t")


@pytest.mark.parametrize("token", ["", "two words", "line\nend", "ü"])
def test_a_wrong_token_is_an_error_that_does_not_show_it(token: str) -> None:
    with pytest.raises(ValueError, match="one word") as caught:
        Client("http://127.0.0.1", token=token)
    assert not token or token not in str(caught.value)


def test_the_asynchronous_client_does_the_same(server: Server) -> None:
    async def ask() -> None:
        async with AsyncClient(server.url, token="t", retries=QUICK) as client:
            server.answers = [page(ITEM, next_cursor="second"), failure(503), page(ITEM, ITEM, next_cursor=None)]
            assert len([item async for item in client.walk()]) == 3
            server.requests.clear()
            server.answers = [failure(429), (200, {}, lines(ITEM, export_end(1)))]
            assert len([item async for item in client.export()]) == 1
            server.answers = [(200, {}, lines(ITEM))]
            with pytest.raises(IncompleteExport):
                assert [item async for item in client.export()]
            server.answers = [success({"items": [{"line": 1, "uid": str(UID), "outcome": "written"}]})]
            assert [result.line async for result in client.write_all([ITEM])] == [1]
            server.answers = [failure(404)]
            with pytest.raises(NotFound):
                await client.get(UID)

    asyncio.run(ask())


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in vars(kind).items()
            if callable(member) and not name.startswith("__")
        }

    assert methods(Client) == methods(AsyncClient)
