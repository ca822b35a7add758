"""No answer depends on or contains what another organization wrote, or what the caller's restriction hides.

Each random request goes to two services: one has all conversations, the other only those that the caller may see. The
answers must be the same, byte by byte, without a mark or a uid of others. Plain Python computes the totals of some.
Half of the requests use windows so small that every page is a rank descent with a sample; every near page is
remembered. ISOLATION_REQUESTS=20000 sends that many requests; docs/reliability.md has the figures.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import httpx
import pytest

from service import telemetry
from service.conversation import Conversation
from service.query.parameters import LIST_PARAMETERS
from service.search.paging import near_pages
from service.search.paging.rank_descent import Windows
from service.search.paging.sampling import Sampling
from service.settings import Settings
from tests import isolation
from tests.corpus import ORGANIZATIONS
from tests.isolation import CALLERS, Asker, Request, Who
from tests.node.asking import SCOPE
from tests.node.clusters import own_alias
from tests.node.comparing import _CURSOR, comparable
from tests.node.serving import Api, serving

REQUESTS = int(os.environ.get("ISOLATION_REQUESTS", "600"))
PATIENCE = 60.0  # seconds for each request; with fewer, pages lack suggestions or time out on a busy machine
SEED = int(os.environ.get("ISOLATION_SEED", "18"))
DEEP = Windows(dates=0, numbers=0, texts=0, scores=0, slice=3, sampling=Sampling(bits=1, least=9))


@dataclass
class Served:
    """Two services over the same conversations: one with the default windows, one with DEEP."""

    plain: Api
    deep: Api


@dataclass
class Pair:
    """A caller at two services: one has everything, the other only what the caller sees, and no restriction."""

    who: Who
    everything: Served
    only_its_own: Served
    tokens: tuple[str, str]
    cursors: list[tuple[Request, tuple[str, str]]] = field(default_factory=list)

    def ask(self, asked: Request, at: int) -> httpx.Response:
        served = (self.everything, self.only_its_own)[at]
        api = served.deep if asked.is_deep else served.plain
        headers = {"Authorization": f"Bearer {self.tokens[at]}", **asked.headers}
        return api.http.request(asked.method, api.address + asked.target, headers=headers, content=asked.body or None)


@dataclass
class Tally:
    """Counts of requests and answers: they show that not all requests were refused."""

    statuses: Counter[int] = field(default_factory=Counter)
    parameters: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def everything() -> list[Conversation]:
    return isolation.conversations()


@pytest.fixture(scope="module")
def pairs(settings: Settings, opensearch_url: str, everything: list[Conversation]) -> Iterator[list[Pair]]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(near_pages, "WORTH_IT", 1)

        def served(conversations: list[Conversation]) -> Served:
            patient = settings.but(request_timeout=PATIENCE)
            cluster = stack.enter_context(own_alias(patient, opensearch_url))
            cluster.load(conversations)
            plain, deep = (
                stack.enter_context(contextmanager(serving)(cluster.settings, cluster.url, windows))
                for windows in (None, DEEP)
            )
            return Served(plain, deep)

        whole = served(everything)
        found = []
        for who in CALLERS:
            own = served([one for one in everything if who.sees(one)])
            options = {"default": who.uids[0]}
            tokens = (
                whole.plain.token(
                    *who.uids, **options, **who.restriction, scopes=SCOPE if not who.is_restricted else SCOPE[1:]
                ),
                own.plain.token(*who.uids, **options, scopes=SCOPE if not who.is_restricted else SCOPE[1:]),
            )
            found.append(Pair(who, whole, own, tokens))
        yield found


def delete_in_other_copies(pairs: list[Pair], pair: Pair, asked: Request) -> None:
    """Repeats a deletion in the copies that other callers of the organization have.

    A deletion of a missing conversation leaves a tombstone too, and so changes the answer to the next deletion.
    """
    organization = organization_of(pair, asked)
    others = [one for one in asked.parameters if one[0] != "organization_uid"]
    sent = Request(asked.method, asked.path, [("organization_uid", str(organization)), *others], asked.headers)
    for one in pairs:
        if one is not pair and organization in one.who.uids and not one.who.is_restricted:
            assert one.ask(sent, 1).status_code == 200


def organization_of(pair: Pair, asked: Request) -> UUID:
    named = dict(asked.parameters).get("organization_uid")
    return UUID(named) if named else pair.who.uids[0]


def check(pair: Pair, asked: Request, everything: list[Conversation], tally: Tally) -> httpx.Response:
    given = asked
    cursors = ("", "")
    if pair.cursors and asked.path == isolation.LIST and tally.statuses.total() % 6 == 0:
        given, cursors = pair.cursors.pop(0)
    answers = []
    for at in (0, 1):
        sent = given
        if cursors[at]:
            others = [(name, value) for name, value in given.parameters if name != "cursor"]
            sent = replace(given, parameters=[*others, ("cursor", cursors[at])], total=None)
        answers.append(pair.ask(sent, at))
    whole, alone = answers
    said = f"{whole.headers} {whole.text}"
    assert comparable(whole) == comparable(alone), (pair.who, given)
    if given.path == isolation.CALLER and whole.status_code == 200:
        assert whole.json()["data"]["is_restricted"] is pair.who.is_restricted
    found = isolation.leaked(pair.who, organization_of(pair, given), given, everything, said)
    assert not found, (pair.who, given, found)
    if given.total is not None:
        data = whole.json()["data"]
        assert data.get("pagination", data)["total"] == given.total, (pair.who, given)
    _note(pair, given, whole, alone, tally)
    return whole


def _note(pair: Pair, asked: Request, whole: httpx.Response, alone: httpx.Response, tally: Tally) -> None:
    tally.statuses[whole.status_code] += 1
    tally.paths.update([asked.path])
    if whole.status_code != 200 or not whole.text:
        return
    tally.parameters.update(name for name, _value in asked.parameters)
    tally.seen.update(
        name for name in ("did_you_mean\":{", "\"highlights\":{\"", "\"words\":[{", "\"senders\":[{", "\"facets\":{") if name in whole.text
    )  # fmt: skip
    if etag := whole.headers.get("etag"):
        for at, tag in enumerate((etag, alone.headers["etag"])):
            again = replace(asked, headers={**asked.headers, "If-None-Match": tag})
            if tally.statuses.total() % 25 == 0 and "cursor" not in dict(asked.parameters):
                assert pair.ask(again, at).status_code == 304
    cursors = [_CURSOR.search(answer.text) for answer in (whole, alone)]
    if cursors[0] is not None and cursors[1] is not None and len(pair.cursors) < 50:
        pair.cursors.append((asked, (cursors[0][0], cursors[1][0])))


def test_random_requests_are_answered_as_if_the_others_were_not_there(
    pairs: list[Pair], everything: list[Conversation]
) -> None:
    rng = random.Random(SEED)
    asker = Asker(everything, rng)
    tally = Tally()
    before = plans()
    while tally.statuses.total() < REQUESTS:
        pair = rng.choice(pairs)
        asked = asker.request(pair.who)
        whole = check(pair, asked, everything, tally)
        if asked.method == "DELETE" and whole.status_code == 200:
            delete_in_other_copies(pairs, pair, asked)
    assert {200, 400, 403, 404} <= tally.statuses.keys(), tally.statuses
    assert not [status for status in tally.statuses if status >= 429], tally.statuses
    assert tally.statuses[200] > tally.statuses.total() * 0.6, tally.statuses
    assert len(tally.seen) == 5, tally.seen
    assert {isolation.CALLER, "/sign-in", "/docs"} <= tally.paths.keys(), tally.paths
    pages = plans() - before
    assert all(pages[plan] > tally.statuses.total() / 60 for plan in ("plain", "hinted", "counted", "walk")), pages
    if REQUESTS >= 5000:
        assert {one.name for one in LIST_PARAMETERS} <= tally.parameters.keys()
    print(tally.statuses.total(), "requests", dict(tally.statuses), dict(tally.seen), dict(pages))


def plans() -> Counter[str]:
    """How many pages were found in each way so far, by all services: they are in this process."""
    value = telemetry.REGISTRY.get_sample_value
    names = ("plain", "hinted", "counted", "walk")
    return Counter({name: int(value("conversations_pages_total", {"plan": name}) or 0) for name in names})


def test_a_cursor_is_refused_for_callers_who_see_other_conversations(pairs: list[Pair]) -> None:
    start = Request("GET", isolation.LIST, [("cursor", "*"), ("per_page", "1")])
    owned = [(pair, pair.ask(start, 0).json()["data"]["pagination"]["next_cursor"]) for pair in pairs]
    used = 0
    for owner, cursor in owned:
        for pair in pairs:
            if cursor and pair is not owner:
                answer = pair.ask(Request("GET", isolation.LIST, [("cursor", cursor), ("per_page", "1")]), 0)
                shares = owner.who.uids[0] == pair.who.uids[0] and not (
                    owner.who.is_restricted or pair.who.is_restricted
                )
                assert answer.status_code == (200 if shares else 400), (owner.who, pair.who)
                used += 1
    assert used > 30


def test_hidden_and_unknown_conversations_have_the_same_404(pairs: list[Pair], everything: list[Conversation]) -> None:
    for pair in pairs:
        hidden = [one for one in everything if not pair.who.sees(one)][:40]
        nowhere = comparable(pair.ask(Request("GET", f"{isolation.LIST}/{UUID(int=9, version=4)}"), 0))
        assert nowhere[0] == 404
        for one in hidden:
            assert comparable(pair.ask(Request("GET", f"{isolation.LIST}/{one.uid}"), 0)) == nowhere


def test_an_organization_of_others_is_refused_alike_whether_it_exists_or_not(pairs: list[Pair]) -> None:
    nowhere = UUID(int=9, version=4)
    for pair in pairs:
        for path in ("", "/count", "/export", f"/{UUID(int=7, version=4)}", "/suggest?q=a"):
            answers = []
            for organization in (nowhere, *(one for one in ORGANIZATIONS if one not in pair.who.uids)):
                named = "&" if "?" in path else "?"
                target = f"{isolation.LIST}{path}{named}organization_uid={organization}"
                status, headers, body = comparable(pair.ask(Request("GET", target), 0))
                assert status == 403
                answers.append((headers, body.replace(str(organization), "ITS UID")))
            assert len(answers) > 1
            assert all(one == answers[0] for one in answers)


def test_fuzzy_words_and_prefixes_find_the_words_of_the_own_organization(
    pairs: list[Pair], everything: list[Conversation]
) -> None:
    """Such requests could find words of others, so the other tests prove something."""
    for place in (0, 1):
        pair = pairs[place]
        subject = next(one.subject for one in everything if one.organization_uid == ORGANIZATIONS[place])
        mine = next(word for word in (subject or "").split() if isolation.MARK.search(word))
        fuzzy = [("search", f"{mine[:-1]}q"), ("match", "fuzzy")]
        found = pair.ask(Request("GET", isolation.LIST, fuzzy), 0).json()["data"]
        assert found["pagination"]["total"] > 0
        typed = pair.ask(Request("GET", f"{isolation.LIST}/suggest", [("q", mine[:6])]), 0).json()["data"]
        assert isolation.MARK.search(json.dumps(typed["words"]))
