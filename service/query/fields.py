"""The registry of fields: one row for each field. Everything that depends on a field is made from its row.

These are the parameters, the search syntax, `explain`, the paths in the index, the sort keys, the facets, and the
OpenAPI document. scripts/field-tables writes the tables of docs/api.md and docs/search.md, and the fields that the
page's search box completes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from service.conversation import CHANNELS, DIRECTIONS, STATUSES

NONE, ANY = "none", "any"  # special values: conversations without a value, and with any value
# The greatest number that a field may have. OpenSearch sorts a missing number as the greatest number of its type, which
# must be greater than this one. So the type in the mapping is `long`, not `integer`.
LARGEST_NUMBER = 2**31 - 1
Kind = Literal["uid", "choice", "name", "address", "boolean", "number", "time", "text"]
Operator = Literal["gte", "gt", "lte", "lt"]
OPERATORS: tuple[Operator, ...] = ("gte", "gt", "lte", "lt")

EXAMPLE_AGENT = "7dd3833a-4044-5bfc-84b9-49f387f5a79d"
EXAMPLE_PARTY = "c77e477d-6ef5-5d8a-b286-f5acd0caa88c"
_OTHER_AGENT = "16a04d58-cc72-56da-86e1-247d0b908333"
_OTHER_PARTY = "1b28a2a7-a49a-5c39-af7d-5f3201c9a716"
_TIMES = {"gte": "2003-05", "gt": "2003-04-30", "lte": "2003-05-01", "lt": "2003-05-01T06:00:00Z"}


@dataclass(frozen=True, slots=True)
class Plain:
    """The parameter with the field's name. It takes one value or a list; with `presence`, it also takes none and any.

    The parameters with `is_contract` are in docs/api.md, the others in docs/search.md.
    """

    description: str
    example: str
    is_list: bool = False
    presence: bool = False
    is_contract: bool = False


@dataclass(frozen=True, slots=True)
class Lists:
    """The parameters with [in], and with [nin] or !. There is an example for each."""

    included: str
    excluded: str


@dataclass(frozen=True, slots=True)
class Syntax:
    """The field's name in the search box. A field with choices needs no description.

    `bounds` has more names for a time: each sets one bound, or takes a whole span (None).
    """

    name: str
    description: str = ""
    bounds: Mapping[str, Operator | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """The field that the index sorts by, and whether the order is one of the contract."""

    key: str
    is_contract: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a conversation, and the ways to filter, sort and count by it.

    `path` is its path in the index, if that differs from its name. `words` are the paths of its analyzed text, and of
    related texts. `bounds` has an example for each of [gte], [gt], [lte] and [lt]. `states` are terms of the search
    box, such as is:read, with their values; if a value has several, the first one is shown. `facet` is the field's
    place among the facets, from 1. `covers` are further fields that its name in the search box finds. `any_case` is the
    path of its values without regard to case.
    """

    name: str
    kind: Kind
    path: str = ""
    words: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    has_several: bool = False
    plain: Plain | None = None
    lists: Lists | None = None
    bounds: Mapping[str, str] = field(default_factory=dict)
    syntax: Syntax | None = None
    states: Mapping[str, bool | str] = field(default_factory=dict)
    order: Order | None = None
    facet: int = 0
    covers: tuple[str, ...] = ()
    any_case: str = ""

    @property
    def index_path(self) -> str:
        return self.path or self.name

    @property
    def shown_states(self) -> dict[bool | int | str, str]:
        """The term of the search box for each value that has one."""
        found: dict[bool | int | str, str] = {}
        for word, value in self.states.items():
            found.setdefault(value, word)
        return found


FIELDS: tuple[Field, ...] = (
    Field(
        "created_on", "time", plain=Plain("none or any", ANY, presence=True), bounds=_TIMES, syntax=Syntax("created"),
        order=Order("created_on", is_contract=True),
    ),
    Field(
        "updated_on", "time", bounds=_TIMES,
        syntax=Syntax("updated", bounds={"after": "gte", "before": "lt", "on": None}),
        order=Order("updated_on", is_contract=True),
    ),
    Field(
        "sent_at", "time", plain=Plain("none or any", ANY, presence=True), bounds=_TIMES, syntax=Syntax("sent"),
        order=Order("sent_at", is_contract=True),
    ),
    Field(
        "subject", "text", plain=Plain("none or any", ANY, presence=True),
        syntax=Syntax("subject", "a word, a quoted phrase or the start of a word with *"),
        order=Order("order.subject", is_contract=True),
    ),
    Field(
        "is_read", "boolean", plain=Plain("read status; none or any", "false", presence=True, is_contract=True),
        states={"is:read": True, "is:unread": False}, order=Order("is_read"), facet=5,
    ),
    Field(
        "status", "choice", choices=STATUSES,
        plain=Plain(
            f"any of {', '.join(STATUSES)}, with commas between; none or any", "active,closed", is_list=True,
            presence=True, is_contract=True,
        ),
        lists=Lists("active,closed", "draft,archived"), syntax=Syntax("status"),
        order=Order("order.status", is_contract=True), facet=1,
    ),
    Field(
        "channel", "choice", choices=CHANNELS,
        plain=Plain("email or sms; none or any", "email", presence=True, is_contract=True),
        lists=Lists("email", "sms"), syntax=Syntax("channel"), order=Order("order.channel", is_contract=True), facet=2,
    ),
    Field(
        "direction", "choice", choices=DIRECTIONS,
        plain=Plain(
            f"any of {', '.join(DIRECTIONS)}, with commas between; none or any", "inbound", is_list=True, presence=True
        ),
        lists=Lists("inbound", "outbound"), syntax=Syntax("direction"), facet=6,
    ),
    Field(
        "category", "name", path="categories", has_several=True,
        plain=Plain(
            "any of these category names, with commas between; names may hold spaces; "
            "a name with a comma is written in double quotes; none or any",
            'Questions,"Docs, translations"', is_list=True, presence=True, is_contract=True,
        ),
        lists=Lists("Questions,Bugs", "Releases"), syntax=Syntax("category", "a category's name"), facet=3,
        any_case="categories.any_case",
    ),
    Field(
        "agent_uid", "uid",
        plain=Plain("assigned agent; none or any", EXAMPLE_AGENT, presence=True, is_contract=True),
        lists=Lists(f"{EXAMPLE_AGENT},{_OTHER_AGENT}", _OTHER_AGENT),
        syntax=Syntax("agent", "the assigned agent's uid"),
        states={"is:assigned": ANY, "is:unassigned": NONE}, facet=4,
    ),
    Field(
        "party_uid", "uid",
        plain=Plain("associated party; none or any", EXAMPLE_PARTY, presence=True, is_contract=True),
        lists=Lists(f"{EXAMPLE_PARTY},{_OTHER_PARTY}", _OTHER_PARTY),
        syntax=Syntax("party", "the associated party's uid"),
    ),
    Field(
        "created_by_uid", "uid", plain=Plain("the user who created it; none or any", EXAMPLE_AGENT, presence=True),
        lists=Lists(f"{EXAMPLE_AGENT},{_OTHER_AGENT}", _OTHER_AGENT),
        syntax=Syntax("creator", "the uid of the user who created it"),
    ),
    Field(
        "has_reply", "boolean", plain=Plain("whether it was answered; none or any", "true", presence=True),
        states={"is:replied": True, "is:unreplied": False}, order=Order("has_reply"),
    ),
    Field(
        "has_attachments", "boolean", path="metadata.has_attachments",
        plain=Plain("whether files are attached; none or any", "false", presence=True),
        states={"has:attachment": True, "has:attachments": True},
    ),
    Field(
        "from_email", "address", path="metadata.from_email", words=("metadata.from_email.words", "metadata.from_name"),
        plain=Plain(
            "any of these senders' addresses, with commas between; none or any", "anthony@interlink.com.au",
            is_list=True, presence=True,
        ),
        syntax=Syntax("from", "the sender: a whole address, or a part of it or of the name"),
    ),
    Field(
        "to_emails", "address", path="metadata.to_emails", words=("metadata.to_emails.words",), has_several=True,
        plain=Plain(
            "any of these recipients' addresses, with commas between; none or any", "none", is_list=True, presence=True
        ),
        syntax=Syntax("to", "a recipient, also of a copy (Cc): a whole address, or a part of it"),
        covers=("cc_emails",),
    ),
    Field(
        "cc_emails", "address", path="metadata.cc_emails", words=("metadata.cc_emails.words",), has_several=True,
        plain=Plain(
            "any of these addresses in Cc, with commas between; none or any", "none", is_list=True, presence=True
        ),
        syntax=Syntax("cc", "a recipient of a copy (Cc): a whole address, or a part of it"),
    ),
    Field(
        "label", "name", path="metadata.labels", has_several=True,
        plain=Plain(
            "any of these labels, with commas between; none or any", "none", is_list=True, presence=True
        ),
        syntax=Syntax("label", "a label"),
    ),
    Field(
        "parent_conversation_uid", "uid",
        plain=Plain(
            "any of the conversations that it belongs to, with commas between; none or any", "none",
            is_list=True, presence=True,
        ),
    ),
    Field(
        "message_count", "number",
        plain=Plain(f"how many messages it has, from 0 to {LARGEST_NUMBER}; none or any", "4", presence=True),
        bounds={"gte": "4", "gt": "3", "lte": "4", "lt": "5"}, syntax=Syntax("messages", "how many messages it has"),
        order=Order("message_count"),
    ),
)  # fmt: skip

RELEVANCE = "relevance"  # an order that is not by a field
FIELDS_BY_NAME: dict[str, Field] = {row.name: row for row in FIELDS}
CONTRACT_FILTERS = tuple(row.name for row in FIELDS if row.plain is not None and row.plain.is_contract)
CONTRACT_SORTS = tuple(row.name for row in FIELDS if row.order is not None and row.order.is_contract)
SORT_FIELDS = (
    *CONTRACT_SORTS,
    *(row.name for row in FIELDS if row.order is not None and not row.order.is_contract),
    RELEVANCE,
)
SORT_KEYS: dict[str, str] = {row.name: row.order.key for row in FIELDS if row.order is not None} | {RELEVANCE: "_score"}
FACET_FIELDS = tuple(row.name for row in sorted(FIELDS, key=lambda row: row.facet) if row.facet)


def states_of(fields: Sequence[Field]) -> dict[str, dict[str, tuple[Field, bool | str]]]:
    """For each prefix ("is", "has"), the words that may follow it, each with its field and value."""
    found: dict[str, dict[str, tuple[Field, bool | str]]] = {}
    for row in fields:
        for state, value in row.states.items():
            prefix, _, word = state.partition(":")
            found.setdefault(prefix, {})[word] = (row, value)
    return found


def shown_words(states: Mapping[str, tuple[Field, bool | str]], prefix: str) -> tuple[str, ...]:
    """The words that are shown to users: one for each value."""
    return tuple(word for word, (row, value) in states.items() if row.shown_states[value] == f"{prefix}:{word}")


def with_presence(message: str) -> str:
    """The message about a value that may also be none or any: adds these two to what the value must be."""
    if not message.startswith("must be "):  # it does not say what a value may be
        return message
    must, semicolon, near = message.partition("; did you mean")
    return f"{must}, or {NONE} or {ANY}{semicolon}{near}"
