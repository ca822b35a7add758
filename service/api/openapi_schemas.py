"""Makes the named schemas of the OpenAPI document from the structs of the answers and the model of a conversation."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

from service.api.response_models import ANSWERS
from service.conversation import CHANNELS, DIRECTIONS, MAX_ITEM_BYTES, STATUSES, Conversation, Metadata
from service.query.conversation_query import INTERVALS
from service.query.fields import ANY, FACET_FIELDS, NONE
from service.query.parameters import ORDERS

Schema = dict[str, object]

LARGEST_EXACT = 2**53  # the largest number up to which JavaScript represents all whole numbers exactly
_REF = "#/components/schemas/{name}"
ENUMS: dict[str, tuple[str, ...]] = {
    "ConversationChannel": CHANNELS,
    "ChannelFilter": (*CHANNELS, NONE, ANY),
    "ConversationDirection": DIRECTIONS,
    "DirectionFilter": (*DIRECTIONS, NONE, ANY),
    "FacetField": FACET_FIELDS,
    "FlagFilter": ("true", "false", NONE, ANY),
    "Interval": INTERVALS,
    "SortKey": ORDERS,
    "Presence": (NONE, ANY),
    "ConversationStatus": STATUSES,
    "StatusFilter": (*STATUSES, NONE, ANY),
}


def schemas() -> dict[str, Schema]:
    """The named schemas, which refer to one another by name."""
    _roots, found = msgspec.json.schema_components(ANSWERS, schema_hook=_document, ref_template=_REF)
    named = {name: plain(schema) for name, schema in found.items()}
    return dict(sorted((named | _documents() | _enums()).items()))


def _document(kind: type) -> dict[str, str]:
    """A reference to the schema of a conversation, which is a pydantic model. msgspec does not support these."""
    if kind is not Conversation:
        raise NotImplementedError
    return {"$ref": _REF.format(name="Conversation")}


def _documents() -> dict[str, Schema]:
    """The schemas of conversations in answers, which have every field, and in bulk requests.

    A deletion has no schema of its own, because generators treat "one of two objects" differently.
    """
    schema = Conversation.model_json_schema(mode="serialization", ref_template=_REF.replace("name", "model"))
    metadata = plain(_without_defaults(schema.pop("$defs")["Metadata"]))
    conversation = plain(_with_times(_without_defaults(schema)))
    write = conversation | {
        "additionalProperties": False,
        "required": ["uid", "organization_uid"],
        "properties": properties(conversation)
        | {
            "metadata": {"$ref": _REF.format(name="MetadataWrite")},
            "deleted_on": {"type": "string", "format": "date-time", "description": "Deletes. Only with the two uids."},
        },
    }
    limit = f"at most {MAX_ITEM_BYTES:,} bytes as JSON"
    return {
        "Conversation": conversation
        | {"description": f"A conversation, of {limit}.", "required": list(Conversation.model_fields)},
        "ConversationWrite": write
        | {
            "description": f"A conversation to write, of {limit}, with updated_on as its version; or a deletion: uid, "
            "organization_uid and deleted_on. A newer version is kept."
        },
        "Metadata": metadata | {"description": _METADATA, "required": list(Metadata.model_fields)},
        "MetadataWrite": metadata | {"description": _METADATA, "additionalProperties": False},
    }


_METADATA = "Data from the provider of the mail or message, which is stored and returned."
_TIMES = ("sent_at", "created_on", "updated_on")


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without defaults: an answer has every field."""
    fields = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in schema["properties"].items()
    }
    return schema | {"properties": fields}


def _with_times(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the format of times, which pydantic leaves out because they have a serializer."""
    for name in _TIMES:
        field = schema["properties"][name]
        field.get("anyOf", [field])[0]["format"] = "date-time"
    return schema


def _enums() -> dict[str, Schema]:
    """The enumerations. Sort keys also have names, because generators cannot make a name from a minus."""
    found: dict[str, Schema] = {name: {"type": "string", "enum": list(values)} for name, values in ENUMS.items()}
    found["SortKey"]["x-enum-varnames"] = [_order_name(key) for key in ORDERS]
    return found


def _order_name(key: str) -> str:
    return f"{key[1:]}_descending" if key.startswith("-") else key


def properties(schema: Schema) -> Schema:
    """The schemas of an object's fields, by name."""
    found = schema["properties"]
    assert isinstance(found, dict)
    return found


def plain(schema: Mapping[str, object]) -> Schema:
    """The schema in a form that all generators support.

    It has no titles, because some generators use them as names. It allows unknown fields, because later versions may
    add some. An enumeration without a default becomes a reference to its component.
    """
    for name, values in ENUMS.items():
        if schema.get("enum") == list(values) and "default" not in schema:
            return {"$ref": _REF.format(name=name)}
    found = {
        key: _fields(value) if key == "properties" else _plain_value(value)
        for key, value in schema.items()
        if key not in ("title", "additionalProperties") or isinstance(value, dict)
    }
    if isinstance(description := found.get("description"), str):
        found["description"] = inspect.cleandoc(description)
    if "enum" in found:
        found["type"] = "string"
    if isinstance(most := schema.get("maximum"), int | float) and most > LARGEST_EXACT:
        found["format"] = "int64"
    return found


def _fields(value: object) -> object:
    """The fields of an object. A field named `title` is kept; the title of a schema is not."""
    return {name: _plain_value(field) for name, field in value.items()} if isinstance(value, dict) else value


def _plain_value(value: object) -> object:
    if isinstance(value, list):
        return [_plain_value(part) for part in value]
    return plain(value) if isinstance(value, dict) else value
