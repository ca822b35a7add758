"""The table of contents of the site, made of the lists of pages that a code host shows as well."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

PAGES = [
    "README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/*.md", "docs/decisions/*.md",
    "clients/python/README.md", "index_mappings/README.md", "index_mappings/LICENSE-english-words.md",
    "tests/samples/README.md",
]  # fmt: skip
HOLDERS = ("docs/index", "docs/decisions/README")  # the pages whose lists are the table of contents
_LINE = re.compile(r"^#+ (?P<heading>.+)$|^- \[(?P<title>[^\]]+)\]\((?P<target>[^)#:]+)\.md\)", re.MULTILINE)


def listed(name: str, text: str) -> Iterator[tuple[str, str, str]]:
    """Of each list item that begins with a link to a page: the heading above it, its title, and the page's name."""
    heading = ""
    for line in _LINE.finditer(text):
        if line["heading"]:
            heading = line["heading"]
        else:
            yield heading, line["title"], posixpath.normpath(posixpath.join(posixpath.dirname(name), line["target"]))


def trees(name: str, text: str) -> str:
    """A hidden toctree for each heading with a list below it."""
    by_heading: dict[str, list[str]] = {}
    for heading, title, page in listed(name, text):
        by_heading.setdefault(heading, []).append(f"{title} </{page}>")
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n" + "\n".join(entries) + "\n```\n"
        for heading, entries in by_heading.items()
    )
