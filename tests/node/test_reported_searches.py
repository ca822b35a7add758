"""Searches from public bug reports, with the right outcomes. Without the file of cases, there is no test.

The README of the cases says what each step compares. Other tests of the project cover the same kinds of cases.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from service.conversation import Conversation
from service.settings import Settings
from tests.mail_imports import SHARED
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

FILE = SHARED.parent / "reports" / "search.ndjson"
CASES: list[dict[str, Any]] = (
    [json.loads(line) for line in FILE.read_text("utf-8").splitlines()] if FILE.exists() else []
)


@pytest.fixture(scope="module")
def reported(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over the conversations of all cases; each case has an organization of its own."""
    with own_alias(settings, opensearch_url) as own:
        own.load([Conversation.model_validate(one) for case in CASES for one in case["conversations"]])
        yield from serving(own.settings, own.url)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}: {case['kind']}")
def test_a_reported_search_has_the_right_outcome(case: dict[str, Any], reported: Api) -> None:
    token = reported.token(UUID(case["conversations"][0]["organization_uid"]))
    outcomes = [outcome(step, token, reported) for step in case["steps"]]
    assert outcomes == [_plain(step["expected"]) for step in case["steps"]], case["about"]


def outcome(step: dict[str, Any], token: str, api: Api) -> object:
    """The part of the answer that the step compares."""
    if step["method"] == "ETAG":
        return _by_if_none_match(step["target"], token, api)
    answer = _ask(step["method"], step["target"], token, api, step.get("headers", {}))
    if step["look_at"].startswith("status"):
        coding = {"status": answer.status_code, "content-encoding": answer.headers.get("content-encoding")}
        return answer.status_code if step["look_at"] == "status" else coding
    assert answer.status_code == 200, answer.text[:500]
    return _LOOKED_AT[step["look_at"]](answer.json()["data"])


def _subjects(data: dict[str, Any]) -> list[str]:
    return sorted(item["subject"] for item in data["items"])


_LOOKED_AT: dict[str, Callable[[dict[str, Any]], object]] = {
    "subjects": _subjects,
    "warned": lambda data: {"found": _subjects(data), "warnings": len(data["query"]["warnings"])},
    "words": lambda data: sorted(one["text"] for one in data["words"]),
    "cats": lambda data: sorted(one["category"] for one in data["categories"]),
}


def _plain(expected: object) -> object:
    """Sorted as in `outcome`: the order does not count."""
    return sorted(expected) if isinstance(expected, list) else expected


def _by_if_none_match(target: str, token: str, api: Api) -> dict[str, int]:
    tag = _ask("GET", target, token, api, {}).headers["etag"]
    sent = {
        "same": tag, "in a list": f'"x", {tag}', "without W/": tag.removeprefix("W/"), "*": "*", "other": '"x"',
    }  # fmt: skip
    return {name: _ask("GET", target, token, api, {"If-None-Match": value}).status_code for name, value in sent.items()}


def _ask(method: str, target: str, token: str, api: Api, headers: dict[str, str]) -> httpx.Response:
    return api.http.request(
        method, f"{api.address}{target}", headers={"Authorization": f"Bearer {token}", **headers}
    )  # fmt: skip
