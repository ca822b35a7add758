"""The API reference as Markdown, made of the OpenAPI document, so that the site's search finds all of it."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

Schema = dict[str, object]
Part = TypeVar("Part", bound="Referring")


class Referring(msgspec.Struct, rename={"ref": "$ref"}):
    """What stands in the document itself, or is named there by `$ref`."""

    ref: str = ""


class Body(msgspec.Struct):
    schema: Schema = {}
    example: object = None


class Parameter(Referring, rename={"place": "in", "ref": "$ref"}):
    name: str = ""
    place: str = ""
    required: bool = False
    description: str = ""
    schema: Schema = {}
    example: object = None


class Header(Referring):
    description: str = ""


class Answer(Referring):
    description: str = ""
    content: dict[str, Body] = {}
    headers: dict[str, Header] = {}


class Request(msgspec.Struct):
    description: str = ""
    content: dict[str, Body] = {}


class Operation(msgspec.Struct, rename="camel"):
    summary: str
    description: str
    operation_id: str
    tags: list[str]
    responses: dict[str, Answer]
    parameters: list[Parameter] = []
    request_body: Request | None = None


class Tag(msgspec.Struct):
    name: str
    description: str


class Info(msgspec.Struct):
    description: str


class Components(msgspec.Struct):
    schemas: dict[str, Schema]
    parameters: dict[str, Parameter]
    responses: dict[str, Answer]
    headers: dict[str, Header]


class Document(msgspec.Struct):
    info: Info
    tags: list[Tag]
    paths: dict[str, dict[str, Operation]]
    components: Components


def page(document: Mapping[str, object]) -> str:
    """The sections of the page: each operation, all errors, all objects."""
    read = msgspec.convert(document, Document)
    parts = (_operations(read), _errors(read), _objects(read.components.schemas))
    return "\n".join((read.info.description, "", *itertools.chain(*parts)))


def _operations(read: Document) -> Iterator[str]:
    for tag in read.tags:
        yield from (f"## Routes: {tag.name}", "", tag.description, "")
        for path, methods in read.paths.items():
            for method, operation in methods.items():
                if tag.name in operation.tags:
                    yield from _operation(f"{method.upper()} {path}", operation, read.components)


def _operation(request: str, operation: Operation, components: Components) -> Iterator[str]:
    yield from (f"### {operation.summary}", "", "```text", request, "```", "", operation.description, "")
    yield from (f"Generated clients call it `{operation.operation_id}`.", "")
    parameters = [_found(one, components.parameters) for one in operation.parameters]
    if parameters:
        rows = [_parameter_row(one) for one in parameters]
        yield from _table(("parameter", "type", "meaning"), rows)
    if operation.request_body is not None:
        yield from ("Body:", operation.request_body.description, "")
        yield from _examples(operation.request_body.content)
    answers = {status: _found(one, components.responses) for status, one in operation.responses.items()}
    rows = [_answer_row(status, one, components) for status, one in answers.items()]
    yield from _table(("status", "meaning", "body", "headers"), rows)
    yield from _examples(answers["200"].content)


def _parameter_row(parameter: Parameter) -> tuple[str, ...]:
    needed = " (required)" if parameter.required else ""
    meaning = f"{parameter.description}. Example: {_code(parameter.example)}"
    return f"`{parameter.name}`{needed}", _kind(parameter.schema), meaning


def _answer_row(status: str, answer: Answer, components: Components) -> tuple[str, ...]:
    bodies = [_kind(body.schema) for body in answer.content.values()]
    headers = [f"`{name}`: {_found(one, components.headers).description}" for name, one in answer.headers.items()]
    return status, answer.description, ", ".join(dict.fromkeys(bodies)), " ".join(headers)


def _examples(content: Mapping[str, Body]) -> Iterator[str]:
    for media_type, body in content.items():
        is_text = isinstance(body.example, str)
        language = "text" if is_text else "json"
        text = str(body.example) if is_text else json.dumps(body.example, ensure_ascii=False, indent=2)
        yield from (f"An example of `{media_type}`:", "", f"```{language}", text.rstrip("\n"), "```", "")


def _errors(read: Document) -> Iterator[str]:
    yield from ("## Errors", "", "Every error has this form:", "")
    yield from _examples(next(iter(read.components.responses.values())).content)
    used = {
        one.ref.rpartition("/")[2]: status
        for methods in read.paths.values()
        for operation in methods.values()
        for status, one in operation.responses.items()
        if one.ref
    }
    rows = [
        (used.get(name, ""), f"`{_snake(name)}`", answer.description)
        for name, answer in read.components.responses.items()
    ]
    yield from _table(("status", "code", "meaning"), sorted(rows))


def _objects(schemas: Mapping[str, Schema]) -> Iterator[str]:
    yield from ("## Objects", "")
    for name, schema in sorted(schemas.items()):
        yield from (f"### {name}", "")
        if "description" in schema:
            yield from (str(schema["description"]), "")
        properties = msgspec.convert(schema.get("properties", {}), dict[str, Schema])
        if not properties:
            yield from (_kind(schema), "")
            continue
        required = msgspec.convert(schema.get("required", []), list[str])
        rows = [
            (f"`{field}`", _kind(one), "yes" if field in required else "no", str(one.get("description", "")))
            for field, one in properties.items()
        ]
        yield from _table(("field", "type", "required", "meaning"), rows)


_BOUNDS = {
    "minimum": "at least {:,}", "maximum": "at most {:,}", "maxLength": "at most {:,} characters",
    "maxItems": "at most {:,} elements",
}  # fmt: skip


def _kind(schema: Mapping[str, object]) -> str:
    """The type of a value in words, with its bounds; an object by its name, as a link to its fields."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in msgspec.convert(schema["anyOf"], list[Schema]))
    kind = str(schema.get("format", schema.get("type", "anything")))
    if "items" in schema:
        kind = f"list of {_kind(msgspec.convert(schema['items'], Schema))}"
    if "enum" in schema:
        kind = ", ".join(_code(value) for value in msgspec.convert(schema["enum"], list[object]))
    bounds = [words.format(schema[name]) for name, words in _BOUNDS.items() if name in schema]
    default = [f"default {_code(schema['default'])}"] if "default" in schema else []
    return f"{kind} ({', '.join((*bounds, *default))})" if bounds or default else kind


def _found(one: Part, named: Mapping[str, Part]) -> Part:
    return named[one.ref.rpartition("/")[2]] if one.ref else one


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(_cell(text) for text in row) + " |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _code(value: object) -> str:
    """A value in the form that a query string has."""
    if isinstance(value, list):
        return _code(",".join(map(str, value)))
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
