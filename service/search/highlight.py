"""The matches in subjects, as ranges of Unicode code points and as safe HTML.

OpenSearch marks each subject in three fields: exact forms, stems and variants of characters. Their marks are merged. An
analyzer may turn one character, such as a fraction, into several letters. OpenSearch then places all of them but the
last at the start of the character, so a mark may be empty or end too early. It is extended to the whole character.

OpenSearch leaves out spaces and control characters, up to U+0020, at both ends of a marked subject. So ranges are
shifted by the characters that are left out at the start.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import msgspec

from service.client import responses
from service.client.responses import Hit
from service.client.responses.marks import BEGIN, END
from service.query.conditions import AllOf, Words, texts_of
from service.query.conversation_query import ConversationQuery
from service.search.answers import Highlight, Marks, PageExtras
from service.search.clauses import EXACT, STEMS, VARIANTS, Clause, any_of
from service.search.subject_clauses import clause_for_marks
from service.search.words.clusters import whole_clusters
from service.text import SPACELESS, kind_of_character, plain_of

_MARK = re.compile(f"({BEGIN}|{END})")
_BETWEEN = " -\u2010\u2011\uff0d_\u200b\u200c"  # signs between words; a mark neither begins nor ends with one
_TRIMMED = "".join(map(chr, range(0x21)))
MARKED_AS = ("<mark>", "</mark>")

Range = tuple[int, int]


class _Subject(msgspec.Struct):
    uid: str
    subject: str | None = None


def compile_highlight(query: ConversationQuery) -> Clause:
    """The part of the search body that requests highlights. It is empty if the query requests none."""
    texts = _texts(query)
    if not query.extras.highlight or not texts:
        return {}
    field = {"number_of_fragments": 0, "highlight_query": any_of(*(clause_for_marks(words) for words in texts))}
    fields = dict.fromkeys((EXACT, STEMS, VARIANTS), field)
    return {"highlight": {"type": "unified", "pre_tags": [BEGIN], "post_tags": [END], "fields": fields}}


def _texts(query: ConversationQuery) -> list[Words]:
    return texts_of(AllOf(query.conditions))


def marked(query: ConversationQuery, hits: Sequence[Hit]) -> PageExtras:
    """`highlights`, by the uids of the items, if they were requested."""
    if not query.extras.highlight:
        return PageExtras()
    is_whole = any(words.match == "exact" for words in _texts(query))
    return PageExtras(highlights=dict(_highlight(hit, is_whole=is_whole) for hit in hits))


def _highlight(hit: Hit, *, is_whole: bool) -> tuple[str, Highlight]:
    found = responses.decode(hit.source, _Subject)
    subject = found.subject or ""
    texts = [text for marks in (hit.highlight or {}).values() for text in marks]
    ranges = merged([_whole(subject, *one) for text in texts for one in _ranges_in(subject, text)])
    if is_whole and subject:
        ranges = [(0, len(subject))]
    marks = Marks(ranges=[list(one) for one in ranges], html=as_html(subject, ranges))
    return found.uid, Highlight(subject=marks)


def _whole(subject: str, start: int, end: int) -> Range:
    """The range, extended to whole characters as a reader sees them.

    Such a character may consist of a letter with marks, a keycap, an emoji with a skin tone, or several joined emoji.
    """
    start = min(start, max(len(subject) - 1, 0))
    end = max(start + 1, end)
    while end - start > 1 and subject[start] in _BETWEEN:
        start += 1
    while end - start > 1 and subject[end - 1] in _BETWEEN:
        end -= 1
    start, end = whole_clusters(subject, start, end)
    while end < len(subject) and _continues(subject[end - 1], subject[end]):
        _start, end = whole_clusters(subject, start, end + 1)
    return start, end


def _continues(before: str, character: str) -> bool:
    """Whether the character is indexed as several letters, which are in one word with the character before."""
    plain, last = plain_of(character), plain_of(before)[-1:]
    if len(plain) < 2 or SPACELESS.match(plain):
        return False
    kind = kind_of_character(plain[0])
    return kind in ("letter", "number") and kind == kind_of_character(last) and not SPACELESS.match(last)


def _ranges_in(subject: str, text: str) -> list[Range]:
    """The ranges of the marked text, counted from the beginning of the subject."""
    before = _spaces_before(subject) - _spaces_before(_MARK.sub("", text))
    return [(before + start, before + end) for start, end in ranges_of(text)]


def _spaces_before(text: str) -> int:
    return len(text) - len(text.lstrip(_TRIMMED))


def ranges_of(text: str) -> list[Range]:
    """The ranges between marks, counted without the marks."""
    ranges: list[Range] = []
    at = begun = 0
    for piece in _MARK.split(text):
        if piece == BEGIN:
            begun = at
        elif piece == END:
            ranges.append((begun, at))
        else:
            at += len(piece)
    return ranges


def merged(ranges: list[Range]) -> list[Range]:
    """The ranges in order. Those that overlap or touch become one."""
    found: list[Range] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def as_html(text: str, ranges: list[Range]) -> str:
    """The text, escaped, with <mark> around each range."""
    pieces, at = [], 0
    for start, end in ranges:
        pieces += [html.escape(text[at:start]), MARKED_AS[0], html.escape(text[start:end]), MARKED_AS[1]]
        at = end
    return "".join([*pieces, html.escape(text[at:])])
