"""The audit trail of commands and of failures: who did what, in which organizations, to how many conversations."""

from __future__ import annotations

import json
import subprocess
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from service.audit import MOST_NAMED, operator
from service.conversation import Conversation
from service.index import loader
from service.index.bulk_requests import Write
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, SIZES
from tests.node import faults
from tests.node.asking import BULK, SCOPE
from tests.node.clusters import Cluster
from tests.node.proxy import Answer, Call, Proxy
from tests.node.serving import serving

ONE, OTHER = map(str, sorted(ORGANIZATIONS[:2]))
NONE = {"written": 0, "unchanged": 0, "rejected": 0}


class Trail:
    """Runs commands on a cluster, and reads the audit file that they write."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.file = folder / "audit"

    def run(self, *arguments: str, code: int = 0, **changes: str) -> subprocess.CompletedProcess[str]:
        environment = self.cluster.environment | {"CONVERSATIONS_AUDIT_FILE": str(self.file)} | changes
        done = run_here(arguments, environment=environment, folder=self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def lines(self) -> list[dict[str, Any]]:
        """The lines written since the last call, without the fields that all of them have."""
        found = [json.loads(line) for line in self.file.read_text().splitlines()]
        self.file.unlink()
        for line in found:
            assert line.pop("who") == operator()
            assert line.pop("timestamp").endswith("Z")
        return found

    def write(self, name: str, conversations: list[Conversation]) -> str:
        (self.folder / name).write_text("".join(f"{one.model_dump_json()}\n" for one in conversations))
        return name


@pytest.fixture
def trail(fresh: Cluster, tmp_path: Path) -> Trail:
    fresh.load([])
    return Trail(fresh, tmp_path)


def of(organization: str, conversations: list[Conversation], count: int) -> list[Conversation]:
    return [one for one in conversations if str(one.organization_uid) == organization][:count]


def test_a_load_names_the_organizations_of_what_it_sent(trail: Trail, conversations: list[Conversation]) -> None:
    mine, others = of(ONE, conversations, 3), of(OTHER, conversations, 2)
    file = trail.write("both.ndjson", mine + others)
    with (trail.folder / file).open("a") as lines:
        lines.write("nonsense\n")
    trail.run("load", file, code=3)
    tally = {**NONE, "written": 5, "complete": True}
    assert trail.lines() == [{"action": "load", "organizations": [ONE, OTHER], **tally}]
    trail.run("load", trail.write("mine.ndjson", mine), "--workers", "2")
    tally = {**NONE, "unchanged": 3, "complete": True}
    assert trail.lines() == [{"action": "load", "organization": ONE, **tally}]


def test_files_that_are_loaded_at_the_same_time_have_a_line_each(
    trail: Trail, conversations: list[Conversation]
) -> None:
    files = [trail.write(f"{at}.ndjson", of(one, conversations, 2 + at)) for at, one in enumerate((ONE, OTHER))]
    trail.run("load", *files, "--parallel", "2")
    assert sorted(trail.lines(), key=lambda line: str(line["organization"])) == [
        {"action": "load", "organization": one, **NONE, "written": 2 + at, "complete": True}
        for at, one in enumerate((ONE, OTHER))
    ]


def test_of_many_organizations_some_are_named_and_all_are_counted(
    trail: Trail, conversations: list[Conversation]
) -> None:
    many = [
        one.model_copy(update={"organization_uid": UUID(int=at)})
        for at, one in enumerate(conversations[: MOST_NAMED + 5])
    ]
    trail.run("load", trail.write("many.ndjson", many))
    (line,) = trail.lines()
    assert line["organizations"] == [str(UUID(int=at)) for at in range(MOST_NAMED)]
    assert line["organizations_in_all"] == line["written"] == MOST_NAMED + 5


def test_a_tally_remembers_only_so_many_organizations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "MOST_ORGANIZATIONS", 3)
    tally = loader.Tally()
    for at in range(10):
        tally.send([Write(id=str(at), routing=str(at), version=1, source=b"")])
    assert tally.organizations == {"0", "1", "2"}


def test_a_load_and_an_import_that_fail_are_recorded_too(
    trail: Trail, conversations: list[Conversation], samples: Path
) -> None:
    file = trail.write("mine.ndjson", of(ONE, conversations, 3))
    mail = str(samples / "twisted-python-july.mbox.gz")
    refused = faults.error(403, "security_exception")
    with Proxy(trail.cluster.url) as proxy, proxy.faulty(refused, "_bulk"):
        trail.run("load", file, code=1, OPENSEARCH_URL=proxy.url)
        trail.run("import-mail", mail, "--organization", OTHER, code=1, OPENSEARCH_URL=proxy.url)
    assert trail.lines() == [
        {"action": "load", "organization": ONE, **NONE, "complete": False},
        {"action": "import", "organization": OTHER, **NONE, "complete": False},
    ]


def test_requests_that_fail_or_are_cut_off_are_recorded_too(cluster: Cluster, tmp_path: Path) -> None:
    """OpenSearch fails each write, and all but the first search of an export."""
    refused, file = faults.error(403, "security_exception"), tmp_path / "audit"
    searches = count()

    def after_the_first(call: Call, answer: Answer) -> Answer:
        return refused(call, answer) if next(searches) else answer

    with Proxy(cluster.url) as proxy:
        for api in serving(cluster.settings.but(audit_file=file), proxy.url):
            token = api.token(UUID(ONE), scopes=SCOPE)
            headers = {"Authorization": f"Bearer {token}"}
            api.conversations(token)
            uid = "00000000-0000-4000-8000-0000000000aa"
            gone = json.dumps({"uid": uid, "organization_uid": ONE, "deleted_on": "2024-01-01T00:00:00Z"})
            with proxy.faulty(refused, "_bulk"):
                asked = [
                    api.http.post(f"{api.address}{BULK}", headers=headers, content=gone),
                    api.http.delete(
                        f"{api.address}/api/conversations/{uid}?deleted_on=2024-01-01T00:00:00Z", headers=headers
                    ),
                ]
                assert [answer.status_code for answer in asked] == [503, 503]
            with proxy.faulty(after_the_first, "_search"), pytest.raises(httpx.RemoteProtocolError):
                api.get("/api/conversations/export", token)
    write, delete, export = map(json.loads, file.read_text().splitlines())
    assert (write["action"], write["organization"], write["complete"], write["lines"]) == ("write", ONE, False, 1)
    assert write["request_id"] == asked[0].headers["x-request-id"]
    assert (delete["action"], delete["organization"], delete["complete"], delete["uid"]) == ("delete", ONE, False, uid)
    assert (export["action"], export["organization"], export["complete"]) == ("export", ONE, False)
    assert 0 < export["conversations"] < max(SIZES)
    assert {line["who"] for line in (write, delete, export)} == {"sha256:9bba5c53a0545e0c"}  # of "tester"


def test_errors_are_reported_also_if_the_audit_file_cannot_be_written(
    trail: Trail, conversations: list[Conversation]
) -> None:
    file = trail.write("mine.ndjson", of(ONE, conversations, 3))
    trail.file.mkdir()
    with Proxy(trail.cluster.url) as proxy, proxy.faulty(faults.error(403, "security_exception"), "_bulk"):
        failed = trail.run("load", file, code=1, OPENSEARCH_URL=proxy.url)
    assert "refuses the service's user" in failed.stderr
    assert "is not recorded there" in failed.stderr
    assert "is not recorded there" in trail.run("load", file, code=2).stderr
    made = trail.run("key", "create", "--name", "test", "--organization", ONE, "--scope", "conversations:read", code=2)
    assert "is not recorded there" in made.stderr
    key = made.stdout.split("_")[1]  # the key is printed all the same
    revoked = trail.run("key", "revoke", key, code=2)
    assert "is not recorded there" in revoked.stderr
    assert json.loads(revoked.stdout) == {"id": key, "revoked": True}


def test_a_load_that_sent_nothing_has_no_line(trail: Trail) -> None:
    trail.run("load", "nowhere.ndjson", code=2)
    trail.run("load", trail.write("none.ndjson", []), code=1, CONVERSATIONS_ALIAS="test_nowhere")
    assert not trail.file.exists()


def test_imports_exports_and_deletions_name_the_organization_and_how_many(trail: Trail, samples: Path) -> None:
    own = ("--organization", ONE)
    imported = json.loads(trail.run("import-mail", str(samples / "twisted-python-july.mbox.gz"), *own).stdout)
    counts = {name: imported[name] for name in NONE}
    assert counts["written"] > 0
    assert trail.lines() == [{"action": "import", "organization": ONE, **counts, "complete": True}]
    trail.run("export", "all.ndjson", *own)
    assert trail.lines() == [{"action": "export", "organization": ONE, "conversations": counts["written"]}]
    uid = json.loads((trail.folder / "all.ndjson").read_text().splitlines()[0])["uid"]
    trail.run("delete", uid, "--yes", *own)
    assert trail.lines() == [{"action": "delete", "organization": ONE, "uid": uid, "written": 1}]


def test_keys_name_their_organizations_when_they_are_made_and_revoked(trail: Trail) -> None:
    both = ("--organization", OTHER, "--organization", ONE)
    key = trail.run("key", "create", "--name", "test", *both, "--scope", "conversations:read").stdout.split("_")[1]
    (made,) = trail.lines()
    assert (made["action"], made["key"], made["organizations"]) == ("key_create", key, [ONE, OTHER])
    for revoked in (True, False):
        trail.run("key", "revoke", key)
        ended = {"action": "key_revoke", "organizations": [ONE, OTHER], "key": key, "revoked": revoked}
        assert trail.lines() == [ended]
