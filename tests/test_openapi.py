"""The OpenAPI document: what client generators need of it, and that it describes what the service accepts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from openapi_spec_validator import validate

from service.api import errors, openapi, openapi_examples
from service.api.documentation import FILES, _file
from service.api.openapi import OPERATIONS, example_of
from service.api.routes import HANDLERS
from service.api.writes import parse_lines
from service.conversation import Conversation
from service.errors import InvalidQuery
from service.query.conversation_query import MAX_PER_PAGE
from service.query.parameters import COUNT_PARAMETERS, EXAMPLE_ORGANIZATION, EXPORT_PARAMETERS, LIST_PARAMETERS
from service.query.parser import parse_query
from service.query.query_string import Parameter
from service.search.answers import Suggestions

MINE = UUID(EXAMPLE_ORGANIZATION)
NAMES = {
    "listConversations", "countConversations", "suggestConversations", "exportConversations", "getConversation",
    "deleteConversation", "writeConversations", "getCaller", "isLive", "isReady", "getMetrics",
}  # fmt: skip


def nodes(found: Any) -> Iterator[dict[str, Any]]:
    """Every object of the document, outside of examples."""
    if isinstance(found, dict):
        yield found
        for key, value in found.items():
            if key != "example":
                yield from nodes(value)
    elif isinstance(found, list):
        for value in found:
            yield from nodes(value)


def document() -> Any:
    return openapi.document()


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def operations() -> list[dict[str, Any]]:
    return [operation for methods in document()["paths"].values() for operation in methods.values()]


def test_the_document_is_valid() -> None:
    validate(document())


def test_every_route_is_in_the_document_once() -> None:
    served = {
        (path, method.lower()) for handler in HANDLERS for path in handler.paths for method in handler.http_methods
    }
    told = {(operation.path.replace("{uid}", "{uid:str}"), operation.method) for operation in OPERATIONS}
    assert told == {(path, method) for path, method in served if method != "head"}
    assert {operation["operationId"] for operation in operations()} == NAMES


def test_every_reference_names_a_component_and_every_component_is_referenced() -> None:
    found = document()
    references = {node["$ref"] for node in nodes(found) if "$ref" in node}
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in found["components"].items()
        for name in named
        if kind != "securitySchemes"
    }
    assert references == components


def test_the_only_unions_are_with_null() -> None:
    for node in nodes(document()):
        assert not isinstance(node.get("type"), list)
        assert "oneOf" not in node
        assert "allOf" not in node
        if "anyOf" in node:
            value, null = node["anyOf"]
            assert null == {"type": "null"}
            assert value != null


def test_no_schema_has_a_property_of_its_own_name() -> None:
    """openapi-python-client names a variable after each."""
    for name, schema in document()["components"]["schemas"].items():
        assert snake(name) not in schema.get("properties", {}), name


def test_names_of_types_differ_even_without_their_case() -> None:
    components = document()["components"]
    names = [name.lower() for kind in ("schemas", "parameters") for name in components[kind]]
    assert len(set(names)) == len(names)


def test_no_value_of_an_enumeration_is_the_name_of_a_schema() -> None:
    """oapi-codegen makes constants and types in one name space."""
    schemas = document()["components"]["schemas"]
    values = {value.replace("_", "").lower() for schema in schemas.values() for value in schema.get("enum", ())}
    assert not values & {name.lower() for name in schemas}


def test_names_of_parameters_differ_as_names_of_variables() -> None:
    parameters = document()["components"]["parameters"]
    for operation in operations():
        references = [node["$ref"].rsplit("/", 1)[1] for node in operation.get("parameters", ()) if "$ref" in node]
        names = [re.sub(r"\W", "", parameters[name]["name"]) for name in references]
        assert len(set(names)) == len(names)


def test_the_negations_by_an_exclamation_mark_work_but_are_not_in_the_document() -> None:
    assert not any("!" in parameter["name"] for parameter in document()["components"]["parameters"].values())
    assert parse_query(b"status!=closed", MINE, known=LIST_PARAMETERS) == parse_query(
        b"status[nin]=closed", MINE, known=LIST_PARAMETERS
    )


def test_health_needs_no_token_and_the_rest_does() -> None:
    assert document()["security"] == [{"bearer": []}]
    for operation in operations():
        assert operation.get("security") == ([] if operation["tags"] == ["health"] else None)


def of_type(value: Any, schema: Any) -> bool:
    kinds = {"string": str, "integer": int, "boolean": bool, "array": list}
    if type(value) is not kinds[schema["type"]]:
        return False
    return not isinstance(value, list) or (bool(value) and all(of_type(one, schema["items"]) for one in value))


@pytest.mark.parametrize("parameter", LIST_PARAMETERS, ids=lambda parameter: parameter.name)
def test_an_example_has_the_type_of_its_schema(parameter: Parameter[object]) -> None:
    assert of_type(example_of(parameter), parameter.schema)


def in_a_url(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("known", [LIST_PARAMETERS, COUNT_PARAMETERS, EXPORT_PARAMETERS])
def test_all_declared_defaults_are_accepted_at_once_and_change_nothing(known: tuple[Parameter[object], ...]) -> None:
    defaults: list[tuple[str, Any]] = [(one.name, one.schema["default"]) for one in known if "default" in one.schema]
    assert len(defaults) >= 2
    query_string = "&".join(
        f"{name}={in_a_url(text)}"
        for name, value in defaults
        for text in (value if isinstance(value, list) else [value])
    )
    assert parse_query(query_string.encode(), MINE, known=known) == parse_query(b"", MINE, known=known)


def test_the_examples_of_documents_are_documents() -> None:
    Conversation.model_validate_json(msgspec.json.encode(openapi_examples.ITEM))
    Conversation.model_validate_json(msgspec.json.encode(openapi_examples.WRITES[0]))
    assert list(openapi_examples.ITEM) == list(Conversation.model_fields)


def test_the_example_of_a_bulk_answer_is_the_answer_to_the_example_of_its_request() -> None:
    parsed = asyncio.run(
        parse_lines(openapi_examples.WRITE_LINES.encode(), frozenset({MINE}), max_ahead=timedelta(minutes=5))
    )
    told: Any = openapi_examples.BULK["data"]
    assert [(one["line"], one["uid"], one.get("reason")) for one in told["items"]] == [
        (line.number, line.uid, line.reason) for line in parsed
    ]
    for outcome in ("written", "unchanged", "rejected"):
        assert told[outcome] == sum(one["outcome"] == outcome for one in told["items"])
    assert told["rejected"] == sum(line.reason is not None for line in parsed)


def test_the_example_of_an_error_is_what_the_service_says() -> None:
    told: Any = openapi_examples.error(errors.INVALID)
    (detail,) = told["error"]["details"]
    with pytest.raises(InvalidQuery) as raised:
        parse_query(f"{detail['parameter']}={detail['value']}".encode(), MINE, known=LIST_PARAMETERS)
    (problem,) = raised.value.problems
    assert (problem.parameter, problem.message, problem.value) == tuple(detail.values())


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("docs/api.md", "must be between 1 and {}"),
        ("docs/commands.md", "one page, at most {}"),
        ("docs/cookbook.md", "up to {} uids"),
        ("clients/python/README.md", "per_page must be between 1 and {}"),
        ("clients/python/conversation_search/_client.py", "on a page (at most {})"),
        ("clients/python/conversation_search/_async_client.py", "on a page (at most {})"),
    ],
)
def test_the_maximum_of_per_page_is_the_same_in_all_documentation(page: str, says: str) -> None:
    assert says.format(MAX_PER_PAGE) in (Path(__file__).parents[1] / page).read_text("utf-8")


def test_the_example_of_suggestions_has_every_part() -> None:
    data = msgspec.json.encode(openapi_examples.SUGGESTIONS["data"])
    assert msgspec.json.decode(data, type=Suggestions).labels == []


def test_the_page_carries_its_own_licences() -> None:
    assert b"swagger-ui-bundle.js.LICENSE.txt" in _file(FILES[0])[:200]
