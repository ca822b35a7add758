"""Every route and every command on an index larger than OpenSearch's default limits.

140,000 conversations: more than 10,000 hits, 65,536 buckets, 65,536 terms and 1,024 clauses. One organization has half
of them, each created on another day; 70,000 organizations have one each. Most have little text, because its analysis
takes most of the time.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from service.api.auth import Tokens
from service.api.routes import HANDLERS
from service.cli import cli
from service.conversation import STATUSES, Conversation, Metadata
from tests import oracle
from tests.node.clusters import Cluster
from tests.node.serving import serve_process
from tests.processes import wait_until

LARGE = uuid.uuid5(uuid.NAMESPACE_URL, "size:large")
IN_LARGE = 70_000
WITH_MORE_WORDS = 24_000  # of these, with longer subjects
SMALL_ORGANIZATIONS = 70_000
AGENTS = 2_500
CATEGORIES = 3_000
FIRST_DAY = datetime(1800, 1, 1, tzinfo=UTC)
FIRST_UPDATE = datetime(2020, 1, 1, tzinfo=UTC)
LEASE = "1"
PATIENCE = {"CONVERSATIONS_REQUEST_TIMEOUT": "60"}  # these tests are about sizes, not about deadlines
WORDS = ("harbour", "invoice", "meeting", "Ärger", "東京都庁", "заказ", "refund")


def _subject(number: int) -> str | None:
    if number % 50 == 0:
        return None
    return (
        f"{WORDS[number % 7]} order {number} of {WORDS[number % 5]}" if number < WITH_MORE_WORDS else f"order {number}"
    )


def _conversation(number: int, organization: UUID) -> Conversation:
    """Its fields follow from its number; most sort keys have many ties."""
    updated = FIRST_UPDATE + timedelta(minutes=number * 7919 % 1_000_003)
    return Conversation.model_construct(
        uid=uuid.uuid5(organization, str(number)),
        organization_uid=organization,
        channel=("email", "sms")[number % 3 == 0],
        direction="inbound",
        status=STATUSES[number % 4],
        subject=_subject(number),
        categories=[f"category {number % CATEGORIES}"],
        sent_at=None if number % 20 == 0 else updated - timedelta(days=1),
        is_read=number % 3 == 0,
        has_reply=number % 2 == 0,
        message_count=number % 40,
        metadata=Metadata(from_email=f"person{number % 9_000}@example.com", from_name=f"Person {number % 9_000}"),
        agent_uid=UUID(int=number % AGENTS + 1),
        party_uid=None,
        created_by_uid=None,
        parent_conversation_uid=None,
        created_on=FIRST_DAY + timedelta(days=number),
        updated_on=updated,
    )


@dataclass(frozen=True)
class Sized:
    """The index, the file that it was loaded from, and its conversations of the large organization.

    `imported`: how many conversations a test added for another organization; the order of the tests is random.
    """

    cluster: Cluster
    file: Path
    large: list[Conversation]
    imported: list[int] = field(default_factory=list)

    @property
    def total(self) -> int:
        return IN_LARGE + SMALL_ORGANIZATIONS + sum(self.imported)

    @property
    def environment(self) -> dict[str, str]:
        return self.cluster.environment | {"CONVERSATIONS_WRITE_LEASE": LEASE}

    def command(self, *arguments: str, exits: int = 0) -> str:
        """Runs the command in the file's folder and returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            env=self.environment, cwd=self.file.parent, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == exits, done.stderr[-3000:]
        return done.stdout

    def record(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.command(*arguments))
        return found


@pytest.fixture(scope="module")
def sized(opensearch_url: str, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sized]:
    own = Cluster(cluster.settings.but(alias=f"{cluster.settings.alias}_sized"), opensearch_url)
    large = [_conversation(number, LARGE) for number in range(IN_LARGE)]
    file = tmp_path_factory.mktemp("sized") / "everything.ndjson"
    with file.open("w") as lines:
        lines.writelines(f"{one.model_dump_json()}\n" for one in large)
        for number in range(SMALL_ORGANIZATIONS):
            one = _conversation(number, uuid.uuid5(LARGE, str(number)))
            lines.write(f"{one.model_copy(update={'subject': 'order', 'metadata': Metadata()}).model_dump_json()}\n")
    sized = Sized(own, file, large)
    assert sized.record("create")["created"]
    loaded = sized.record("load", str(file))
    assert loaded == {"written": IN_LARGE + SMALL_ORGANIZATIONS, "unchanged": 0, "rejected": 0}
    yield sized
    own.drop()


@dataclass(frozen=True)
class Service:
    """A served process, and a client of it with a token for the large organization."""

    address: str
    http: httpx.Client

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text[:1000]
        return answer.json()["data"]


@pytest.fixture(scope="module")
def service(sized: Sized) -> Iterator[Service]:
    token = Tokens(sized.cluster.settings).mint(
        "tester", [LARGE], scopes=("conversations:write", "conversations:export")
    )
    headers = {"Authorization": f"Bearer {token}"}
    with (
        serve_process(sized.cluster, CONVERSATIONS_WRITE_LEASE=LEASE, **PATIENCE) as (_process, address, _log),
        httpx.Client(base_url=address, headers=headers, timeout=120) as http,
    ):
        yield Service(address, http)


def _uids(conversations: list[Conversation]) -> list[str]:
    return [str(one.uid) for one in conversations]


SORTS = ["created_on", "updated_on", "sent_at", "subject", "status", "channel", "is_read", "has_reply", "message_count"]
LISTS = ["message_count,-subject", "is_read,-status,channel,has_reply", "-has_reply,channel,sent_at,subject"]


@pytest.mark.parametrize("sort", [*(f"{sign}{name}" for name in SORTS for sign in ("", "-")), *LISTS])
def test_pages_of_every_order_are_exact_at_any_depth(sort: str, sized: Sized, service: Service) -> None:
    expected = _uids(oracle.ordered(sized.large, sort))
    for page in (1, 1, 2, 99, 100, 101, 350, 656, 700, 701):
        found = service.get("/api/conversations", sort=sort, page=page, per_page=100)
        assert [item["uid"] for item in found["items"]] == expected[(page - 1) * 100 : page * 100]
        assert found["pagination"] == {"page": page, "per_page": 100, "total": IN_LARGE, "total_pages": 700}


def test_pages_by_relevance_are_exact_at_any_depth(sized: Sized, service: Service) -> None:
    """All have the same score, so the newest come first."""
    expected = _uids(oracle.ordered([one for one in sized.large if one.subject is not None], "-updated_on"))
    for page in (1, 1, 2, 100, 101, 350, 686):
        found = service.get("/api/conversations", search="order", sort="relevance", page=page, per_page=100)
        assert [item["uid"] for item in found["items"]] == expected[(page - 1) * 100 : page * 100]
        assert found["pagination"]["total"] == len(expected)


def test_a_walk_goes_on_past_what_from_and_size_reach(sized: Sized, service: Service) -> None:
    expected = _uids(oracle.ordered(sized.large, "message_count,-subject"))
    found: list[str] = []
    cursor = "*"
    while len(found) < 12_000:
        step = service.get("/api/conversations", sort="message_count,-subject", per_page=100, cursor=cursor)
        found += [item["uid"] for item in step["items"]]
        cursor = step["pagination"]["next_cursor"]
    assert found == expected[:12_000]


def test_many_deep_pages_at_once_are_answered_or_refused_and_none_fails(service: Service, sized: Sized) -> None:
    """More than the 300 points in time that a node has at most."""

    async def ask() -> list[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=service.address, headers=service.http.headers, timeout=120, limits=limits
        ) as http:
            asked = [http.get("/api/conversations", params={"page": 1_000 + number}) for number in range(400)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    statuses = asyncio.run(ask())
    assert set(statuses) <= {200, 429}, statuses
    assert statuses.count(200) >= sized.cluster.settings.searches_per_organization


def test_counts_and_facets_are_exact(service: Service) -> None:
    found = service.get(
        "/api/conversations/count",
        **{"facets": "status,channel,category,agent_uid,is_read,direction", "facets[created_on]": "year"},
    )
    assert found["total"] == IN_LARGE
    for name, facet in found["facets"].items():
        counted = sum(value["count"] for value in facet["values"]) + facet["none"] + facet["other"]
        assert counted == IN_LARGE, name
    assert {value["value"]: value["count"] for value in found["facets"]["status"]["values"]} == dict.fromkeys(
        STATUSES, IN_LARGE // 4
    )
    assert found["facets"]["agent_uid"]["other"] > 0


def test_a_facet_of_too_many_days_is_refused_and_one_by_month_is_exact(service: Service) -> None:
    answer = service.http.get("/api/conversations/count", params={"facets[created_on]": "day"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["details"][0]["parameter"] == "facets[created_on]"
    by_month = service.get("/api/conversations/count", **{"facets[created_on]": "month"})
    assert sum(value["count"] for value in by_month["facets"]["created_on"]["values"]) == IN_LARGE


@pytest.mark.parametrize(
    ("parameters", "total"),
    [
        ({"search": "order"}, IN_LARGE - IN_LARGE // 50),
        ({"search": "1", "match": "prefix"}, None),
        ({"search": "order", "sort": "relevance"}, IN_LARGE - IN_LARGE // 50),
        ({"search": "harbor", "match": "fuzzy"}, None),
        ({"search": "order 12345"}, 1),
        ({"q": "order -harbour is:unread status:active,closed"}, None),
        ({"search": "orders", "highlight": "subject", "suggest": "true", "explain": "query"}, None),
        ({"search": "ordxx", "suggest": "true"}, 0),
        ({"category": ",".join(f"category {number}" for number in range(100))}, None),
        ({"agent_uid[nin]": ",".join(str(UUID(int=number + 1)) for number in range(100))}, None),
    ],
)  # fmt: skip
def test_every_kind_of_search_answers(parameters: dict[str, str], total: int | None, service: Service) -> None:
    found = service.get("/api/conversations", **parameters)["pagination"]["total"]
    assert found == total if total is not None else found > 0
    if not parameters.keys() & {"sort", "highlight", "suggest"}:
        assert service.get("/api/conversations/count", **parameters) == {"total": found}


def test_suggestions_are_made_of_the_whole_organization(service: Service) -> None:
    found = service.get("/api/conversations/suggest", q="harb")
    assert found["words"][0]["text"] == "harbour"
    assert len(service.get("/api/conversations/suggest", q="person")["senders"]) == 5
    assert len(service.get("/api/conversations/suggest", q="cat")["categories"]) == 5


def test_an_export_is_whole_over_http_and_as_a_file(sized: Sized, service: Service) -> None:
    answer = service.http.get("/api/conversations/export")
    *lines, end = answer.text.splitlines()
    assert json.loads(end)["export"]["complete"]
    assert [json.loads(line)["uid"] for line in lines] == _uids(oracle.ordered(sized.large, "-updated_on"))
    sized.command("export", "closed.ndjson.gz", "--organization", str(LARGE), "--where", "status=closed&sort=subject")
    assert sized.record("load", "closed.ndjson.gz") == {"written": 0, "unchanged": IN_LARGE // 4, "rejected": 0}


def test_a_read_an_old_deletion_and_repeated_writes_answer(sized: Sized, service: Service) -> None:
    one = sized.large[12_345]
    path = f"/api/conversations/{one.uid}"
    assert service.get(path) == oracle.item(one)
    deleted = service.http.delete(path, params={"refresh": "wait_for", "deleted_on": one.updated_on.isoformat()})
    assert deleted.json()["data"]["items"][0]["outcome"] == "unchanged", deleted.text
    body = "".join(f"{other.model_dump_json()}\n" for other in sized.large[:5_000])
    written = service.http.post("/api/conversations/bulk", content=body)
    assert written.status_code == 200, written.text[:500]
    assert {name: written.json()["data"][name] for name in ("written", "unchanged", "rejected")} == {
        "written": 0, "unchanged": 5_000, "rejected": 0,
    }  # fmt: skip


def test_health_metrics_and_documentation_answer(sized: Sized, service: Service) -> None:
    assert service.http.get("/health/live").status_code == 200
    assert service.http.get("/api/caller").status_code == 200
    ready = service.http.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    sized.command("healthy", "--url", service.address)

    def documents() -> list[str]:
        lines = service.http.get("/metrics").text.splitlines()
        return [
            line
            for line in lines
            if line.startswith(f'conversations_documents{{index="{sized.cluster.settings.alias}-')
        ]

    wait_until(lambda: any(line.endswith(f" {sized.total}.0") for line in documents()), says=documents)
    assert service.http.get("/docs/openapi.json").status_code == 200


def test_status_and_doctor_count_all(sized: Sized) -> None:
    status = sized.record("status")
    assert (status["conversations"], status["problem"]) == (sized.total, None)
    checks = [json.loads(line) for line in sized.command("doctor", "--json").splitlines()]
    assert {check["verdict"] for check in checks} <= {"ok", "warning"}, checks


def test_commands_that_ask_for_conversations_answer(sized: Sized) -> None:
    organization = ("--organization", str(LARGE))
    one = sized.large[23_456]
    assert sized.command("count", "order", *organization).strip() == str(IN_LARGE - IN_LARGE // 50)
    found = json.loads(sized.command("search", "order 23456", "--json", *organization))
    assert [item["uid"] for item in found["items"]] == [str(one.uid)]
    page = json.loads(sized.command("search", "", "--page", "700", "--limit", "100", "--json", *organization))
    assert [item["uid"] for item in page["items"]] == _uids(oracle.ordered(sized.large, "-updated_on"))[-100:]
    assert json.loads(sized.command("get", str(one.uid), "--json", *organization)) == oracle.item(one)
    sized.command("delete", str(one.uid), "--dry-run", *organization)
    sized.command("get", str(one.uid), *organization)
    sized.command("load", str(sized.file), "--dry-run")
    sized.command("prune", "--dry-run")


def test_imports_go_into_the_large_index(sized: Sized, samples: Path) -> None:
    sms = sized.file.parent / "sms.csv"
    sms.write_text("peer,date,text\n+491701234567,2024-07-01 12:00:00,Hello\n")
    organization = str(uuid.uuid5(LARGE, "imports"))
    for command, source in (("import-mail", samples / "twisted-python.mbox.gz"), ("import-sms", sms)):
        record = sized.record(command, str(source), "--organization", organization)
        sized.imported.append(record["written"])
        assert record["written"] > 0
        assert record["messages"] == record["in_conversations"] + record["duplicates"] + record["rejected_messages"]


def test_a_reindex_its_rollback_and_the_pruning_keep_all(sized: Sized, service: Service) -> None:
    before = service.get("/api/conversations/count")["total"]
    old = sized.record("status")["index"]
    new = sized.record("reindex")["index"]
    assert new != old
    same = {"missing": 0, "stale": 0, "newer": 0, "extra": 0}
    assert sized.record("verify", "--against", old) == same
    assert sized.record("rollback")["index"] == old
    sized.command("prune", "--keep", "0")
    assert service.get("/api/conversations/count")["total"] == before
    assert service.http.get("/health/ready").status_code == 200
    assert sized.record("verify", str(sized.file)) == same


ROUTES_ASKED = {
    "/api/conversations", "/api/conversations/count", "/api/conversations/suggest", "/api/conversations/export",
    "/api/conversations/{uid:str}", "/api/conversations/bulk", "/api/caller", "/health/live", "/health/ready", "/metrics",
}  # fmt: skip
COMMANDS_RUN = {
    "create", "load", "export", "verify", "reindex", "rollback", "prune", "status", "doctor", "healthy",
    "serve", "import-mail", "import-sms", "search", "get", "count", "delete",
}  # fmt: skip
COMMANDS_WITHOUT_AN_INDEX = {"run", "node", "token", "key", "dashboards", "completion", "context"}


def test_no_route_and_no_command_is_left_out() -> None:
    assert {path for handler in HANDLERS for path in handler.paths} == ROUTES_ASKED
    assert set(cli.commands) == COMMANDS_RUN | COMMANDS_WITHOUT_AN_INDEX
