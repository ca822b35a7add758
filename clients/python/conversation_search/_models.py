"""What the service returns, as immutable objects. Times are in UTC. Fields of a newer service are ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, overload
from uuid import UUID

from conversation_search._parameters import Channel, Status

Direction = Literal["inbound", "outbound"]
Outcome = Literal["written", "unchanged", "rejected"]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Data from the provider of the messages."""

    from_email: str | None = None
    from_name: str | None = None
    to_emails: tuple[str, ...] = ()
    cc_emails: tuple[str, ...] = ()
    snippet: str | None = None
    labels: tuple[str, ...] = ()
    provider_message_id: str | None = None
    thread_id: str | None = None
    has_attachments: bool | None = None
    attachment_count: int | None = None
    history_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One e-mail thread or SMS exchange. `uid`, `organization_uid` and `updated_on` (the version) are required."""

    uid: UUID
    organization_uid: UUID
    updated_on: datetime
    channel: Channel | None = None
    direction: Direction | None = None
    status: Status | None = None
    subject: str | None = None
    categories: tuple[str, ...] = ()
    sent_at: datetime | None = None
    is_read: bool | None = None
    has_reply: bool | None = None
    message_count: int | None = None
    metadata: Metadata = field(default_factory=Metadata)
    agent_uid: UUID | None = None
    party_uid: UUID | None = None
    created_by_uid: UUID | None = None
    parent_conversation_uid: UUID | None = None
    created_on: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """A deletion, for `Client.write`. It wins over every version of the conversation up to `deleted_on`."""

    uid: UUID
    organization_uid: UUID
    deleted_on: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The user of the token, and what it allows.

    Attributes:
        user: the subject of the token, or the name of the API key.
        organizations: those whose conversations may be read.
        default_organization: the one that is meant where a request names none, if there is one.
        scopes: such as "conversations:export".
        is_restricted: whether only the conversations of some agents or parties are seen.
    """

    user: str
    organizations: tuple[UUID, ...]
    default_organization: UUID | None
    scopes: tuple[str, ...]
    is_restricted: bool


@dataclass(frozen=True, slots=True)
class QueryWarning:
    """A part of `q` that was read as plain text or may mean something else. `position` counts characters from 0."""

    position: int
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class Facet:
    """How many conversations have each value, the most frequent first.

    `none` counts those without a value, `other` those with values that are not listed.
    """

    values: Mapping[str | bool, int]
    none: int
    other: int


@dataclass(frozen=True, slots=True)
class Highlight:
    """Start and end of each match in the subject, and the subject as safe HTML with <mark> around the matches."""

    ranges: tuple[tuple[int, int], ...]
    html: str


@dataclass(frozen=True, slots=True)
class DidYouMean:
    """A corrected text for `search` or `q`, and how many conversations it finds."""

    parameter: Literal["search", "q"]
    text: str
    total: int
    with_filters: bool


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What would find something. `any_words` counts what has any of the words, `without` what one filter less finds."""

    did_you_mean: DidYouMean | None
    any_words: int
    without: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Sequence[Conversation]):
    """A page of conversations: a sequence of its items. `total` is exact.

    `page` and `total_pages` are None in a walk; `next_cursor` is None at the end of a walk, and outside of one.
    `matched` is given with match="auto". The other fields are given if a parameter requests them.
    """

    items: tuple[Conversation, ...]
    total: int
    per_page: int
    page: int | None = None
    total_pages: int | None = None
    next_cursor: str | None = None
    matched: Literal["all", "any"] | None = None
    highlights: Mapping[UUID, Highlight] = field(default_factory=dict)
    facets: Mapping[str, Facet] = field(default_factory=dict)
    warnings: tuple[QueryWarning, ...] = ()
    suggestions: Alternatives | None = None
    explanation: Json | None = None

    @overload
    def __getitem__(self, index: int) -> Conversation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Conversation]: ...
    def __getitem__(self, index: int | slice) -> Conversation | Sequence[Conversation]:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Conversation]:
        return iter(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The exact number of conversations that match, and the facets that were requested."""

    total: int
    matched: Literal["all", "any"] | None = None
    facets: Mapping[str, Facet] = field(default_factory=dict)
    warnings: tuple[QueryWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A completion, and how many conversations have it."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Completions of a text, up to five of each kind. A word stands with the text before it."""

    words: tuple[Suggestion, ...]
    senders: tuple[Suggestion, ...]
    categories: tuple[Suggestion, ...]
    labels: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one conversation or deletion. `line` is its place in the request, from 1."""

    line: int
    uid: UUID | None
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What became of each conversation and deletion, in order."""

    items: tuple[WriteResult, ...]

    @property
    def rejected(self) -> tuple[WriteResult, ...]:
        """Those that were not applied, with the reason."""
        return tuple(item for item in self.items if item.outcome == "rejected")


def conversation(data: Json) -> Conversation:
    """A conversation as the service sends it."""
    return Conversation(**{name: convert(data[name]) for name, convert in _CONVERSATION.items() if name in data})


def _metadata(data: Json) -> Metadata:
    values: dict[str, Any] = {name: _frozen(value) for name, value in data.items() if name in _METADATA}
    return Metadata(**values)


def _frozen(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _uid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


_METADATA = frozenset(Metadata.__dataclass_fields__)
_BY_TYPE: dict[str, Callable[[Any], Any]] = {
    "UUID": _uid,
    "UUID | None": _uid,
    "datetime": _time,
    "datetime | None": _time,
    "Metadata": _metadata,
}
_CONVERSATION = {name: _BY_TYPE.get(str(one.type), _frozen) for name, one in Conversation.__dataclass_fields__.items()}


def page(data: Json) -> Page:
    """A page as the service sends it."""
    paging, ways = data["pagination"], data.get("suggestions")
    return Page(
        items=tuple(map(conversation, data["items"])),
        total=paging["total"],
        per_page=paging["per_page"],
        page=paging.get("page"),
        total_pages=paging.get("total_pages"),
        next_cursor=paging.get("next_cursor"),
        matched=data.get("matched"),
        highlights={UUID(uid): _highlight(found["subject"]) for uid, found in (data.get("highlights") or {}).items()},
        facets=_facets(data),
        warnings=_warnings(data),
        suggestions=None if ways is None else _alternatives(ways),
        explanation=data.get("query"),
    )


def caller(data: Json) -> Caller:
    """The caller as the service sends it."""
    return Caller(
        user=data["user"],
        organizations=tuple(map(UUID, data["organizations"])),
        default_organization=_uid(data["default_organization"]),
        scopes=tuple(data["scopes"]),
        is_restricted=data["is_restricted"],
    )


def count(data: Json) -> Count:
    """A count as the service sends it."""
    return Count(
        total=data["total"], matched=data.get("matched"), facets=_facets(data), warnings=_warnings(data)
    )  # fmt: skip


def _facets(data: Json) -> dict[str, Facet]:
    return {
        name: Facet({one["value"]: one["count"] for one in found["values"]}, found["none"], found["other"])
        for name, found in (data.get("facets") or {}).items()
    }


def _warnings(data: Json) -> tuple[QueryWarning, ...]:
    return tuple(QueryWarning(one["position"], one["text"], one["message"]) for one in data.get("warnings") or ())


def _highlight(marks: Json) -> Highlight:
    return Highlight(tuple((start, end) for start, end in marks["ranges"]), marks["html"])


def _alternatives(data: Json) -> Alternatives:
    without = {one["parameter"]: one["total"] for one in data["without"]}
    meant = data["did_you_mean"]
    if meant is None:
        return Alternatives(None, data["any_words"], without)
    parameter: Literal["search", "q"] = "q" if "q" in meant else "search"
    correction = DidYouMean(parameter, meant[parameter], meant["total"], meant["with_filters"])
    return Alternatives(correction, data["any_words"], without)


def suggestions(data: Json) -> Suggestions:
    """Completions as the service sends them."""

    def of(kind: str, name: str) -> tuple[Suggestion, ...]:
        return tuple(Suggestion(one[name], one["count"]) for one in data.get(kind) or ())

    return Suggestions(
        of("words", "text"), of("senders", "from_email"), of("categories", "category"), of("labels", "label")
    )  # fmt: skip


def bulk_result(data: Json) -> BulkResult:
    """The outcomes of a bulk write as the service sends them."""
    return BulkResult(
        tuple(
            WriteResult(one["line"], _uid_or_none(one["uid"]), one["outcome"], one.get("reason"))
            for one in data["items"]
        )
    )


def _uid_or_none(value: str | None) -> UUID | None:
    """A rejected line may have a uid that is none."""
    try:
        return _uid(value)
    except ValueError:
        return None


def as_json(written: Conversation | Deletion) -> dict[str, Any]:
    """What to send for a conversation or a deletion. Raises ValueError for a time without a zone."""
    return {name: _plain(name, getattr(written, name)) for name in written.__dataclass_fields__}


def _plain(name: str, value: object) -> object:
    match value:
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{name}: {value!r} has no time zone; use datetime(..., tzinfo=UTC)")
            return value.astimezone(UTC).isoformat(timespec="milliseconds")
        case UUID():
            return str(value)
        case Metadata():
            return {one: _plain(one, getattr(value, one)) for one in value.__dataclass_fields__}
        case tuple():
            return list(value)
    return value
