"""The table of index_mappings/README.md has each field of the mapping with its type, and says which are not indexed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.field_values import mapped_fields

ROOT = Path(__file__).parents[1] / "index_mappings"
MAPPING: dict[str, Any] = json.loads((ROOT / "conversations.json").read_text("utf-8"))["mappings"]
REST = "the rest of `metadata`"


FIELDS = dict(mapped_fields(MAPPING["properties"]))


def rows() -> dict[str, str]:
    """Each field that the table names, with its type. A range such as order.uid_1 to order.uid_3 is all its fields."""
    found: dict[str, str] = {}
    for names, types, _why in re.findall(
        r"^\| (.+?) \| (.+?) \| (.+) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE
    ):
        named = [names] if names == REST else re.findall(r"`([a-z_0-9.]+)`", expanded(names))
        each = types.split(", ")  # one for each name: boolean, integer
        is_each = len(named) == len(each) > 1 and all(re.fullmatch(r"[a-z]+", one) for one in each)
        found |= dict(zip(named, each if is_each else [types] * len(named), strict=True))
    return found


def expanded(names: str) -> str:
    """The names, with each field of a range."""
    span = re.search(r"`([a-z_.]+)(\d)` to `\1(\d)`", names)
    if span is None:
        return names
    return ", ".join(f"`{span[1]}{number}`" for number in range(int(span[2]), int(span[3]) + 1))


def is_searched(field: dict[str, Any]) -> bool:
    return field["type"] != "binary" and (
        field.get("index", True) is not False or field.get("doc_values", True) is not False
    )


def test_each_field_has_a_row_with_its_type() -> None:
    table = rows()
    for path, field in FIELDS.items():
        parent = path.rpartition(".")[0]
        if path in table:
            kind = field.get("type", "object")
            assert re.match(rf"{kind}\b", table[path]), f"index_mappings/README.md: {path} is of the type {kind}"
            for analysis in ("analyzer", "normalizer"):
                assert analysis not in field or f"`{field[analysis]}`" in table[path], path
        elif parent in table and "properties" not in FIELDS[parent]:  # a multi-field
            assert f"`.{path.rpartition('.')[2]}`" in table[parent], path
        elif parent == "metadata":
            assert not is_searched(field), f"{path} is under the rest, which is not indexed"
        else:
            assert "properties" in field or parent in ("record", "tombstone"), path


def test_each_row_is_of_a_field() -> None:
    assert rows().keys() - {REST} <= FIELDS.keys()
    assert re.search(rf"^\| {REST} \| not indexed \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)


def test_only_the_named_fields_of_records_are_indexed() -> None:
    (named,) = re.findall(r"Only (.+?) are indexed", (ROOT / "README.md").read_text("utf-8"))
    indexed = {name for name, field in FIELDS["record"]["properties"].items() if is_searched(field)}
    assert set(re.findall(r"`(\w+)`", named)) == indexed
