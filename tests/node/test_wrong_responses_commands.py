"""Commands whose cluster, or a proxy before it, answers something else: one line, exit 1, never a traceback."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import cli
from service.index.writer import Writer
from service.reindex import lock
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node import faults
from tests.node.clusters import Cluster
from tests.node.proxy import Proxy

FAULTS = ["a redirect, 302", "a page, 404", "a page, 409", "a page, 502", "index closed", "read-only", "null", "a list",
          "an empty object", "HTML that says it is JSON", "cut JSON", "gzip garbage", "reset", "error as a list"]  # fmt: skip
KINDS = ("_search", "_search/point_in_time", "_bulk", "_mget", "_count", "_stats", "_mapping", "_cluster/health", "_doc",
         "_refresh", "")  # fmt: skip


@pytest.fixture(scope="module")
def small(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    cluster = Cluster(settings.but(alias=f"test_{secrets.token_hex(4)}", write_lease=0.5), opensearch_url)
    cluster.load(corpus()[:10])
    yield cluster
    cluster.drop()


@pytest.mark.parametrize("name", FAULTS)
def test_every_command_ends_with_one_line(
    small: Cluster, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.ndjson"
    file.write_text("".join(f"{one.model_dump_json()}\n" for one in corpus()[:10]))
    for variable, value in small.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("CONVERSATIONS_WRITE_LEASE", "0.5")
    monkeypatch.setitem(Writer.__init__.__kwdefaults__ or {}, "patience", 1.0)
    monkeypatch.setattr(lock, "DEAD_AFTER_SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)
    commands = [
        ["load", str(file)], ["export", str(tmp_path / "out"), "--organization", str(ORGANIZATIONS[0])], ["status"],
        ["doctor"], ["verify", str(file)], ["reindex"],
    ]  # fmt: skip
    with Proxy(small.url) as proxy:
        monkeypatch.setenv("OPENSEARCH_URL", proxy.url)
        with proxy.faulty(faults.ANY[name], *KINDS):
            for command in commands:
                monkeypatch.setattr(sys, "argv", ["conversations", *command])
                with pytest.raises(SystemExit) as ended:
                    cli.main()
                said = capsys.readouterr().err
                assert ended.value.code == 1, (command, said)
                reasons = [line for line in said.splitlines() if line.startswith("conversations: ")]
                assert len(reasons) == 1, (command, said)  # a line that says how to go on may follow
                assert "Traceback" not in said
