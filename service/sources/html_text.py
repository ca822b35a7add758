"""Makes plain text of HTML mail, for snippets: without scripts, styles and hidden parts, with a line for each block.

Quoted messages get ">" before each line, as in plain text. Only the beginning of a text is read. The time is linear,
which html.parser does not promise for malformed input in every version of Python.
"""

from __future__ import annotations

import html
import re

HTML_CHARACTERS = 200_000  # of a text that are read
ENOUGH_CHARACTERS = 8_000  # of plain text that are made

_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style|title|noscript|template|object|xml)\b[^<>]*+>"
    r"|<(/?)([a-zA-Z][a-zA-Z0-9:]*+)((?:=\s*+(?:\"[^\"<]*+\"|'[^'<]*+')|\"[^\"<>]*+\"|'[^'<>]*+'|[^<>\"'=]++|=|[\"'])*+)>"
    r"|<[!?/][^<>]*+>",
    re.DOTALL | re.IGNORECASE,
)
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|(?:^|\s)hidden(?:\s|=|$)", re.IGNORECASE
)
_QUOTE = re.compile(r"gmail_quote|yahoo_quoted|moz-cite|type\s*=\s*[\"']?cite|protonmail_quote", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "br",
        "center",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)


def text_of_html(source: str) -> str:
    """The text that a reader sees at the beginning of the message."""
    return _Reader().read(source[:HTML_CHARACTERS])


class _Reader:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._length = 0
        self._hidden: list[str] = []  # the open tags inside a hidden one
        self._quotes: list[bool] = []  # for each open blockquote or div, whether it is a quote

    def read(self, source: str) -> str:
        at = 0
        for token in _TOKEN.finditer(source):
            if token.start() < at:
                continue
            self._text(source[at : token.start()])
            at = token.end()
            if token[1] is not None:
                at = _behind(source, token[1], at)
            elif token[3] is not None:
                self._tag(token[3].lower(), token[4], is_end=bool(token[2]))
            if self._length > ENOUGH_CHARACTERS:
                break
        else:
            self._text(source[at:])
        self._end_line()
        return "\n".join(self._lines)

    def _text(self, text: str) -> None:
        if text and not self._hidden:
            self._line.append(_SPACE.sub(" ", html.unescape(text)))
            self._length += len(text)

    def _tag(self, name: str, attributes: str, *, is_end: bool) -> None:
        if self._hidden:
            self._in_hidden(name, is_end=is_end)
        elif not is_end and attributes and name not in _VOID and name != "body" and _HIDDEN.search(attributes):
            self._hidden.append(name)
        if name in _BLOCKS:
            self._end_line()
        if name in {"blockquote", "div"}:
            self._quote(is_end=is_end, is_quote=name == "blockquote" or bool(_QUOTE.search(attributes)))
        elif name == "td":
            self._line.append(" ")

    def _in_hidden(self, name: str, *, is_end: bool) -> None:
        if name != self._hidden[0]:
            return
        if is_end:
            self._hidden.pop()
        else:
            self._hidden.append(name)

    def _quote(self, *, is_end: bool, is_quote: bool) -> None:
        if not is_end:
            self._quotes.append(is_quote)
        elif self._quotes:
            self._quotes.pop()

    def _end_line(self) -> None:
        line = "".join(self._line).strip()
        self._line.clear()
        if line:
            is_attribution = line.endswith((":", "：")) and self._quotes.count(True) == 1
            self._lines.append(f"> {line}" if any(self._quotes) and not is_attribution else line)


def _behind(source: str, name: str, at: int) -> int:
    """The position after the end of a script or the like; the end of the text if it is not closed."""
    end = re.compile(rf"</{name}\b[^<>]*+>?", re.IGNORECASE).search(source, at)
    return end.end() if end is not None else len(source)
