"""README and docs: links lead to a file and a heading, paths exist, every page is linked, and tables have headers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        ROOT / "clients" / "python" / "README.md",
        ROOT / "tests" / "samples" / "README.md",
        ROOT / "index_mappings" / "README.md",
        *ROOT.glob("docs/**/*.md"),
    ]
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
PATH = re.compile(r"(?<![\w./<-])(?:service|tests|scripts|deploy|docs|index_mappings)/[\w./-]*\w")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|^    .*?$|`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def links(page: Path) -> tuple[tuple[Path, str], ...]:
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8")))
    parts = [target.partition("#") for target in targets if "://" not in target]
    return tuple((page.parent / path if path else page, anchor) for path, _, anchor in parts)


@cache
def linked() -> frozenset[Path]:
    return frozenset(path.resolve() for page in PAGES for path, _ in links(page))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path.read_text("utf-8")), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_paths_exist(page: Path) -> None:
    named = set(PATH.findall(page.read_text("utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tables_have_a_header(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for header, rule in re.findall(r"(?:^|\n)(?! *\|)[^\n]*\n( *\|[^\n]*)\n([^\n]*)", text):
        assert re.fullmatch(r" *\|(?: *:?-+:? *\|)+", rule), header
        assert header.count("|") == rule.count("|"), header


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_page_is_linked(page: Path) -> None:
    assert page.name == "README.md" or page in linked() or (page.parent in linked() and page.parent.is_dir())


def test_lists_of_contents_name_every_section() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        text = page.read_text("utf-8")
        listed = re.findall(r"^- \[(.+?)\]\(#", text, re.MULTILINE)
        assert not listed or listed == re.findall(r"^## (.+)$", text, re.MULTILINE), page.name
