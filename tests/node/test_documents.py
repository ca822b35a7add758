"""Documents at and beyond their limits: HTTP and `load` reject the same lines, and each line alone."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from service.app import create_app
from service.conversation import LIMITS, MAX_LINE_BYTES, MAX_REASON_BYTES, Conversation
from service.index import writer
from service.times import LAST, format_time
from tests.corpus import ORGANIZATIONS
from tests.hostile import acceptable
from tests.node.asking import BULK, SCOPE, error, outcomes, send
from tests.node.clusters import Cluster
from tests.node.running import begin_load
from tests.node.serving import Api, serving

MINE = ORGANIZATIONS[0]
ENDS = ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z")


@pytest.fixture
def own(fresh: Cluster) -> Iterator[Api]:
    fresh.load([])
    yield from serving(fresh.settings, fresh.url)


def uid(number: int) -> str:
    return str(UUID(int=number))


def numbered(number: int, **fields: Any) -> dict[str, Any]:
    return {"uid": uid(number), "organization_uid": str(MINE), "updated_on": "2024-07-01T12:00:00Z", **fields}


def full(character: str) -> dict[str, Any]:
    """Each text as long as it may be, and lists that together fill the item."""
    texts = {name: character * limit.characters for name, limit in LIMITS.items() if limit.items is None}
    metadata = {name.partition(".")[2]: text for name, text in texts.items() if name.startswith("metadata.")}
    lists = {name: [character * 20] * 400 for name in ("to_emails", "cc_emails", "labels")}
    return {"subject": texts["subject"], "metadata": metadata | lists}


def test_values_at_a_limit_are_kept_exactly_and_longer_ones_are_rejected(own: Api) -> None:
    lines: list[dict[str, Any]] = [
        numbered(number, **full(text)) for number, text in enumerate(("x", "é", "\ufdfa", "\0"), 1)
    ]
    for name, limit in LIMITS.items():
        value: Any = "a" * (limit.characters + 1)
        wrong = value if limit.items is None else [value]
        more = None if limit.items is None else ["a"] * (limit.items + 1)
        for past in filter(None, (wrong, more)):
            field = name.partition(".")[2]
            lines.append(numbered(5, **({"metadata": {field: past}} if field else {name: past})))
    answer = send(own, lines)
    assert outcomes(answer) == ["written"] * 4 + ["rejected"] * (len(lines) - 4)
    found = answer.json()["data"]["items"]
    assert all(" at most " in one["reason"] for one in found[4:])
    token = own.token(MINE)
    for line in lines[:4]:
        kept = own.get(f"/api/conversations/{line['uid']}", token).json()["data"]
        assert kept["subject"] == line["subject"]
        assert kept["metadata"].items() >= line["metadata"].items()


STRANGE: tuple[tuple[bytes, str | None], ...] = (
    (b'{"uid":' + b"[" * 100_000, "nested too deeply"),
    (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    (b'{"categories":' + b"[" * 500 + b"]" * 500 + b"}", "nested too deeply"),
    (b'{"metadata":' * 100_000, "nested too deeply"),
    (b"[" * 100_000, "must be a JSON object"),
    (b"x" * (MAX_LINE_BYTES + 1), "longer than"),
    (b'{"updated_on":"2024-07-01T12:00:00Z","deleted_on":"2024-07-01T12:00:00Z"}', "not both"),
    (b"\xff\xfe{\x00}\x00", "UTF-16"),
    (b'{"message_count":' + b"1" * 5000 + b"}", "too large"),
    (b'{"message_count":NaN}', "not valid JSON"),
    (b'{"subject":"\\ud800"}', "lone surrogate"),
    (b'{"subject":"\xff"}', "UTF-8"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    (b"{" + b",".join(b'"a%d":0' % number for number in range(20_000)) + b"}", "not a known field"),
    (b"{" + b",".join(b'"a%d":0' % number for number in range(100_000)) + b"}", "at most 256,000 bytes as JSON"),
    (b'{"metadata":{"to_emails":[' + b",".join([b"0"] * 100_000) + b"]}}", "to_emails"),
    (b'{"metadata":{"to_emails":[' + b",".join([b"0"] * 700_000) + b"]}}", "at most 256,000 bytes as JSON"),
    (b"null", "must be a JSON object"),
)


def test_a_strange_line_is_rejected_alone(own: Api) -> None:
    good = [json.dumps(numbered(number)).encode() for number in (1, 2)]
    lines = [good[0], *(text for text, _problem in STRANGE), good[1]]
    headers = {"Authorization": f"Bearer {own.token(MINE, scopes=SCOPE)}"}
    answer = own.http.post(f"{own.address}{BULK}", content=b"\n".join(lines), headers=headers)
    assert outcomes(answer) == ["written", *["rejected"] * len(STRANGE), "written"]
    reasons = [one["reason"] for one in answer.json()["data"]["items"][1:-1]]
    for reason, (_text, problem) in zip(reasons, STRANGE, strict=True):
        assert any(text in reason for text in acceptable(str(problem)))
        assert len(reason.encode()) <= MAX_REASON_BYTES


def test_a_load_and_a_request_reject_the_same_lines_for_the_same_reasons(fresh: Cluster, tmp_path: Path) -> None:
    """Conversations, deletions and strange lines, in a file and over HTTP."""
    ahead = format_time(datetime.now(UTC) + timedelta(days=2))
    deletion = {"uid": uid(2), "organization_uid": str(MINE), "deleted_on": "2024-07-02T12:00:00Z"}
    lines = [
        json.dumps(numbered(1)).encode(),
        json.dumps(numbered(2)).encode(),
        json.dumps(deletion).encode(),
        json.dumps(deletion | {"uid": uid(1), "deleted_on": ahead}).encode(),
        json.dumps(numbered(3, updated_on=ahead)).encode(),
        *(text for text, _problem in STRANGE),
    ]
    fresh.load([])
    for api in serving(fresh.settings, fresh.url):
        path = tmp_path / "file"
        path.write_bytes(b"\n".join(lines) + b"\n")
        loading = begin_load(fresh.url, fresh.settings.alias, path)
        out, errors = loading.communicate(timeout=60)
        assert json.loads(out) == {"written": 3, "unchanged": 0, "rejected": len(lines) - 3}, errors
        rejects = [json.loads(line) for line in (tmp_path / "rejects.ndjson").read_bytes().splitlines()]
        headers = {"Authorization": f"Bearer {api.token(MINE, scopes=SCOPE)}"}
        answer = api.http.post(f"{api.address}{BULK}", content=path.read_bytes(), headers=headers)
        assert outcomes(answer) == ["unchanged"] * 3 + ["rejected"] * (len(lines) - 3)
        reasons = [one["reason"] for one in answer.json()["data"]["items"][3:]]
        assert [one["reason"] for one in rejects] == reasons
        assert reasons[:2] == [
            "deleted_on: must not lie more than 1 day ahead of the clock",
            "updated_on: must not lie more than 1 day ahead of the clock",
        ]
        total = api.conversations(api.token(MINE))["data"]["pagination"]["total"]
        assert total == 1


def test_the_answer_to_many_rejected_lines_is_bounded(own: Api) -> None:
    long = json.dumps({f"{'x' * 300}{number}": 1 for number in range(6)})
    answer = send(own, [long] * 5000)
    assert outcomes(answer) == ["rejected"] * 5000
    assert len(answer.content) < 1_500_000
    assert answer.json()["data"]["items"][0]["reason"].endswith("and 4 more")


def test_too_many_lines_are_refused_before_any_is_parsed(own: Api) -> None:
    bad = b"\n".join([b'{"x":' * 100] * 19_000)[:9_900_000]
    headers = {"Authorization": f"Bearer {own.token(MINE, scopes=SCOPE)}"}
    for body in (bad, b"1\n" * 4_900_000):
        started = time.monotonic()
        answer = own.http.post(f"{own.address}{BULK}", content=body, headers=headers)
        error(answer, 413, "too_large")
        assert time.monotonic() - started < 5
    answer = own.http.post(f"{own.address}{BULK}", content=b"\n \r\n" * 2_400_000, headers=headers)
    assert outcomes(answer) == []


def test_times_ahead_of_the_clock_are_refused_unless_a_setting_allows_them(own: Api, fresh: Cluster) -> None:
    token = own.token(MINE, scopes=SCOPE)
    now = datetime.now(UTC)
    near, far = format_time(now + timedelta(hours=23)), format_time(now + timedelta(hours=25))
    assert outcomes(send(own, [numbered(1, updated_on=near), numbered(2, updated_on=far)])) == ["written", "rejected"]
    assert outcomes(send(own, [numbered(3, updated_on=near, created_on=far, sent_at=far)])) == ["written"]
    url = f"{own.address}/api/conversations/{uid(1)}"
    headers = {"Authorization": f"Bearer {token}"}
    for wrong in (far, "1969-12-31T23:59:59.999Z", format_time(LAST), "2024-07-01T24:00:00Z", "10000-01-01T00:00:00Z"):
        answer = own.http.delete(url, headers=headers, params={"deleted_on": wrong})
        assert error(answer, 400, "invalid_parameter")["details"][0]["parameter"] == "deleted_on"
    assert outcomes(own.http.delete(url, headers=headers, params={"deleted_on": near})) == ["unchanged"]
    for lenient in serving(fresh.settings.but(max_ahead=400_000_000_000), fresh.url):
        assert outcomes(send(lenient, [numbered(2, updated_on=format_time(LAST))])) == ["written"]


def test_a_conversation_with_the_latest_time_can_be_deleted_for_good(own: Api, fresh: Cluster) -> None:
    last = Conversation.model_validate(numbered(1, updated_on=format_time(LAST)))
    write = writer.write_of(last)
    fresh.load([last])
    headers = {"Authorization": f"Bearer {own.token(MINE, scopes=SCOPE)}"}
    url = f"{own.address}/api/conversations/{uid(1)}"
    assert own.http.get(url, headers=headers).status_code == 200
    assert outcomes(own.http.delete(url, headers=headers)) == ["written"]
    error(own.http.get(url, headers=headers), 404, "not_found")
    error(own.http.delete(url, headers=headers), 404, "not_found")
    again: list[writer.Result] = fresh.act(lambda client: writer.write(client, fresh.settings.alias, [write]))
    assert [one.outcome for one in again] == ["unchanged"]


def test_a_leap_second_is_accepted_in_lines_and_parameters(own: Api) -> None:
    given, kept = ENDS
    send(own, [numbered(1, updated_on=given, created_on="2016-12-31T15:59:60.5-08:00")], refresh="wait_for")
    token = own.token(MINE)
    found = own.get(f"/api/conversations/{uid(1)}", token).json()["data"]
    assert (found["updated_on"], found["created_on"]) == (kept, kept)
    for parameters, total in (
        ({"created_on[gte]": given}, 1),
        ({"created_on[gt]": given}, 0),
        ({"created_on[lte]": "2016-12-31"}, 1),
    ):
        assert own.conversations(token, parameters)["data"]["pagination"]["total"] == total
    for wrong in ("2024-07-01T24:00:00Z", "2024-07-01T12:00:60Z", "0000-01-01T00:00:00Z", "2024-07-01T12:00:00+24:00"):
        error(own.get("/api/conversations", token, params={"created_on[gte]": wrong}), 400, "invalid_parameter")


def test_a_stored_document_beyond_the_limits_is_read_and_found(own: Api, fresh: Cluster) -> None:
    valid = Conversation.model_validate(numbered(1, subject="old"))
    old = valid.model_copy(
        update={"metadata": valid.metadata.model_copy(update={"snippet": "x" * 300_000, "labels": ["l"] * 2_000})}
    )
    fresh.load([old])
    token = own.token(MINE)
    assert len(own.conversations(token, {"search": "old"})["data"]["items"][0]["metadata"]["snippet"]) == 300_000
    assert own.get(f"/api/conversations/{uid(1)}", token).status_code == 200


POST = """
import sys, httpx
address, token, path = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
answer = httpx.post(address, content=open(path, "rb").read(), headers=headers, timeout=120)
print(answer.status_code, len(answer.content), answer.text[-60:].replace("\\n", " "))
"""


def bodies() -> dict[str, bytes]:
    """Up to ten megabytes each: usual conversations, a few large ones, and invalid lines that cost most to check."""
    usual = json.dumps(numbered(1, subject="Invoice", metadata={"snippet": "x" * 1_700})).encode()
    recipients = [f"{number}@{'é' * 196}" for number in range(600)]
    large = json.dumps(numbered(1, metadata={"to_emails": recipients})).encode()
    unknown = b"{" + b",".join(b'"a%d":0' % number for number in range(200)) + b"}"
    many = b'{"metadata":{"to_emails":[' + b",".join([b'"a"'] * 370_000) + b"]}}"
    dense = b'{"subject":[' + b",".join([b"[]"] * 84_000) + b"]}"
    return {
        "usual": b"\n".join([usual] * 5_000),
        "large": b"\n".join([large] * 13),
        "unknown": b"\n".join([unknown] * 5_000),
        "many": b"\n".join([many] * 6),
        "dense": b"\n".join([dense] * 39),
        "blank": b"\n" * 9_900_000,
    }


@pytest.mark.parametrize("name", [*bodies()])
def test_no_body_blocks_the_event_loop(fresh: Cluster, tmp_path: Path, name: str) -> None:
    """A task in the same loop wakes up every millisecond; another process sends the body.

    The loop's thread may use little processor time in between, and other programs do not change that time.
    The clock's time has a bound too, in case something waits without working.
    """
    body = bodies()[name]
    assert len(body) <= 10_000_000
    (tmp_path / "body").write_bytes(body)
    fresh.load([])

    async def post(address: str, token: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            POST,
            f"{address}{BULK}",
            token,
            str(tmp_path / "body"),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _errors = await process.communicate()
        return out.decode()

    answer, worked, waited = asyncio.run(longest_waits(fresh, post))
    print(f"{name}: {1000 * worked:.0f} ms of work, {1000 * waited:.0f} ms by the clock; {answer}")
    assert answer.startswith("200 ")
    assert worked < 0.05
    assert waited < 2


async def longest_waits(cluster: Cluster, act: Callable[[str, str], Awaitable[str]]) -> tuple[str, float, float]:
    """The result of the action, and the longest time that a task of the service's loop had to wait meanwhile.

    Both in seconds of the thread's processor time and in seconds by the clock.
    """
    settings = cluster.settings.but(request_timeout=60.0)  # a busy machine makes the answer late
    server = uvicorn.Server(uvicorn.Config(create_app(settings, cluster.url), log_config=None, port=0))
    started, startup = asyncio.Event(), server.startup

    async def tell(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = tell  # type: ignore[method-assign]
    serving_task = asyncio.create_task(server.serve())
    await started.wait()
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    api = Api(cluster.settings, address)
    token = api.token(MINE, scopes=SCOPE)
    async with httpx.AsyncClient() as client:  # so the measured request is not the first one
        await client.post(f"{address}{BULK}", content=b"", headers={"Authorization": f"Bearer {token}"})
    worked = waited = 0.0

    async def beat() -> None:
        nonlocal worked, waited
        work, clock = time.thread_time(), time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            worked, work = max(worked, time.thread_time() - work), time.thread_time()
            waited, clock = max(waited, time.monotonic() - clock), time.monotonic()

    gc.collect()
    gc.freeze()  # the objects of other tests are not collected while the service is measured
    beats = asyncio.create_task(beat())
    try:
        return await act(address, token), worked, waited
    finally:
        beats.cancel()
        gc.unfreeze()
        server.should_exit = True
        await serving_task
        api.http.close()
