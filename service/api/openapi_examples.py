"""The examples of the OpenAPI document. They work with the sample data."""

from __future__ import annotations

import msgspec

from service.api import errors
from service.query.conversation_query import MAX_PER_PAGE
from service.query.fields import EXAMPLE_AGENT, EXAMPLE_PARTY
from service.query.parameters import EXAMPLE_ORGANIZATION

DELETED_UID = "4ffcc2ae-4160-526f-9cb3-4b712a07b284"
_NEW_UID = "0f8e3f0e-35f0-5d0c-8f5a-6a7c5b1f7d11"
_UNWANTED_UID = "b8a1f6f4-64a1-5c0e-9a51-3d9c8b3c3b6a"

ITEM: dict[str, object] = {
    "uid": "23a70904-a66b-56da-871e-b5bd5b8b5ce1",
    "organization_uid": EXAMPLE_ORGANIZATION,
    "channel": "email",
    "direction": "inbound",
    "status": "closed",
    "subject": "[Twisted-Python] twisted 30% slower than asyncore?",
    "categories": ["Questions", "Docs, translations"],
    "sent_at": "2003-05-01T05:48:01.000Z",
    "is_read": False,
    "has_reply": True,
    "message_count": 4,
    "metadata": {
        "from_email": "anthony@interlink.com.au",
        "from_name": "Anthony Baxter",
        "to_emails": [],
        "cc_emails": [],
        "snippet": "On Thu, 1 May 2003 01:29:53 -0400 My soon to be checked in code changes …",
        "labels": [],
        "provider_message_id": "<200305010519.h415J0809173@localhost.localdomain>",
        "thread_id": "<20030430124538.72ca4dc2.itamar@itamarst.org>",
        "has_attachments": False,
        "attachment_count": 0,
        "history_id": None,
    },
    "agent_uid": EXAMPLE_AGENT,
    "party_uid": EXAMPLE_PARTY,
    "created_by_uid": EXAMPLE_AGENT,
    "parent_conversation_uid": None,
    "created_on": "2003-05-01T05:18:58.000Z",
    "updated_on": "2003-05-01T05:48:01.000Z",
}
WRITES: list[dict[str, object]] = [
    {
        "uid": _NEW_UID,
        "organization_uid": EXAMPLE_ORGANIZATION,
        "channel": "email",
        "direction": "inbound",
        "status": "active",
        "subject": "Invoice 2024-07 is missing",
        "categories": ["Billing"],
        "sent_at": "2024-07-01T12:00:00.000Z",
        "is_read": False,
        "has_reply": False,
        "message_count": 1,
        "metadata": {"from_email": "ada@example.com", "from_name": "Ada", "to_emails": ["help@example.com"]},
        "created_on": "2024-07-01T12:00:00.000Z",
        "updated_on": "2024-07-01T12:00:00.000Z",
    },
    {"uid": _UNWANTED_UID, "organization_uid": EXAMPLE_ORGANIZATION, "deleted_on": "2024-07-02T12:00:00.000Z"},
]  # and the answer to them is BULK


def _success(data: object) -> dict[str, object]:
    return {"status": "success", "data": data}


def _lines(objects: list[dict[str, object]]) -> str:
    return "".join(f"{msgspec.json.encode(one).decode()}\n" for one in objects)


PAGE = _success({"items": [ITEM], "pagination": {"page": 1, "per_page": 25, "total": 1, "total_pages": 1}})
COUNT = _success(
    {"total": 280, "facets": {"status": {"values": [{"value": "active", "count": 140}], "none": 0, "other": 0}}}
)
CALLER: dict[str, object] = {
    "status": "success",
    "data": {
        "user": "ada",
        "organizations": [EXAMPLE_ORGANIZATION],
        "default_organization": EXAMPLE_ORGANIZATION,
        "scopes": ["conversations:export", "conversations:read"],
        "is_restricted": False,
    },
}
SUGGESTIONS = _success({"words": [{"text": "twisted", "count": 12}], "senders": [], "categories": [], "labels": []})
ONE = _success(ITEM)
DELETION = _success({"items": [{"uid": DELETED_UID, "outcome": "written"}]})
BULK = _success(
    {
        "items": [
            {"line": 1, "uid": _NEW_UID, "outcome": "written"},
            {"line": 2, "uid": _UNWANTED_UID, "outcome": "written"},
        ],
        "written": 2,
        "unchanged": 0,
        "rejected": 0,
    }
)  # fmt: skip
WRITE_LINES = _lines(WRITES)
EXPORT = _lines(
    [
        ITEM,
        {
            "export": {
                "complete": True, "conversations": 1, "organization_uid": EXAMPLE_ORGANIZATION, "where": "is_read=false"
            }
        },
    ]
)  # fmt: skip
METRICS = (
    "# HELP conversations_lines_total Lines of bulk requests, by outcome\n"
    "# TYPE conversations_lines_total counter\n"
    'conversations_lines_total{outcome="written"} 42.0\n'
)

_MESSAGES = {
    401: "a token is needed: send it as 'Authorization: Bearer <token>'",
    403: "the token does not cover this organization",
    404: "there is no such conversation in this organization",
    408: "the body must arrive within 60 seconds, and after 10 seconds at 50,000 bytes a second or more: "
    "send less, or faster",
    413: "a request may have at most 5,000 lines, this one has 6,000: send it in parts",
    414: "the request line must have at most 65,536 bytes",
    415: "Content-Encoding: gzip is not supported: send the body without compression",
    429: "at most 2 exports of an organization at once: try again shortly",
    431: "the request line and headers must have at most 65,536 bytes and 100 headers",
    503: "OpenSearch cannot be reached: try again shortly",
    504: "the search took too long and was stopped: narrow the request, or try again",
}


def error(answer: errors.Answer) -> dict[str, object]:
    """An example of this error. If parameters are invalid, it lists them."""
    details = []
    message = _MESSAGES.get(answer.status, answer.message or answer.description)
    if answer is errors.INVALID:
        must = f"must be between 1 and {MAX_PER_PAGE}"
        details = [{"parameter": "per_page", "message": must, "value": str(5 * MAX_PER_PAGE)}]
        message = f"per_page: {must}"
    return {
        "status": "error",
        "error": {"code": answer.code, "message": message, "details": details, "request_id": "0a1b2c3d4e5f6071"},
    }
