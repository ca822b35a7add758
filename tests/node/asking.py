"""Asks a service that runs for the tests, and checks its answers and refusals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

import httpx

from service.conversation import Conversation
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

BULK = "/api/conversations/bulk"
SCOPE = ("conversations:write", "conversations:export")


def error(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error of an answer that has the one shape."""
    assert answer.status_code == status, answer.text[:1000]
    body = answer.json()
    assert list(body) == ["status", "error"]
    assert list(body["error"]) == ["code", "message", "details", "request_id"]
    assert (body["status"], body["error"]["code"]) == ("error", code)
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    assert body["error"]["message"]
    found: dict[str, Any] = body["error"]
    return found


def ask(api: Api, path: str = "", *organizations: Any, **parameters: Any) -> dict[str, Any]:
    token = api.token(*(organizations or ORGANIZATIONS[:1]))
    answer = api.get(f"/api/conversations{path}", token, params=parameters)
    assert answer.status_code == 200, answer.text[:1000]
    data: dict[str, Any] = answer.json()["data"]
    return data


def refused(api: Api, *, headers: dict[str, str] | None = None, **parameters: Any) -> list[dict[str, Any]]:
    token = api.token(ORGANIZATIONS[0])
    answer = api.http.get(
        f"{api.address}/api/conversations",
        params=parameters,
        headers={"Authorization": f"Bearer {token}"} | (headers or {}),
    )
    assert answer.status_code == 400, answer.text[:1000]
    details: list[dict[str, Any]] = answer.json()["error"]["details"]
    return details


def refused_all(api: Api, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    return refused(api, **parameters)


def send(api: Api, lines: list[Any], **options: Any) -> httpx.Response:
    body = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    token = options.pop("token", None) or api.token(ORGANIZATIONS[0], scopes=SCOPE)
    return api.http.post(
        f"{api.address}{BULK}", content=body, headers={"Authorization": f"Bearer {token}"}, params=options
    )


def outcomes(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text[:1000]
    return [one["outcome"] for one in answer.json()["data"]["items"]]


def serving_subjects(settings: Settings, opensearch_url: str, subjects: Iterable[str]) -> Iterator[Api]:
    """A service over one conversation of the first organization for each different subject."""
    with own_alias(settings, opensearch_url) as own:
        own.load(
            [
                Conversation(
                    uid=uuid5(ORGANIZATIONS[0], subject), organization_uid=ORGANIZATIONS[0], subject=subject,
                    updated_on=datetime(2024, 1, 1, tzinfo=UTC),
                )
                for subject in dict.fromkeys(subjects)
            ]
        )  # fmt: skip
        yield from serving(own.settings, own.url)


def walk(api: Api, token: str, **parameters: Any) -> list[str]:
    """The uids of all conversations, by cursor."""
    found: list[str] = []
    cursor: str | None = "*"
    while cursor is not None:
        data = api.conversations(token, {**parameters, "cursor": cursor})["data"]
        assert list(data["pagination"]) == ["per_page", "total", "next_cursor"]
        found += [item["uid"] for item in data["items"]]
        cursor = data["pagination"]["next_cursor"]
    return found
