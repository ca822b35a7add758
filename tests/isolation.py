"""Random callers, requests, and conversations in which each text names its owner, for tests/node/test_isolation.py.

Each text holds a mark of its organization, agent and party. Words of different owners differ in one or a few letters,
so a search for incomplete or similar words that ignored the owner would find them.
"""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode
from uuid import UUID

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, Conversation, Metadata
from service.query.conditions import MATCHES
from service.query.conversation_query import INTERVALS
from service.query.fields import FACET_FIELDS, FIELDS
from service.query.parameters import (
    BULK_PARAMETERS,
    COUNT_PARAMETERS,
    DELETE_PARAMETERS,
    EXAMPLE_ORGANIZATION,
    EXPORT_PARAMETERS,
    GET_PARAMETERS,
    LIST_PARAMETERS,
    ORDERS,
    SUGGEST_PARAMETERS,
)
from tests.corpus import AGENTS, ORGANIZATIONS, PARTIES

SIZES = (110, 110, 50, 0)
BASES = ("acquisition", "merger", "invoice", "rechnung", "paket")
NEUTRAL = ("report", "weekly", "delta")
MARK = re.compile(r"zq[a-d][f-k][vwxzj]", re.IGNORECASE)
UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LIST, CALLER = "/api/conversations", "/api/caller"
KIND_OF = {row.name: row.kind for row in FIELDS}
LONG_AGO = "1980-01-01T00:00:00Z"


def conversations(seed: int = 18) -> list[Conversation]:
    rng = random.Random(seed)
    return [_conversation(rng, place) for place, size in enumerate(SIZES) for _ in range(size)]


def _conversation(rng: random.Random, place: int) -> Conversation:
    agent, party = rng.choice([None, 0, 1, 2, 3, 4]), rng.choice([None, 0, 1, 2, 3])
    mark = (
        "zq" + "abcd"[place] + ("k" if agent is None else "fghij"[agent]) + ("j" if party is None else "vwxz"[party])
    )  # no ending in any language
    when = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(400_000))
    words = [
        *rng.sample(NEUTRAL, rng.randint(0, 2)),
        *(f"{base}{mark}" for base in rng.sample(BASES, rng.randint(1, 2))),
    ]
    address = f"{rng.choice(BASES)}.{mark}@{mark}.example"
    return Conversation(
        uid=UUID(int=rng.getrandbits(128), version=4), organization_uid=ORGANIZATIONS[place],
        channel=rng.choice(CHANNELS), direction=rng.choice(DIRECTIONS), status=rng.choice(STATUSES),
        subject=" ".join(rng.sample(words, len(words))), categories=[f"Deal {mark}"][: rng.randint(0, 1)],
        sent_at=when, is_read=rng.choice([True, False]), has_reply=rng.choice([True, False]), message_count=rng.randint(1, 9),
        metadata=Metadata(
            from_email=address, from_name=f"Ada {mark}", to_emails=[f"to.{address}"], cc_emails=[f"cc.{address}"],
            snippet=f"text {mark}", labels=[f"label {mark}"], thread_id=mark, provider_message_id=mark,
        ),
        agent_uid=None if agent is None else AGENTS[agent], party_uid=None if party is None else PARTIES[party],
        created_by_uid=uuid.uuid5(uuid.NAMESPACE_URL, mark), created_on=when, updated_on=when + timedelta(hours=1),
    )  # fmt: skip


@dataclass(frozen=True)
class Who:
    """A caller: indexes in ORGANIZATIONS (the first is the default), and in AGENTS or PARTIES if it sees only some."""

    organizations: tuple[int, ...]
    agents: tuple[int, ...] = ()
    parties: tuple[int, ...] = ()

    @property
    def uids(self) -> tuple[UUID, ...]:
        return tuple(ORGANIZATIONS[place] for place in self.organizations)

    @property
    def restriction(self) -> dict[str, tuple[UUID, ...]]:
        return {
            "agents": tuple(AGENTS[one] for one in self.agents),
            "parties": tuple(PARTIES[one] for one in self.parties),
        }

    @property
    def is_restricted(self) -> bool:
        return bool(self.agents or self.parties)

    def sees(self, one: Conversation) -> bool:
        agents, parties = self.restriction["agents"], self.restriction["parties"]
        return (
            one.organization_uid in self.uids
            and (not agents or one.agent_uid in agents)
            and (not parties or one.party_uid in parties)
        )


CALLERS = (
    Who((0,)), Who((1,)), Who((0, 2)), Who((0,), agents=(0,)), Who((0, 1), agents=(1, 2), parties=(0, 1)),
    Who((1,), parties=(2,)), Who((3,)),
)  # fmt: skip


@dataclass
class Request:
    """One request. `total` is what it must count, if plain Python can compute it.

    `is_deep`: it goes to a service that finds every page by rank descent, whatever the page's number.
    """

    method: str
    path: str
    parameters: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    total: int | None = None
    is_deep: bool = False

    @property
    def target(self) -> str:
        return self.path + (f"?{urlencode(self.parameters)}" if self.parameters else "")

    @property
    def text(self) -> str:
        """All that the caller wrote."""
        return f"{self.path} {self.parameters} {self.headers} {self.body}".casefold()


class Asker:
    """Makes random requests of a caller who knows words, addresses, names and uids of everybody."""

    def __init__(self, everything: list[Conversation], rng: random.Random) -> None:
        self._all, self._rng = everything, rng
        self._paged: dict[Who, Request] = {}  # the last request of each caller for a page of results

    def request(self, who: Who) -> Request:
        if who in self._paged and self._rng.random() < 0.15:
            return self._again(who)
        ways = (
            (self._list, 40), (self._counted, 20), (self._count, 10), (self._suggest, 16), (self._export, 4), (self._one, 12),
            (self._delete, 3), (self._bulk, 3), (self._elsewhere, 1), (self._caller, 3), (self._sign_in, 2), (self._docs, 2),
        )  # fmt: skip
        (way,) = self._rng.choices([way for way, _ in ways], [weight for _, weight in ways])
        asked: Request = way(who)
        asked.is_deep = self._rng.random() < 0.5
        if self._rng.random() < 0.1:
            asked.headers["Prefer"] = "handling=strict"
        if asked.total is not None and asked.path == LIST:
            self._paged[who] = asked
        return asked

    def _again(self, who: Who) -> Request:
        """The same page again, or another one of the same query, so that the service uses what it has cached."""
        before = self._paged[who]
        pages = (dict(before.parameters)["page"], str(self._rng.randint(1, 9)))
        others = [one for one in before.parameters if one[0] != "page"]
        return replace(before, parameters=[*others, ("page", self._rng.choice(pages))])

    def _list(self, who: Who) -> Request:
        return Request(
            self._rng.choice(("GET", "GET", "GET", "GET", "HEAD")), LIST, self._parameters(who, LIST_PARAMETERS)
        )

    def _count(self, who: Who) -> Request:
        return Request("GET", f"{LIST}/count", self._parameters(who, COUNT_PARAMETERS))

    def _export(self, who: Who) -> Request:
        return Request("GET", f"{LIST}/export", self._parameters(who, EXPORT_PARAMETERS))

    def _suggest(self, who: Who) -> Request:
        """Completions of a word of any owner, or of its beginning, which words of other owners share."""
        typed = self._rng.choice(
            (self._word(), self._begun(), self._begun(), f"{self._rng.choice(NEUTRAL)} {self._begun()}")
        )
        return Request("GET", f"{LIST}/suggest", [*self._organization(who), (SUGGEST_PARAMETERS[1].name, typed)])

    def _one(self, who: Who) -> Request:
        uid = self._uid()
        return Request(self._rng.choice(("GET", "GET", "HEAD")), f"{LIST}/{uid}", self._some(who, GET_PARAMETERS))

    def _delete(self, who: Who) -> Request:
        """A deletion with a time long ago, so that it deletes nothing."""
        parameters = [*self._some(who, (DELETE_PARAMETERS[0],)), ("deleted_on", LONG_AGO)]
        if self._rng.random() < 0.1:
            parameters.append(("refresh", self._rng.choice(("false", "maybe"))))
        return Request("DELETE", f"{LIST}/{self._uid()}", parameters)

    def _bulk(self, _who: Who) -> Request:
        """Conversations of any owner as they are stored, so that nothing changes."""
        lines = [one.model_dump_json() for one in self._rng.sample(self._all, 3)]
        return Request("POST", f"{LIST}/bulk", self._some(_who, BULK_PARAMETERS), body="\n".join([*lines, "{}"]))

    def _elsewhere(self, _who: Who) -> Request:
        return Request("GET", self._rng.choice(("/nowhere", f"{LIST}/{self._word()}", "/health/live", f"{LIST}/x/y")))

    def _caller(self, who: Who) -> Request:
        return Request("GET", CALLER, self._organization(who) if self._rng.random() < 0.3 else [])

    def _sign_in(self, _who: Who) -> Request:
        body = json.dumps({"code": self._rng.choice((self._word(), "", str(self._uid())))})
        return Request(self._rng.choice(("POST", "POST", "GET")), "/sign-in", body=body)

    def _docs(self, _who: Who) -> Request:
        return Request("GET", self._rng.choice(("/docs", "/docs", "/docs/openapi.json", f"/docs/{self._word()}")))

    def _counted(self, who: Who) -> Request:
        """A list or a count whose total plain Python can compute."""
        where: list[tuple[str, str]] = []
        found = [one for one in self._all if who.sees(one) and one.organization_uid == who.uids[0]]
        some = self._rng.choice(self._all)
        choices = {
            "status": some.status,
            "channel": some.channel,
            "agent_uid": some.agent_uid,
            "party_uid": some.party_uid,
        }
        for name in self._rng.sample(sorted(choices), self._rng.choice((0, 1, 1, 2))):
            value = choices[name]
            where.append((name, "none" if value is None else str(value)))
            found = [one for one in found if getattr(one, name) == value]
        if self._rng.random() < 0.5:
            word = self._rng.choice((*NEUTRAL, self._word(), (some.subject or "").split()[0]))
            where.append(("search", word))
            found = [one for one in found if word in (one.subject or "").split()]
        path = self._rng.choice((LIST, LIST, f"{LIST}/count"))
        if path == LIST:
            orders = [order for order in ORDERS if order != "relevance" or "search" in dict(where)]
            where += [("sort", self._rng.choice(orders)), ("page", str(self._rng.randint(1, 9)))]
            where.append(("per_page", self._rng.choice(("1", "2", "5", "10"))))
        return Request("GET", path, [*where, ("facets", "agent_uid,category,status")], total=len(found))

    def _parameters(self, who: Who, known: tuple[object, ...]) -> list[tuple[str, str]]:
        names = [str(getattr(one, "name", "")) for one in known]
        names.remove("organization_uid")
        chosen = self._rng.sample(names, self._rng.choice((0, 1, 1, 2, 2, 3, 4)))
        for often in ("search", "q", "match", "suggest", "facets", "highlight", "explain", "cursor"):
            if often in names and often not in chosen and self._rng.random() < 0.22:
                chosen.append(often)
        return [*self._organization(who), *((name, self._value(name)) for name in chosen)]

    def _some(self, who: Who, known: tuple[object, ...]) -> list[tuple[str, str]]:
        return [
            *(self._organization(who) if any(getattr(one, "name", "") == "organization_uid" for one in known) else []),
            *([("refresh", "false")] if any(getattr(one, "name", "") == "refresh" for one in known) else []),
        ]

    def _organization(self, who: Who) -> list[tuple[str, str]]:
        """Often no organization, sometimes one of the caller, seldom any one, or one that does not exist."""
        chance = self._rng.random()
        if chance < 0.6:
            return []
        if chance < 0.9:
            return [("organization_uid", str(self._rng.choice(who.uids)))]
        return [("organization_uid", str(self._rng.choice([*ORGANIZATIONS, uuid.UUID(int=7)])))]

    def _value(self, name: str) -> str:
        made: dict[str, Callable[[], str]] = {
            "search": self._typed, "q": self._box, "match": lambda: self._rng.choice(MATCHES),
            "sort": lambda: ",".join(self._rng.sample(ORDERS, self._rng.randint(1, 2))),
            "page": lambda: self._rng.choice(("1", "1", "2", "3", "90")), "per_page": lambda: self._rng.choice(("1", "5", "100")),
            "cursor": lambda: self._rng.choice(("*", "*", self._word())), "tz": lambda: self._rng.choice(("UTC", "Asia/Tokyo")),
            "facets": lambda: ",".join(self._rng.sample(sorted(FACET_FIELDS), 3)),
            "facets[created_on]": lambda: self._rng.choice(INTERVALS), "highlight": lambda: "subject",
            "suggest": lambda: self._rng.choice(("true", "true", "false")), "explain": lambda: "query",
        }  # fmt: skip
        if name in made:
            return made[name]()
        base = re.sub(r"(\[\w+\]|!)$", "", name)
        if base == name and self._rng.random() < 0.15:
            return self._rng.choice(("none", "any"))
        return self._field_value(base)

    def _field_value(self, name: str) -> str:
        some = self._rng.choice(self._all)
        mark = mark_of(some)
        by_kind: dict[str, Callable[[], str]] = {
            "uid": lambda: str(self._rng.choice([*AGENTS, *PARTIES[:4], some.uid, some.created_by_uid])),
            "choice": lambda: self._rng.choice((*STATUSES, *CHANNELS, *DIRECTIONS)),
            "name": lambda: self._rng.choice((f"Deal {mark}", f"label {mark}", f"deal {mark}", "Deal")),
            "address": lambda: self._rng.choice((str(some.metadata.from_email), f"to.{some.metadata.from_email}", f"x@{mark}.example")),
            "boolean": lambda: self._rng.choice(("true", "false")),
            "number": lambda: str(self._rng.randint(0, 9)),
            "time": lambda: f"2024-0{self._rng.randint(1, 9)}",
            "text": lambda: "any",
        }  # fmt: skip
        return by_kind[KIND_OF[name]]()

    def _typed(self) -> str:
        """A word of any owner, correct, mistyped or incomplete; alone, or after a word that all owners have."""
        text = self._rng.choice((self._word, self._mistyped, self._begun, lambda: self._rng.choice(NEUTRAL)))()
        return f"{self._rng.choice(NEUTRAL)} {text}" if self._rng.random() < 0.2 else text

    def _box(self) -> str:
        some = self._rng.choice(self._all)
        mark = mark_of(some)
        return self._rng.choice(
            (
                self._typed(), f"-{self._word()}", f"{self._begun()}*", f'"{some.subject}"', f"from:{mark}", f"from:ada{mark[:4]}*",
                f'category:"Deal {mark}"', "label:zq*", f"from:{self._begun()}", f"to:{some.metadata.from_email}",
                f"({self._word()} OR {self._mistyped()}) is:unread", f"subject:{self._begun()}*", f"agent:{some.agent_uid}",
                f"party:{some.party_uid} {self._typed()}", f"creator:{some.created_by_uid}",
            )
        )  # fmt: skip

    def _word(self) -> str:
        return self._rng.choice(BASES) + mark_of(self._rng.choice(self._all))

    def _begun(self) -> str:
        """A word without its last 1 to 8 letters; the last 5 are its mark."""
        word = self._word()
        return word[: len(word) - self._rng.randint(1, 8)]

    def _mistyped(self) -> str:
        """A word with one mistake. Words of several owners are equally similar to it."""
        word = self._word()
        at = self._rng.randrange(3, len(word))
        return self._rng.choice(
            (
                word[:at] + word[at + 1 :],
                word[:at] + self._rng.choice("xyk") + word[at:],
                word[:at] + "x" + word[at + 1 :],
            )
        )

    def _uid(self) -> str:
        return str(
            self._rng.choice((self._rng.choice(self._all).uid, uuid.UUID(int=self._rng.getrandbits(128), version=4)))
        )


def mark_of(one: Conversation) -> str:
    """The mark in its texts."""
    found = MARK.search(str(one.subject))
    assert found is not None
    return found[0]


def leaked(who: Who, organization: UUID, asked: Request, everything: list[Conversation], said: str) -> set[str]:
    """Marks and uids in an answer that the caller may not see in the organization, and that are not in the request.

    An answer of CALLER may hold all organizations of the caller.
    """
    visible = [one for one in everything if who.sees(one) and one.organization_uid == organization]
    marks = {mark_of(one) for one in visible}
    uids = {
        str(uid) for one in visible for uid in (one.uid, one.agent_uid, one.party_uid, one.created_by_uid, organization)
    } | {str(organization)}
    uids.update(map(str, who.uids) if asked.path == CALLER else ())
    uids.add(EXAMPLE_ORGANIZATION)  # the example of a uid in messages
    named = set(UID.findall(said))
    if asked.path.startswith("/docs"):  # its examples have uids that belong to nobody
        named &= {
            str(uid) for one in everything for uid in (one.uid, one.organization_uid, one.agent_uid, one.party_uid)
        }
    found = ({mark.casefold() for mark in MARK.findall(said)} - marks) | (named - uids)
    given = asked.text + quote(asked.text)
    return {one for one in found if one not in given}
