"""The export, over HTTP and as a command: complete, in order, and recognizable if cut off; it leaves nothing open."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from service.conversation import Conversation
from service.node import Distribution, LocalNode
from service.settings import Settings
from tests import oracle
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, conversation
from tests.node.asking import error
from tests.node.clusters import Cluster
from tests.node.serving import Api, serve_process, serving


def complete(conversations: int, organization: UUID, where: str = "") -> str:
    """The last line of a whole export."""
    told = {"complete": True, "conversations": conversations, "organization_uid": str(organization), "where": where}
    return json.dumps({"export": told}, separators=(",", ":"))


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("sort", ["-updated_on", "subject"])
def test_an_export_is_complete_and_in_order_and_its_last_line_says_so(
    sort: str, encoding: str, api: Api, conversations: list[Conversation]
) -> None:
    headers = {"Authorization": f"Bearer {api.token(*ORGANIZATIONS)}", "Accept-Encoding": encoding}
    for organization in ORGANIZATIONS:
        request = oracle.Request(str(organization), {"is_read": "true"}, sort=sort)
        expected = [oracle.item(one) for one in oracle.matching(request, conversations, lambda _field, _text: ())]
        parameters = {"organization_uid": str(organization), "is_read": "true", "sort": sort}
        answer = api.http.get(f"{api.address}/api/conversations/export", headers=headers, params=parameters)
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        assert answer.headers.get("content-encoding", "identity") == encoding
        *lines, end = answer.text.removesuffix("\n").split("\n")
        assert [json.loads(line) for line in lines] == expected
        assert end == complete(len(expected), organization, "is_read=true")


def test_an_export_checks_token_and_parameters_like_a_page(api: Api) -> None:
    error(api.get("/api/conversations/export"), 401, "unauthorized")
    token = api.token(ORGANIZATIONS[0])
    error(api.get(f"/api/conversations/export?organization_uid={ORGANIZATIONS[1]}", token), 403, "forbidden")
    answer = api.get("/api/conversations/export?page=1&per_page=5&cursor=*&status=open", token)
    details = error(answer, 400, "invalid_parameter")["details"]
    assert [detail["parameter"] for detail in details] == ["page", "per_page", "cursor", "status"]


LARGE = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture(scope="module")
def large() -> list[Conversation]:
    """400 conversations of 100 kB: more than the buffers on the way hold."""
    rng = random.Random(1)
    made = []
    for _ in range(400):
        one = conversation(rng, LARGE)
        metadata = one.metadata.model_copy(update={"snippet": "x" * 100_000})
        made.append(one.model_copy(update={"metadata": metadata}))
    return made


@pytest.fixture
def own_node(
    tmp_path: Path, settings: Settings, distribution: Distribution, large: list[Conversation]
) -> Iterator[tuple[LocalNode, Cluster]]:
    node = LocalNode(tmp_path / "node", distribution)
    node.start()
    try:
        cluster = Cluster(settings, node.url)
        cluster.load(large)
        yield node, cluster
    finally:
        node.stop()


def test_too_many_exports_at_once_are_429_and_hanging_up_ends_an_export(
    fresh: Cluster, large: list[Conversation]
) -> None:
    fresh.load(large)
    for api in serving(fresh.settings.but(exports_per_organization=4), fresh.url):
        headers = {"Authorization": f"Bearer {api.token(LARGE)}", "Accept-Encoding": "identity"}
        url = f"{api.address}/api/conversations/export"
        streams = [api.http.stream("GET", url, headers=headers) for _ in range(4)]
        reading = [stream.__enter__().iter_raw(1000) for stream in streams]  # dropping one would close its stream
        for chunks in reading:
            assert next(chunks)
        answer = api.http.get(url, headers=headers)
        error(answer, 429, "too_many_requests")
        assert answer.headers["retry-after"] == "1"
        assert fresh.points_in_time()[0] == 4
        for stream in streams:
            stream.__exit__(None, None, None)
        fresh.await_no_points_in_time()
        whole = api.http.get(url, headers=headers)
        assert whole.text[-200:].endswith(complete(len(large), LARGE) + "\n")


def test_pages_and_batches_are_bounded_by_bytes(
    fresh: Cluster, large: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of 2 MB, and 60 conversations of 100 kB."""
    monkeypatch.setattr("service.client.connection.MAX_ANSWER_BYTES", 2_000_000)
    fresh.load(large[:60])
    for api in serving(fresh.settings, fresh.url):
        token = api.token(LARGE)
        for parameters in ({"per_page": 60}, {"per_page": 30, "cursor": "*"}, {"per_page": 20, "page": 2}):
            answer = api.get("/api/conversations", token, params=parameters)
            details = error(answer, 400, "invalid_parameter")["details"]
            assert [detail["parameter"] for detail in details] == ["per_page"]
            assert "fewer" in details[0]["message"]
        for encoding in ("identity", "gzip"):  # above a megabyte, so sent in parts
            headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": encoding}
            walked: list[str] = []
            for page in range(1, 5):
                parameters = {"per_page": 15, "page": page}
                answer = api.http.get(f"{api.address}/api/conversations", headers=headers, params=parameters)
                assert answer.headers.get("content-encoding", "identity") == encoding
                walked += [item["uid"] for item in answer.json()["data"]["items"]]
                again = api.http.get(
                    f"{api.address}/api/conversations",
                    headers=headers | {"If-None-Match": answer.headers["etag"]},
                    params=parameters,
                )
                assert again.status_code == 304
            assert len(set(walked)) == len(walked) == 60
        lines = api.get("/api/conversations/export", token).text.splitlines()
        assert [json.loads(line)["uid"] for line in lines[:-1]] == walked
        assert json.loads(lines[-1])["export"]["conversations"] == 60
    fresh.await_no_points_in_time()


def test_an_export_that_is_cut_off_cannot_be_mistaken_for_a_whole_one(
    own_node: tuple[LocalNode, Cluster], large: list[Conversation]
) -> None:
    node, cluster = own_node
    for api in serving(cluster.settings, cluster.url):
        headers = {"Authorization": f"Bearer {api.token(LARGE)}", "Accept-Encoding": "identity"}
        got = bytearray()
        with api.http.stream("GET", f"{api.address}/api/conversations/export", headers=headers) as answer:
            assert answer.status_code == 200
            chunks = answer.iter_raw(1000)
            got += next(chunks)
            node.kill()
            with pytest.raises(httpx.RemoteProtocolError):  # noqa: PT012 (what came before the end counts too)
                for chunk in chunks:
                    got += chunk
        assert 0 < got.count(b"\n") < len(large)
        assert b'"export"' not in got


def test_a_client_that_hangs_up_stops_the_search_for_its_page(
    own_node: tuple[LocalNode, Cluster],
) -> None:
    """The node is suspended, so the search would last until its deadline."""
    node, cluster = own_node
    assert node.process is not None
    with serve_process(cluster, CONVERSATIONS_REQUEST_TIMEOUT="120") as (_process, address, log):
        headers = {"Authorization": f"Bearer {Api(cluster.settings, address).token(LARGE)}"}
        assert httpx.get(f"{address}/api/conversations?per_page=1", headers=headers).status_code == 200
        os.kill(node.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(httpx.ReadTimeout):
                httpx.get(f"{address}/api/conversations?per_page=2", headers=headers, timeout=0.5)
            deadline = time.monotonic() + 60
            while '"client_disconnected":true' not in log.read_text():
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        finally:
            os.kill(node.process.pid, signal.SIGCONT)
        assert httpx.get(f"{address}/api/conversations?per_page=3", headers=headers).status_code == 200


def test_the_command_writes_a_whole_file_that_load_reads(
    cluster: Cluster, fresh: Cluster, conversations: list[Conversation], tmp_path: Path
) -> None:
    fresh.load([])

    def run(*arguments: str, alias: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"OPENSEARCH_URL": cluster.url, "CONVERSATIONS_ALIAS": alias}
        return run_here(arguments, environment=environment, folder=tmp_path)

    organization = ORGANIZATIONS[1]
    file = tmp_path / "export.ndjson.gz"
    options = ("--organization", str(organization), "--where", "status=closed&sort=subject")
    done = run("export", str(file), *options, alias=cluster.settings.alias)
    assert done.returncode == 0, done.stderr
    request = oracle.Request(str(organization), {"status": "closed"}, sort="subject")
    expected = [oracle.item(one) for one in oracle.matching(request, conversations, lambda _field, _text: ())]
    *lines, end = gzip.decompress(file.read_bytes()).decode().removesuffix("\n").split("\n")
    assert [json.loads(line) for line in lines] == expected
    assert end == complete(len(expected), organization, "status=closed")
    piped = run("export", "-", *options, alias=cluster.settings.alias)
    assert piped.stdout == gzip.decompress(file.read_bytes()).decode()
    loaded = run("load", str(file), alias=fresh.settings.alias)
    assert json.loads(loaded.stdout) == {"written": len(expected), "unchanged": 0, "rejected": 0}
    for arguments, says in (
        (("export", str(file), "--organization", str(organization), "--where", "page=2"), "page: is not a parameter"),
        (("export", str(tmp_path / "no" / "x"), "--organization", str(organization)), "cannot write"),
    ):
        failed = run(*arguments, alias=cluster.settings.alias)
        assert failed.returncode == 2
        assert says in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["export.ndjson.gz"]
    cluster.await_no_points_in_time()
