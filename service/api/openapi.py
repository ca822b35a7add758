"""The OpenAPI 3.1 document: made of the tables of parameters and errors, so that it cannot differ from them.

Its page is Swagger UI from files that a package carries, so it works without any network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Response, Router
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, Operation, SecurityScheme

from service import __version__
from service.api import errors as api_errors
from service.api.links import MAX_LINK_BYTES
from service.api.parameters import (
    BULK_PARAMETERS,
    COUNT_PARAMETERS,
    DELETE_PARAMETERS,
    EXPORT_PARAMETERS,
    GET_PARAMETERS,
    LIST_PARAMETERS,
    SUGGEST_PARAMETERS,
)
from service.api.query_string import Parameter
from service.api.writes import MAX_BODY_BYTES, MAX_LINES
from service.conversation import MAX_ITEM_BYTES, MAX_LINE_BYTES, Conversation

DOCS = "/docs"
ASSETS = f"{DOCS}/assets"

EXAMPLE_ITEM = {
    "uid": "0f8e3f0e-35f0-5d0c-8f5a-6a7c5b1f7d11",
    "organization_uid": "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f",
    "channel": "email",
    "direction": "inbound",
    "status": "active",
    "subject": "Invoice 2024-07 is missing",
    "categories": ["Billing"],
    "sent_at": "2024-07-01T12:00:00.000Z",
    "is_read": False,
    "has_reply": False,
    "message_count": 1,
    "metadata": {
        "from_email": "ada@example.com",
        "from_name": "Ada",
        "to_emails": ["help@example.com"],
        "cc_emails": [],
        "snippet": "Dear all, …",
        "labels": ["INBOX"],
        "provider_message_id": "<1@example.com>",
        "thread_id": None,
        "has_attachments": False,
        "attachment_count": 0,
        "history_id": None,
    },
    "agent_uid": None,
    "party_uid": None,
    "created_by_uid": None,
    "parent_conversation_uid": None,
    "created_on": "2024-07-01T12:00:00.000Z",
    "updated_on": "2024-07-01T12:00:00.000Z",
}
EXAMPLE_MESSAGES = {
    401: "a token is needed: send it as 'Authorization: Bearer <token>'",
    403: "the token does not cover this organization",
    404: "there is no such conversation in this organization",
    408: "the body must arrive within 60 seconds: send less",
    413: "a request may have at most 5,000 lines, this one has 6,000: send it in parts",
    415: "Content-Encoding: gzip is not supported: send the body without compression",
    429: "4 exports are under way: try again when one has ended",
    503: "OpenSearch cannot be reached: try again shortly",
    504: "the search took too long and was stopped: narrow the request, or try again",
}


def _object(description: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties}


_COUNT, _TEXT = {"type": "integer"}, {"type": "string"}
_WARNING = _object("What of q was not understood.", position=_COUNT, text=_TEXT, message=_TEXT)
_FACET = _object(
    "Counts by value, the most frequent first; those without a value; those whose values are not listed.",
    values={"type": "array", "items": _object("", value={"type": ["string", "boolean"]}, count=_COUNT)},
    none=_COUNT,
    other=_COUNT,
)
_MARKS = _object(
    "Start and end of each match in code points; the subject as HTML with them marked.",
    ranges={"type": "array", "items": {"type": "array", "items": _COUNT, "minItems": 2, "maxItems": 2}},
    html=_TEXT,
)
_BESIDE: dict[str, Any] = {
    "facets": {"type": "object", "description": "With facets: by name.", "additionalProperties": _FACET},
    "highlights": {
        "type": "object",
        "description": "With highlight: by the uids of the items.",
        "additionalProperties": _object("", subject=_MARKS),
    },
    "warnings": {"type": "array", "description": "With q, where some of it was not understood.", "items": _WARNING},
    "query": _object(
        "With explain.",
        clauses={"type": "array", "items": {"type": "object"}},
        warnings={"type": "array", "items": _WARNING},
        q={"type": ["string", "null"]},
        parameters={"type": ["object", "null"], "additionalProperties": _TEXT},
    ),
    "suggestions": _object(
        "With suggest, where the total is 0; null where they could not be made in the time left.",
        did_you_mean={"type": ["object", "null"]},
        without={"type": "array", "items": _object("", parameter=_TEXT, total=_COUNT)},
    )
    | {"type": ["object", "null"]},
}


WRITE_DESCRIPTION = (
    "Conversations, or deletions, one JSON object a line. "
    f"At most {MAX_BODY_BYTES:,} bytes and {MAX_LINES:,} lines; a line has at most {MAX_LINE_BYTES:,} bytes, "
    f"an item at most {MAX_ITEM_BYTES:,} bytes as JSON. A conversation has the fields of an item of a page, with their "
    "maxLength and maxItems; only uid, organization_uid and updated_on are required."
)


def item_schema() -> dict[str, Any]:
    """An item with the limits of its fields, in one piece."""
    item = Conversation.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    item["properties"]["metadata"] = item.pop("$defs")["Metadata"]
    item["description"] = f"A conversation, of at most {MAX_ITEM_BYTES:,} bytes as JSON."
    return item


def _success() -> dict[str, Any]:
    page = {
        "type": "object",
        "required": ["per_page", "total"],
        "properties": {
            **{name: {"type": "integer"} for name in ("page", "per_page", "total", "total_pages")},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "With cursor, in place of page; null at the end.",
            },
        },
    }
    data = {
        "type": "object",
        "required": ["items", "pagination"],
        "properties": {"items": {"type": "array", "items": item_schema()}, "pagination": page, **_BESIDE},
    }
    schema = {
        "type": "object",
        "required": ["status", "data"],
        "properties": {"status": {"const": "success"}, "data": data},
    }
    example = {
        "status": "success",
        "data": {
            "items": [EXAMPLE_ITEM],
            "pagination": {"page": 1, "per_page": 25, "total": 1, "total_pages": 1},
        },
    }
    return {
        "description": "A page.",
        "headers": {
            "Link": {
                "schema": {"type": "string"},
                "description": f"RFC 8288: first, prev, next, last; left out above {MAX_LINK_BYTES} bytes",
            },
            "ETag": {"schema": {"type": "string"}, "description": "for If-None-Match, which is answered with 304"},
        },
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _lines() -> dict[str, Any]:
    end = {"complete": True, "conversations": 1, "organization_uid": EXAMPLE_ITEM["organization_uid"], "where": ""}
    example = f"{msgspec.json.encode(EXAMPLE_ITEM).decode()}\n{msgspec.json.encode({'export': end}).decode()}\n"
    return {
        "description": "One conversation a line; the last line tells that the export is whole.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": example}},
    }


ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["status", "error"],
    "properties": {
        "status": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["code", "message", "details", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "parameter": {"type": "string"},
                            "message": {"type": "string"},
                            "value": {"type": ["string", "null"]},
                        },
                    },
                },
                "request_id": {"type": "string"},
            },
        },
    },
}


def _failure(answer: api_errors.Answer) -> dict[str, Any]:
    details = []
    message = EXAMPLE_MESSAGES.get(answer.status, answer.message or "")
    if answer is api_errors.INVALID:
        details = [{"parameter": "per_page", "message": "must be between 1 and 100", "value": "500"}]
        message = "per_page: must be between 1 and 100"
    example = {
        "status": "error",
        "error": {
            "code": answer.code,
            "message": message,
            "details": details,
            "request_id": "0a1b2c3d4e5f6071",
        },
    }
    return {
        "description": answer.description,
        "headers": {name: {"schema": {"type": "string"}, "example": value} for name, value in answer.headers.items()},
        "content": {"application/json": {"schema": ERROR_SCHEMA, "example": example}},
    }


def _parameters(known: Sequence[Parameter]) -> list[dict[str, Any]]:
    return [
        {
            "name": parameter.name,
            "in": "query",
            "required": False,
            "description": parameter.description,
            "schema": parameter.schema,
            "example": parameter.example.split(",") if parameter.schema.get("type") == "array" else parameter.example,
            **({"style": "form", "explode": False} if parameter.schema.get("type") == "array" else {}),
        }
        for parameter in known
    ]


def _responses(success: dict[str, Any]) -> dict[str, Any]:
    failures = {answer.status: answer for answer in (*api_errors.BY_ERROR.values(), api_errors.INTERNAL)}
    return {"200": success} | {str(status): _failure(answer) for status, answer in sorted(failures.items())}


@dataclass
class ListConversations(Operation):
    """GET /api/conversations, as the tables tell it."""

    def to_schema(self) -> dict[str, Any]:
        not_modified = {"304": {"description": "The same page as the one whose ETag came in If-None-Match."}}
        return super().to_schema() | {
            "parameters": _parameters(LIST_PARAMETERS),
            "responses": _responses(_success()) | not_modified,
        }


@dataclass
class ExportConversations(Operation):
    """GET /api/conversations/export, as the tables tell it."""

    def to_schema(self) -> dict[str, Any]:
        return super().to_schema() | {
            "parameters": _parameters(EXPORT_PARAMETERS),
            "responses": _responses(_lines()),
        }


def _json(description: str, example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    return {"description": description, "content": content}


@dataclass
class CountConversations(Operation):
    """GET /api/conversations/count, as the tables tell it."""

    def to_schema(self) -> dict[str, Any]:
        facet = {"values": [{"value": "active", "count": 30}], "none": 12, "other": 0}
        found = _json("How many.", {"status": "success", "data": {"total": 42, "facets": {"status": facet}}})
        return super().to_schema() | {"parameters": _parameters(COUNT_PARAMETERS), "responses": _responses(found)}


@dataclass
class SuggestConversations(Operation):
    """GET /api/conversations/suggest."""

    def to_schema(self) -> dict[str, Any]:
        data = {
            "words": [{"text": "invoice", "count": 12}],
            "senders": [{"from_email": "invoices@example.com", "count": 7}],
            "categories": [{"category": "Invoices", "count": 40}],
        }
        found = _json("What the text may become.", {"status": "success", "data": data})
        return super().to_schema() | {"parameters": _parameters(SUGGEST_PARAMETERS), "responses": _responses(found)}


_UID = {
    "name": "uid", "in": "path", "required": True, "description": "the conversation's uid",
    "schema": {"type": "string", "format": "uuid"}, "example": EXAMPLE_ITEM["uid"],
}  # fmt: skip


@dataclass
class GetConversation(Operation):
    """GET /api/conversations/{uid}."""

    def to_schema(self) -> dict[str, Any]:
        found = _json("The conversation.", {"status": "success", "data": EXAMPLE_ITEM})
        return super().to_schema() | {
            "parameters": [_UID, *_parameters(GET_PARAMETERS)],
            "responses": _responses(found),
        }


@dataclass
class DeleteConversation(Operation):
    """DELETE /api/conversations/{uid}."""

    def to_schema(self) -> dict[str, Any]:
        items = [{"uid": EXAMPLE_ITEM["uid"], "outcome": "written"}]
        done = _json("What became of it.", {"status": "success", "data": {"items": items}})
        return super().to_schema() | {
            "parameters": [_UID, *_parameters(DELETE_PARAMETERS)],
            "responses": _responses(done),
        }


@dataclass
class WriteConversations(Operation):
    """POST /api/conversations/bulk."""

    def to_schema(self) -> dict[str, Any]:
        deletion = {name: EXAMPLE_ITEM[name] for name in ("uid", "organization_uid")}
        lines = [EXAMPLE_ITEM, {**deletion, "deleted_on": "2024-07-02T12:00:00.000Z"}]
        body = "".join(f"{msgspec.json.encode(line).decode()}\n" for line in lines)
        items = [{"line": 1, "uid": EXAMPLE_ITEM["uid"], "outcome": "written"}]
        counts = {"written": 1, "unchanged": 0, "rejected": 0}
        done = _json("What became of each line.", {"status": "success", "data": {"items": items, **counts}})
        return super().to_schema() | {
            "parameters": _parameters(BULK_PARAMETERS),
            "requestBody": {
                "required": True,
                "description": WRITE_DESCRIPTION,
                "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": body}},
            },
            "responses": _responses(done),
        }


async def _in_the_one_shape(response: Response[Any]) -> Response[Any]:
    """Litestar has an HTML page for paths that it does not know below that of the documentation."""
    if response.status_code == 404:
        raise NotFoundException
    return response


def config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Conversation search",
        version=__version__,
        description="Finds one conversation (an e-mail thread, an SMS exchange) among millions, at once.",
        path=DOCS,
        openapi_router=Router(DOCS, route_handlers=[], include_in_schema=False, after_request=_in_the_one_shape),
        security=[{"bearer": []}],
        components=Components(
            security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                js_url=f"{ASSETS}/javascripts/swagger-ui-bundle.js",
                css_url=f"{ASSETS}/stylesheets/swagger-ui.css",
                standalone_preset_js_url=f"{ASSETS}/javascripts/swagger-ui-standalone-preset.js",
            ),
            JsonRenderPlugin(path="/openapi.json"),
        ],
    )
