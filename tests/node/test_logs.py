"""No log, trace, metric, error or list of processes contains texts of conversations, requests or tokens.

All texts that are stored, asked and sent here contain MARK, so one search finds every leak.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
import pytest

from service.api.auth import Tokens
from service.api.documentation import PAGES
from service.api.routes import HANDLERS
from service.conversation import Conversation, Metadata
from service.settings import Settings
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS
from tests.logged import MARK, hide, telling
from tests.node.asking import BULK
from tests.node.clusters import Cluster, own_alias
from tests.node.proxy import Answer, Call, Fault, Proxy
from tests.node.serving import Api, serve_process, serving
from tests.node.trace_sink import Sink

FIELDS = {
    "event", "level", "timestamp", "method", "route", "status", "milliseconds", "request_id", "organization", "took",
    "error", "cause", "places", "client_disconnected", "cut_off", "opensearch_status", "opensearch_error", "written", "unchanged", "rejected",
    "issuer", "reason", "has_older", "logger", "action", "who", "deletions", "conversations", "complete", "uid", "lines", "organizations",
    "pid", "workers", "worker", "exit_code", "seconds_until_next", "node", "message", "keys", "connections", "bytes",
    "refused", "lacks",
}  # fmt: skip
MINE = ORGANIZATIONS[0]
CALLER = f"{MARK}caller@example.com"
SCOPES = ("conversations:write", "conversations:export")
THE_CLIENTS_OWN = ("httpx", "httpcore", "urllib3", "docker")
FAILURES = (400, 429, 500, 503)


def marked(what: str) -> Conversation:
    return Conversation(
        uid=uuid5(MINE, what), organization_uid=MINE, subject=f"{MARK}subject {MARK}{what}", categories=[f"{MARK}category"],
        metadata=Metadata(from_email=f"{MARK}{what}@example.com", from_name=f"{MARK}name", snippet=f"{MARK}snippet"),
        updated_on=datetime(2024, 1, 1, tzinfo=UTC),
    )  # fmt: skip


@dataclass
class Provoked:
    """The secrets that were sent, and the answers, metrics, traces and command lines to look for them in."""

    cluster: Cluster
    key: str
    secrets: set[str]
    routes: set[str] = field(default_factory=set)
    answers: list[httpx.Response] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    traces: list[bytes] = field(default_factory=list)
    command_lines: list[str] = field(default_factory=list)

    def ask_everything(self, http: httpx.Client, base: str) -> None:
        """Asks each route, with MARK in every part of a request, with valid tokens and with invalid ones."""
        assert self.cluster.settings.token_secret is not None
        token = Tokens(self.cluster.settings).mint(CALLER, [MINE], scopes=SCOPES)
        first = self.ask(http, "GET", f"{base}/api/conversations?cursor=*&per_page=1&search={MARK}subject", token)
        cursor = first.json().get("data", {}).get("pagination", {}).get("next_cursor") or f"{MARK}cursor"
        self.secrets |= {token, token.split(".")[2], cursor}
        line = marked("bulk").model_dump_json()
        others = marked("others").model_copy(update={"organization_uid": ORGANIZATIONS[1]}).model_dump_json()
        for sent in (token, self.key, f"{token}x", f"{MARK}token", f"ck_{'0' * 16}_{MARK}"):
            for method, path, body in (
                *(("GET", f"/api/conversations?{query}", "") for query in self._queries(cursor)),
                ("GET", f"/api/conversations/count?search={MARK}subject&facets=category,from_email", ""),
                ("GET", f"/api/conversations/suggest?q={MARK}s", ""),
                ("GET", "/api/caller", ""),
                ("GET", f"/api/conversations/export?search={MARK}subject", ""),
                ("GET", f"/api/conversations/export?organization_uid={ORGANIZATIONS[1]}&search={MARK}", ""),
                ("GET", f"/api/conversations/{marked('one').uid}", ""),
                ("GET", f"/api/conversations/{MARK}?{MARK}={MARK}", ""),
                ("POST", BULK, f"{line}\n{others}\n{line[:-1]}\n{json.dumps({'uid': MARK, 'subject': MARK})}"),
                ("POST", f"{BULK}?refresh={MARK}", line),
                ("DELETE", f"/api/conversations/{marked('bulk').uid}", ""),
                ("DELETE", f"/api/conversations/{MARK}?deleted_on={MARK}", ""),
                ("PUT", f"/api/conversations/{MARK}", MARK),
                (MARK.upper(), f"/{MARK}?{MARK}={MARK}", MARK),
                *(("GET", path, "") for path in ("/", "/docs", "/docs/openapi.json", "/health/live", "/health/ready")),
                ("GET", f"/docs/assets/{MARK}", ""),
            ):
                self.ask(http, method, base + path, sent, body)
        self.metrics.append(http.get(f"{base}/metrics").text)

    @staticmethod
    def _queries(cursor: str) -> tuple[str, ...]:
        return (
            f"search={MARK}subjetc&suggest=true&highlight=subject&explain=query", f"q={MARK}subject from:{MARK}one",
            f"search={MARK}subject&cursor={cursor}&per_page=1", f"cursor={MARK}", f"category={MARK}&status={MARK}",
            f"from_email={MARK}one@example.com&facets=from_email&match=fuzzy&search={MARK}subject&sort=relevance",
            f"{MARK}={MARK}", f"organization_uid={ORGANIZATIONS[1]}&search={MARK}", f"search={MARK}&page=9000",
        )  # fmt: skip

    def ask(self, http: httpx.Client, method: str, url: str, token: str, body: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": f"{MARK} id", "Cookie": MARK, "Referer": MARK}
        answer = http.request(method, url, content=body, headers=headers)
        self.answers.append(answer)
        return answer


def echoing(status: int) -> Fault:
    """An error of OpenSearch that repeats the request, as the errors of its parsers do."""

    def fault(call: Call, _answer: Answer) -> Answer:
        reason = f"cannot parse [{call.body.decode('utf-8', 'replace')}] of {call.path}"
        cause = {"type": "parsing_exception", "reason": reason}
        body = {"error": {"root_cause": [cause], **cause}, "status": status}
        return Answer(status, json.dumps(body).encode(), {"connection": "close"})

    return fault


@contextmanager
def everything_logged(file: Path) -> Iterator[None]:
    """Writes what the libraries log at every level to the file, but not what the clients in this process log."""
    handler = logging.FileHandler(file)
    handler.addFilter(lambda record: not record.name.startswith(THE_CLIENTS_OWN))
    loggers = [logging.getLogger(name) for name in ("", "opensearch", "opensearchpy.trace", "asyncio", "aiohttp")]
    before = [(logger, logger.level) for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
        for logger in (loggers[0], loggers[2]):  # the trace logs only if it has a handler of its own
            logger.addHandler(handler)
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
            logger.removeHandler(handler)
        handler.close()


@pytest.fixture(scope="module")
def provoked(settings: Settings, opensearch_url: str, logs: Path) -> Iterator[Provoked]:
    """Asks every route of a traced process, and of a service in a thread that logs at every level.

    OpenSearch then also answers the second service with errors that repeat the query.
    """
    with ExitStack() as stack:
        cluster = stack.enter_context(_own(settings, opensearch_url))
        key = _key(cluster, logs)
        found = Provoked(cluster, key, {key, key.split("_", 2)[-1], cluster.environment["CONVERSATIONS_TOKEN_SECRET"]})
        http = stack.enter_context(httpx.Client(timeout=60))
        sink = Sink()
        thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}", "PYTHONASYNCIODEBUG": "1"}
        audit = {"CONVERSATIONS_AUDIT_FILE": str(logs / "audit")}
        with serve_process(cluster, **traced, **audit) as (process, address, _log):
            found.ask_everything(http, address)
            found.command_lines += [path.read_bytes().decode() for path in Path("/proc").glob("[0-9]*/cmdline")]
            process.terminate()  # sends the spans that are left
            process.wait(60)
        sink.shutdown()
        thread.join(30)
        sink.server_close()
        found.traces += sink.bodies
        with everything_logged(logs / "libraries"), Proxy(opensearch_url) as proxy:
            for api in serving(cluster.settings.but(request_timeout=1.0), proxy.url):
                found.ask_everything(http, api.address)
                for status in FAILURES:
                    with proxy.faulty(echoing(status), "_search", "_doc", "_bulk", "_search/point_in_time"):
                        _ask_failing(found, http, api, status)
        hide(*found.secrets)
        yield found


def _ask_failing(found: Provoked, http: httpx.Client, api: Api, status: int) -> None:
    token = Tokens(found.cluster.settings).mint(CALLER, [MINE], scopes=SCOPES)
    for path in (
        f"?search={MARK}subject&suggest=true&highlight=subject", f"/count?q={MARK}subject&facets=category",
        f"/suggest?q={MARK}s", f"/export?search={MARK}subject", f"/{marked('one').uid}", f"?search={MARK}&page=9000",
    ):  # fmt: skip
        answer = found.ask(http, "GET", f"{api.address}/api/conversations{path}", token)
        assert answer.status_code in (400, 404, 429, 503, 504), (status, path, answer.text)
        assert MARK not in answer.text, "the error repeats what OpenSearch said"
    answer = found.ask(http, "POST", api.address + BULK, token, marked("bulk").model_dump_json())
    assert "parse" not in answer.text


@contextmanager
def _own(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load([marked("one"), marked("two"), marked("three")])
        yield cluster


def _key(cluster: Cluster, folder: Path) -> str:
    """An API key, created by the command, which also writes a line to an audit file."""
    environment = cluster.environment | {"CONVERSATIONS_AUDIT_FILE": str(folder / "audit-of-commands")}
    arguments = ("key", "create", "--name", f"{MARK}name", "--organization", str(MINE))
    scopes = ("--scope", "conversations:write", "--scope", "conversations:export")
    made = run_here((*arguments, *scopes), environment=environment, folder=folder)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def logged(logs: Path) -> list[dict[str, Any]]:
    lines = [line for file in logs.rglob("*") if file.is_file() for line in file.read_text("utf-8").splitlines()]
    return [json.loads(line) for line in lines if line.startswith("{")]


@pytest.mark.last
def test_no_line_that_was_logged_holds_a_token_a_subject_an_address_or_a_search(provoked: Provoked, logs: Path) -> None:
    """The lines of this process so far; tests/conftest.py checks the logs of all processes when they have ended."""
    assert len(logged(logs)) > 300
    for entry in logged(logs):
        if "key" not in entry:  # those of commands have one
            assert set(entry) <= FIELDS, set(entry) - FIELDS
    libraries = (logs / "libraries").read_text("utf-8")
    assert "opensearch" not in libraries or "POST" in libraries
    assert list(telling(logs, provoked.secrets)) == []


@pytest.mark.last
def test_every_route_was_asked(provoked: Provoked, logs: Path) -> None:
    """A new route must be asked here, too."""
    assert provoked.answers
    there = {path.replace(":str", "") for handler in (*HANDLERS, *PAGES) for path in handler.paths}
    assert there - {"/"} <= {entry.get("route") for entry in logged(logs)}


@pytest.mark.last
def test_no_metric_trace_or_process_shows_a_request_or_a_token(provoked: Provoked) -> None:
    assert len(provoked.metrics) == 2
    assert len(provoked.traces) > 0
    assert any("serve" in line for line in provoked.command_lines)
    texts = [*provoked.metrics, *(body.decode("latin-1") for body in provoked.traces), *provoked.command_lines]
    for text in texts:
        for hidden in (MARK, *provoked.secrets):
            assert hidden.casefold() not in text.casefold(), hidden
    for text in (*provoked.metrics, *(body.decode("latin-1") for body in provoked.traces)):
        assert str(MINE) not in text


@pytest.mark.last
def test_no_error_repeats_a_token_a_key_or_a_cursor(provoked: Provoked) -> None:
    refusals = [answer for answer in provoked.answers if answer.status_code >= 400]
    assert {401, 403, 404, 405} <= {answer.status_code for answer in refusals}
    assert {400, 503} <= {answer.status_code for answer in refusals}
    for answer in refusals:
        for hidden in (*provoked.secrets, f"{MARK}token", f"{MARK}caller"):
            assert hidden not in answer.text


@pytest.mark.last
def test_the_audit_trail_says_who_did_what_to_which_organization_and_how_many(provoked: Provoked, logs: Path) -> None:
    lines = [json.loads(line) for line in (logs / "audit").read_text().splitlines()]
    assert (logs / "audit").stat().st_mode & 0o777 == 0o600
    hashed = f"sha256:{sha256(CALLER.encode()).hexdigest()[:16]}"
    key_id = provoked.key.split("_")[1]
    assert {line["who"] for line in lines} == {hashed, f"key {key_id}"}
    refused = [line for line in lines if "refused" in line]
    assert {line["who"] for line in refused} == {hashed, f"key {key_id}"}
    assert {(line["action"], line["organization"], line["refused"], line["lacks"]) for line in refused} == {
        ("export", str(ORGANIZATIONS[1]), 1, "organization"), ("write", str(ORGANIZATIONS[1]), 1, "organization"),
    }  # fmt: skip
    lines = [line for line in lines if line not in refused]
    assert {line["organization"] for line in lines} == {str(MINE)}
    by_action = {
        action: [line for line in lines if line["action"] == action] for action in ("write", "export", "delete")
    }
    assert sum(map(len, by_action.values())) == len(lines)
    assert by_action["export"][0]["conversations"] == 3  # searches do not find the new one yet
    assert all(line["complete"] for line in by_action["export"])
    assert by_action["write"][0]["written"] == 1
    assert UUID(by_action["delete"][0]["uid"]) == marked("bulk").uid
    logged_too = [entry for entry in logged(logs) if entry.get("logger") == "conversations.audit"]
    # Other tests' lines are there, too, and need not be of a request.
    assert {line["request_id"] for line in lines} <= {entry.get("request_id") for entry in logged_too}
    (made,) = map(json.loads, (logs / "audit-of-commands").read_text().splitlines())
    assert (made["action"], made["key"], made["organization"]) == ("key_create", key_id, str(MINE))
    assert made["who"].startswith("user ")
