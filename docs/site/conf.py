"""The site of the documentation: Sphinx with MyST and furo. scripts/docs builds it.

The pages are the Markdown files that a code host shows, where they are. What only the site has is added while it is
built: the table of contents, and the API reference.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))

import msgspec

import api_reference
import contents
import service
from service.api.openapi import document

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "Conversation search"
version = release = service.__version__
copyright = "the authors, under the MIT licence"  # noqa: A001
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = contents.PAGES
exclude_patterns = [
    ".*",
    "build",
    "dist",
    "**/node_modules",
    "service",
    "scripts",
    "deploy",
    "tests/node",
    "tests/bench",
]
myst_heading_anchors = 4
suppress_warnings = ["misc.highlighting_failure"]  # pages shorten JSON with "…"

templates_path = ["templates"]
html_theme = "furo"
html_title = f"Conversation search {version}"
html_additional_pages = {"index": "to_index.html"}
html_copy_source = False
html_show_sphinx = False

_ELSEWHERE = re.compile(rb"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>""")


def complete(_app: Sphinx, name: str, source: list[str]) -> None:
    """Adds to a page what only the site has."""
    if name in contents.HOLDERS:
        source[0] += contents.trees(name, source[0])
    if name == "docs/reference":
        source[0] += '<a href="openapi.json">The OpenAPI document</a> is beside this page.\n\n'
        source[0] += api_reference.page(document())


def finish(app: Sphinx, error: Exception | None) -> None:
    """Puts the OpenAPI document beside the pages, and refuses a page that loads anything from elsewhere."""
    if error is not None:
        return
    (app.outdir / "docs" / "openapi.json").write_bytes(msgspec.json.format(msgspec.json.encode(document())))
    for page in Path(app.outdir).rglob("*.html"):
        if found := _ELSEWHERE.search(page.read_bytes()):
            raise RuntimeError(f"{page} loads from another host: {found[0].decode()}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", complete)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
