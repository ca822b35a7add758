"""Makes the OpenAPI 3.1 document from the tables of parameters and errors, and from the structs of the answers.

It uses only what all client generators support: named schemas, one name for each operation, and no unions except with
null.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from service.api import errors, openapi_examples, openapi_schemas, response_models
from service.api.links import MAX_LINK_BYTES
from service.api.writes import MAX_LINES
from service.conversation import MAX_ITEM_BYTES, MAX_LINE_BYTES
from service.limit_settings import MOST_BODY_BYTES
from service.query.parameters import (
    BULK_PARAMETERS,
    COUNT_PARAMETERS,
    DELETE_PARAMETERS,
    EXPORT_PARAMETERS,
    GET_PARAMETERS,
    LIST_PARAMETERS,
    SUGGEST_PARAMETERS,
)
from service.query.query_string import Parameter
from service.search.answers import Shape
from service.token_settings import EXPORT, READ, WRITE

API_VERSION = "1.0.0"  # not the version of the service, which callers need not know
JSON, NDJSON, TEXT = "application/json", "application/x-ndjson", "text/plain"

WRITE_DESCRIPTION = (
    "Conversations, or deletions: one JSON object a line, or a JSON array of them. "
    f"At most {MOST_BODY_BYTES:,} bytes and {MAX_LINES:,} lines or elements; each has at most {MAX_LINE_BYTES:,} "
    f"bytes, and an item at most {MAX_ITEM_BYTES:,} bytes as JSON. A conversation has the fields of an item of a page, "
    "with their maxLength and maxItems; only uid, organization_uid and updated_on are required."
)
DESCRIPTION = (
    "Finds one conversation (an e-mail thread, an SMS exchange) among millions, at once.\n\n"
    "A parameter that takes a list may be repeated (`status=active&status=draft`) or written with commas "
    "(`status=active,draft`).\n\n"
    f"Reading needs a token with the scope `{READ}`, or with one that includes it: `{WRITE}` or `{EXPORT}`."
)
TAGS = (
    ("conversations", "Find, count, export and write the conversations of an organization."),
    ("health", "For operators of the service."),
)


def _by_status(answers: Iterable[errors.Answer]) -> tuple[errors.Answer, ...]:
    """The first answer of each status."""
    found: dict[int, errors.Answer] = {}
    for answer in answers:
        found.setdefault(answer.status, answer)
    return tuple(found[status] for status in sorted(found))


ALL_FAILURES = _by_status((*errors.BY_ERROR.values(), *errors.BEFORE_A_REQUEST, errors.INTERNAL))
_OF_A_BODY = (413, 415)


@dataclass(frozen=True, slots=True)
class Content:
    """One form of a body: its media type, its schema, and an example."""

    media_type: str
    schema: Mapping[str, object]
    example: object

    def document(self) -> dict[str, object]:
        return {self.media_type: {"schema": self.schema, "example": self.example}}


@dataclass(frozen=True, slots=True)
class Operation:
    """The documentation of one route."""

    method: str
    path: str
    name: str
    summary: str
    description: str
    answer: Content
    answers: str
    parameters: Sequence[Parameter[object]] = ()
    body: Sequence[Content] = ()
    headers: Sequence[str] = ()
    tag: str = "conversations"
    failures: Sequence[errors.Answer] = tuple(answer for answer in ALL_FAILURES if answer.status not in _OF_A_BODY)


_HEALTH_FAILURES = tuple(answer for answer in ALL_FAILURES if answer.status in (400, 414, 431, 500))
_READY_FAILURES = tuple(answer for answer in ALL_FAILURES if answer.status in (400, 414, 431, 500, 503))


def _ref(kind: str, name: str) -> dict[str, object]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _json(shape: type[Shape], example: object) -> Content:
    return Content(JSON, _ref("schemas", shape.__name__), example)


LINES = {"type": "string", "description": "Lines that end in \\n, each with one JSON object."}
WRITES = {
    "type": "array",
    "items": _ref("schemas", "ConversationWrite"),
    "maxItems": MAX_LINES,
    "description": "Conversations and deletions.",
}
OPERATIONS = (
    Operation(
        "get", "/api/conversations", "listConversations", "Find conversations",
        "A page of the conversations that match, in a total order, with the exact total.",
        _json(response_models.PageAnswer, openapi_examples.PAGE), "A page.",
        parameters=LIST_PARAMETERS, headers=("Link", "ETag"),
    ),
    Operation(
        "get", "/api/conversations/count", "countConversations", "Count conversations",
        "The exact number of conversations that match, and with facets also the numbers for each value of a field.",
        _json(response_models.CountAnswer, openapi_examples.COUNT), "The number of conversations.",
        parameters=COUNT_PARAMETERS, headers=("ETag",),
    ),
    Operation(
        "get", "/api/conversations/suggest", "suggestConversations", "Complete a text",
        "Words, senders and categories of the organization that begin with the text's last word.",
        _json(response_models.SuggestAnswer, openapi_examples.SUGGESTIONS), "Completions of the text.",
        parameters=SUGGEST_PARAMETERS, headers=("ETag",),
    ),
    Operation(
        "get", "/api/conversations/export", "exportConversations", "Export conversations",
        "All conversations that match, one JSON object a line, from one snapshot of the index. The last line is "
        '{"export":{"complete":true,"conversations":N,"organization_uid":UID,"where":FILTERS}}; without it, the export '
        f"was cut off. Needs the scope {EXPORT}.",
        Content(NDJSON, LINES, openapi_examples.EXPORT), "One conversation a line, and a last line with export.",
        parameters=EXPORT_PARAMETERS,
    ),
    Operation(
        "post", "/api/conversations/bulk", "writeConversations", "Write conversations",
        "Writes and deletes conversations. The answer has the result of each, in the same order. "
        f"Needs a token with the scope {WRITE}.",
        _json(response_models.BulkAnswer, openapi_examples.BULK), "The result of each line or element.",
        parameters=BULK_PARAMETERS,
        body=(Content(JSON, WRITES, openapi_examples.WRITES), Content(NDJSON, LINES, openapi_examples.WRITE_LINES)),
        failures=ALL_FAILURES,
    ),
    Operation(
        "get", "/api/conversations/{uid}", "getConversation", "Get a conversation",
        "The current conversation, even if searches do not find it yet.",
        _json(response_models.ConversationAnswer, openapi_examples.ONE), "The conversation.",
        parameters=GET_PARAMETERS,
    ),
    Operation(
        "delete", "/api/conversations/{uid}", "deleteConversation", "Delete a conversation",
        "Deletes the conversation. An older copy that arrives later does not bring it back. "
        f"Needs a token with the scope {WRITE}.",
        _json(response_models.DeletionAnswer, openapi_examples.DELETION), "The result of the deletion.",
        parameters=DELETE_PARAMETERS,
    ),
    Operation(
        "get", "/api/caller", "getCaller", "Who is asking?",
        "The user of the token, its organizations, the default one, and its scopes. The request needs no scope.",
        _json(response_models.IdentityAnswer, openapi_examples.CALLER), "The caller.", headers=("ETag",),
    ),
    Operation(
        "get", "/health/live", "isLive", "Is the process running?",
        "Answers while the process runs. It does not ask OpenSearch.",
        _json(response_models.Health, {"status": "live"}), "The process is running.",
        tag="health", failures=_HEALTH_FAILURES,
    ),
    Operation(
        "get", "/health/ready", "isReady", "Can the service answer?",
        "Whether the index fits this version, answers searches and accepts writes.",
        _json(response_models.Health, {"status": "ready"}), "The service is ready.",
        tag="health", failures=_READY_FAILURES,
    ),
    Operation(
        "get", "/metrics", "getMetrics", "Metrics for Prometheus",
        "Counters, gauges and histograms in the text format of Prometheus.",
        Content(TEXT, {"type": "string"}, openapi_examples.METRICS),
        "The metrics.", tag="health", failures=_HEALTH_FAILURES,
    ),
)  # fmt: skip


@functools.cache
def document() -> dict[str, object]:
    """The whole document."""
    paths: dict[str, dict[str, object]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Conversation search",
            "version": API_VERSION,
            "description": DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The service that this document comes from."}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": description} for name, description in TAGS],
        "paths": paths,
        "components": {
            "schemas": openapi_schemas.schemas(),
            "parameters": {
                _component(operation, parameter): _parameter(parameter)
                for operation in OPERATIONS
                for parameter in _documented(operation)
            },
            "responses": {_name(answer): _failure(answer) for answer in ALL_FAILURES},
            "headers": _HEADERS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of your identity provider or from `conversations token`, or an API key.",
                }
            },
        },
    }


_HEADERS: dict[str, object] = {
    "Link": {
        "schema": {"type": "string"},
        "description": f"RFC 8288: first, prev, next and last page. Left out above {MAX_LINK_BYTES:,} bytes.",
    },
    "ETag": {
        "schema": {"type": "string"},
        "description": "A value for If-None-Match. If the answer has not changed, the status is 304.",
    },
    "RateLimit": {
        "schema": {"type": "string"},
        "description": "The units that the caller has left (r), and the seconds until it has all of them again (t).",
        "example": '"caller";r=1989;t=1',
    },
    "RateLimit-Policy": {
        "schema": {"type": "string"},
        "description": "The units (q) that a caller has in w seconds: draft-ietf-httpapi-ratelimit-headers.",
        "example": '"caller";q=2000;w=10',
    },
    "RetryAfter": {"schema": {"type": "integer"}, "description": "Seconds to wait before the next try.", "example": 1},
    "WwwAuthenticate": {"schema": {"type": "string"}, "description": "The scheme to use.", "example": "Bearer"},
    "Accept": {"schema": {"type": "string"}, "description": "The accepted media types.", "example": NDJSON},
    "Connection": {"schema": {"type": "string"}, "description": "The connection ends.", "example": "close"},
}


_RATE_LIMIT = ("RateLimit", "RateLimit-Policy")


def _operation(operation: Operation) -> dict[str, object]:
    found: dict[str, object] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
    }
    if operation.tag == "health":
        found["security"] = []
    parameters = [_path_parameter(operation)] if "{uid}" in operation.path else []
    parameters += [_ref("parameters", _component(operation, one)) for one in _documented(operation)]
    if parameters:
        found["parameters"] = parameters
    if operation.body:
        found["requestBody"] = {
            "required": True,
            "description": WRITE_DESCRIPTION,
            "content": {name: form for content in operation.body for name, form in content.document().items()},
        }
    return found | {"responses": _responses(operation)}


def _responses(operation: Operation) -> dict[str, object]:
    success: dict[str, object] = {"description": operation.answers, "content": operation.answer.document()}
    headers = (*operation.headers, *(_RATE_LIMIT if operation.tag == "conversations" else ()))
    if headers:
        success["headers"] = {name: _ref("headers", name) for name in headers}
    responses: dict[str, object] = {"200": success}
    if "ETag" in operation.headers:
        responses["304"] = {"description": "The answer has not changed since the one with the ETag in If-None-Match."}
    return responses | {str(answer.status): _ref("responses", _name(answer)) for answer in operation.failures}


def _documented(operation: Operation) -> list[Parameter[object]]:
    return [parameter for parameter in operation.parameters if parameter.documented]


def _path_parameter(operation: Operation) -> dict[str, object]:
    """The parameter uid. A deletion has another example, so that trying it does not break the other examples."""
    return {
        "name": "uid",
        "in": "path",
        "required": True,
        "description": "the conversation's uid",
        "schema": {"type": "string", "format": "uuid"},
        "example": openapi_examples.DELETED_UID if operation.method == "delete" else openapi_examples.ITEM["uid"],
    }


def _component(operation: Operation, parameter: Parameter[object]) -> str:
    """The name of the component. No schema may have the same name, because generators make types of both."""
    owner = "suggest_" if operation.parameters is SUGGEST_PARAMETERS and parameter.name == "q" else ""
    return f"{_camel(owner + parameter.name)}Parameter"


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^A-Za-z0-9]+", name))


def _parameter(parameter: Parameter[object]) -> dict[str, object]:
    found = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.description,
        "schema": openapi_schemas.plain(parameter.schema),
        "example": example_of(parameter),
    }
    return found | {"style": "form", "explode": True} if parameter.is_list else found


def example_of(parameter: Parameter[object]) -> list[str] | bool | int | str:
    """The example as a value of the schema's type. In a list, a name with a comma keeps its quotation marks."""
    if parameter.is_list:
        (row,) = csv.reader([parameter.example])
        return [f'"{name}"' if "," in name else name for name in row]
    if parameter.schema["type"] in ("boolean", "integer"):
        return msgspec.json.decode(parameter.example, type=bool | int)
    return parameter.example


def _name(answer: errors.Answer) -> str:
    return _camel(answer.code)


def _failure(answer: errors.Answer) -> dict[str, object]:
    found: dict[str, object] = {
        "description": answer.description,
        "content": _json(response_models.ErrorAnswer, openapi_examples.error(answer)).document(),
    }
    headers = {name: _ref("headers", _camel(name)) for name in answer.headers}
    return found | {"headers": headers} if headers else found


def item_schema() -> dict[str, object]:
    """The schema of an item, with the schema of its metadata in place."""
    found = openapi_schemas.schemas()
    item = found["Conversation"]
    return item | {"properties": openapi_schemas.properties(item) | {"metadata": found["Metadata"]}}
