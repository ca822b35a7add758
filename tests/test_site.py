"""The documentation site, without building it: its contents name every page, its reference every part of the API."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import api_reference
import contents
from service.api import openapi

ROOT = Path(__file__).parents[1]


def test_every_page_stands_once_in_the_contents() -> None:
    pages = {
        path.relative_to(ROOT).with_suffix("").as_posix() for pattern in contents.PAGES for path in ROOT.glob(pattern)
    }
    listed = Counter(
        page
        for holder in contents.HOLDERS
        for _heading, _title, page in contents.listed(holder, (ROOT / f"{holder}.md").read_text("utf-8"))
    )
    assert len(pages) > 40
    assert listed == Counter(pages - {contents.HOLDERS[0]}), (
        "list every page once in docs/index.md or docs/decisions/README.md"
    )


def test_lists_become_hidden_toctrees_below_their_headings() -> None:
    text = "# Page\n\nSee [this](no.md).\n\n## One\n\n- [A page](a.md)\n- [Up](../b.md)\n- [Part](a.md#part)\n\n## Two\n\n- [C](c.md): why\n"
    tree = "\n```{{toctree}}\n:hidden:\n:caption: {}\n\n{}\n```\n"
    assert contents.trees("docs/index", text) == tree.format("One", "A page </docs/a>\nUp </b>") + tree.format(
        "Two", "C </docs/c>"
    )


@pytest.fixture(scope="module")
def reference() -> str:
    return api_reference.page(openapi.document())


def test_the_reference_has_every_route_parameter_and_error(reference: str) -> None:
    for operation in openapi.OPERATIONS:
        assert f"```text\n{operation.method.upper()} {operation.path}\n```" in reference
        for parameter in operation.parameters:
            assert not parameter.documented or f"| `{parameter.name}`" in reference
    for answer in openapi.ALL_FAILURES:
        assert f"| {answer.status} | `{answer.code}` |" in reference


def test_links_of_the_reference_lead_to_objects(reference: str) -> None:
    headings = {line.removeprefix("### ").lower() for line in reference.splitlines() if line.startswith("### ")}
    linked = {part.partition(")")[0] for part in reference.split("](#")[1:]}
    assert len(linked) > 20
    assert linked <= headings


def test_types_are_told_in_words(reference: str) -> None:
    assert "| `sort` | list of [SortKey](#sortkey) (at most 4 elements, default `-updated_on`) |" in reference
    assert "| `subject` | string (at most 2,000 characters) or null | yes |  |" in reference
    assert '`Questions,"Docs, translations"`' in reference
