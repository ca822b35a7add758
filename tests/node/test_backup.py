"""Backup and restore as docs/maintenance.md says, on a node that loses its index."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.node import Distribution, LocalNode
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.clusters import Cluster
from tests.node.serving import serving

PAGE = Path(__file__).parents[2] / "docs" / "maintenance.md"
_CHAPTER = re.compile(r"^## Backup and restore\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^### (\w+).*?```http\n(.*?)```", re.MULTILINE | re.DOTALL)
_REQUEST = re.compile(r"^(GET|PUT|POST|DELETE) (\S+)(?: (\{.*\}))?$")


@pytest.fixture
def node(settings: Settings, distribution: Distribution, tmp_path: Path) -> Iterator[Cluster]:
    """A node of its own with the alias that the page names."""
    with LocalNode(tmp_path, distribution) as node:
        yield Cluster(settings.but(alias="conversations", data=tmp_path), node.url)


def type_in(cluster: Cluster, lines: str) -> list[dict[str, Any]]:
    answers = []
    for line in lines.strip().splitlines():
        found = _REQUEST.match(line)
        assert found, line
        body = json.loads(found[3]) if found[3] else None
        answer = httpx.request(found[1], cluster.url + found[2], json=body, timeout=120)
        assert answer.status_code == 200, f"{line}: {answer.text[:1000]}"
        answers.append(answer.json())
    return answers


def lose_the_index(cluster: Cluster) -> None:
    name = next(iter(cluster.act(lambda client: client.indices.get_alias(index="conversations"))))
    cluster.act(lambda client: client.indices.delete(index=name))


def test_what_was_backed_up_comes_back_as_it_was(node: Cluster) -> None:
    chapter = _CHAPTER.search(PAGE.read_text("utf-8"))
    assert chapter is not None
    blocks = dict(_BLOCK.findall(chapter[1]))
    assert list(blocks) == ["Once", "Each", "Restore"]
    node.load(corpus()[:400])
    parameters = {"sort": "subject", "per_page": 100, "page": 3}
    for api in serving(node.settings, node.url):
        token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
        before = api.conversations(token, parameters)
        type_in(node, blocks["Once"])
        snapshot = type_in(node, blocks["Each"])[0]["snapshot"]
        assert (snapshot["state"], snapshot["shards"]["failed"]) == ("SUCCESS", 0)
        lose_the_index(node)
        assert api.get("/api/conversations", token).status_code == 503
        type_in(node, blocks["Restore"])
        assert api.conversations(token, parameters) == before
        later = before["data"]["items"][0] | {"updated_on": "2026-01-01T00:00:00.000Z", "subject": "after the restore"}
        answer = api.http.post(
            f"{api.address}/api/conversations/bulk?refresh=wait_for",
            content=json.dumps(later).encode(), headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        assert answer.json()["data"]["written"] == 1
        assert api.conversations(token, {"search": "after restore"})["data"]["pagination"]["total"] == 1
