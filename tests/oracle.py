"""What the answer should be, by brute force in plain Python. Shares no code with service/search.

The order of the subject is written out anew here from the contract: NFKD, combining marks dropped, case-folded, 1 000
characters, by code point.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.conversation import Conversation

Tokens = Callable[[str], frozenset[str]]


@dataclass(frozen=True)
class Request:
    """A request in plain values, as the query string will carry them."""

    organization: str
    filters: dict[str, str] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    search: str | None = None
    sort: str = "-updated_on"
    page: int = 1
    per_page: int = 25


def matching(request: Request, conversations: list[Conversation], tokens: Tokens) -> list[Conversation]:
    """All that match, in order."""
    found = [conversation for conversation in conversations if _matches(request, conversation, tokens)]
    return ordered(found, request.sort)


def ordered(conversations: list[Conversation], sort: str) -> list[Conversation]:
    """By the key, missing values last either way; ties by -updated_on, then by the text of the uid."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    found = sorted(conversations, key=lambda conversation: str(conversation.uid))
    found.sort(key=lambda conversation: conversation.updated_on, reverse=True)
    present = [conversation for conversation in found if _key(conversation, name) is not None]
    missing = [conversation for conversation in found if _key(conversation, name) is None]
    present.sort(key=lambda conversation: _key(conversation, name), reverse=descending)
    return present + missing


def answer(request: Request, conversations: list[Conversation], tokens: Tokens) -> dict[str, Any]:
    """The whole body of the answer."""
    found = matching(request, conversations, tokens)
    start = (request.page - 1) * request.per_page
    return {
        "status": "success",
        "data": {
            "items": [item(conversation) for conversation in found[start : start + request.per_page]],
            "pagination": {
                "page": request.page,
                "per_page": request.per_page,
                "total": len(found),
                "total_pages": (len(found) + request.per_page - 1) // request.per_page,
            },
        },
    }


def item(conversation: Conversation) -> dict[str, Any]:
    """The item of the contract, written out field by field."""
    given = conversation.metadata
    return {
        "uid": str(conversation.uid),
        "organization_uid": str(conversation.organization_uid),
        "channel": conversation.channel,
        "direction": conversation.direction,
        "status": conversation.status,
        "subject": conversation.subject,
        "categories": conversation.categories,
        "sent_at": _time(conversation.sent_at),
        "is_read": conversation.is_read,
        "has_reply": conversation.has_reply,
        "message_count": conversation.message_count,
        "metadata": {
            "from_email": given.from_email,
            "from_name": given.from_name,
            "to_emails": given.to_emails,
            "cc_emails": given.cc_emails,
            "snippet": given.snippet,
            "labels": given.labels,
            "provider_message_id": given.provider_message_id,
            "thread_id": given.thread_id,
            "has_attachments": given.has_attachments,
            "attachment_count": given.attachment_count,
            "history_id": given.history_id,
        },
        "agent_uid": _text(conversation.agent_uid),
        "party_uid": _text(conversation.party_uid),
        "created_by_uid": _text(conversation.created_by_uid),
        "parent_conversation_uid": _text(conversation.parent_conversation_uid),
        "created_on": _time(conversation.created_on),
        "updated_on": _time(conversation.updated_on),
    }


def _matches(request: Request, conversation: Conversation, tokens: Tokens) -> bool:
    if str(conversation.organization_uid) != request.organization:
        return False
    for name, value in request.filters.items():
        own = getattr(conversation, name)
        own = {True: "true", False: "false"}.get(own, str(own)) if own is not None else None
        if own not in value.split(","):
            return False
    if request.categories and not set(request.categories) & set(conversation.categories):
        return False
    if request.search is None:
        return True
    wanted = tokens(request.search)
    return bool(wanted) and wanted <= tokens(conversation.subject or "")


def _key(conversation: Conversation, name: str) -> Any:
    value = getattr(conversation, name)
    if name != "subject" or value is None:
        return value
    decomposed = unicodedata.normalize("NFKD", value)
    return "".join(c for c in decomposed if unicodedata.combining(c) == 0).casefold()[:1000]


def _time(value: datetime | None) -> str | None:
    if value is None:
        return None
    return f"{value.year:04}-{value:%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"


def _text(value: object) -> str | None:
    return None if value is None else str(value)
