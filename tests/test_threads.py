"""The groups of a set of messages are those of a simple model that compares every pair, in memory and on disk."""

from __future__ import annotations

from hypothesis import given

from service.sources.facts import Fact
from service.sources.groups import components
from service.sources.message import Message
from service.sources.spool import Spool
from service.sources.threads import MailRule
from tests.import_model import KIND
from tests.random_messages import messages

MONTH = 30 * 24 * 3600 * 1000


def order(fact: Fact) -> tuple[int, int]:
    return fact.date, fact.id


def receivers(fact: Fact) -> list[int]:
    return [person for person in fact.participants if person != fact.sender]


def first(fact: Fact) -> int:
    return (receivers(fact) or [fact.sender])[0]


def answers_what_its_sender_received(earlier: Fact, later: Fact) -> bool:
    return earlier.sender == first(later) and later.sender in receivers(earlier)


def are_joined(earlier: Fact, later: Fact) -> bool:
    """Whether these two messages always belong to one conversation."""
    if {earlier.id, *earlier.references} & {later.id, *later.references}:
        return True
    if not is_lone_reply(later) or not later.subject:
        return False
    if later.subject != earlier.subject or later.date - earlier.date > MONTH:
        return False
    if later.is_specific and {*later.lists} & {*earlier.lists} and not is_lone_reply(earlier):
        return True
    return not later.is_forwarded and have_the_same_other_side(earlier, later)


def is_answer(fact: Fact) -> bool:
    return is_lone_reply(fact) and not fact.is_forwarded


def is_lone_reply(fact: Fact) -> bool:
    return fact.is_marked and not fact.references


def have_the_same_other_side(earlier: Fact, later: Fact) -> bool:
    if answers_what_its_sender_received(earlier, later):
        return True
    if earlier.sender == later.sender and first(earlier) == first(later) and not is_answer(earlier):
        return True
    return bool(later.outsider) and later.outsider == earlier.outsider and not earlier.is_forwarded


def expected(facts: list[Fact]) -> set[frozenset[int]]:
    joined = {fact.id: {fact.id} for fact in facts}

    def join(one: int, other: int) -> None:
        both = joined[one] | joined[other]
        joined.update(dict.fromkeys(both, both))

    ordered = sorted(facts, key=order)
    ids = set(joined)
    for at, later in enumerate(ordered):
        for earlier in ordered[:at]:
            if are_joined(earlier, later):
                join(earlier.id, later.id)
        settled = any(ids & set(one.references) for one in facts if one.id == later.id and soft(one))
        if soft(later) and not settled:
            alike = [one for one in ordered[:at] if one.subject == later.subject]
            posted = [one for one in alike if not (one.is_specific and is_lone_reply(one))]
            places = [[one for one in posted if name in one.lists] for name in later.lists]
            for seen in [*places, [one for one in alike if answers_what_its_sender_received(one, later)]]:
                if seen and later.date - seen[-1].date <= MONTH:
                    join(seen[-1].id, later.id)
    return {frozenset(group) for group in joined.values()}


def soft(fact: Fact) -> bool:
    return bool(fact.subject) and fact.is_reply and not fact.is_marked


@given(messages)
def test_groups_are_those_of_every_pair(some: list[Message]) -> None:
    unique = list({one.id: one for one in some}.values())
    facts = [KIND.fact(one) for one in unique]
    wanted = expected(facts)
    assert {frozenset(fact.id for fact in group) for group in components(facts, MailRule())} == wanted
    duplicates: list[Message] = []
    with Spool(Message, MailRule()) as spool:
        spool.fill(((KIND.fact(one), one) for one in [*unique, *unique[:2]]), duplicates.append)
        groups = [[piece.fact for piece in group] for group in spool.conversations()]
    assert {frozenset(fact.id for fact in group) for group in groups} == wanted
    assert duplicates == unique[:2]
    firsts = [order(group[0]) for group in groups]
    assert firsts == sorted(firsts)


@given(messages)
def test_messages_that_are_joined_find_each_other_by_their_keys(some: list[Message]) -> None:
    rule = MailRule()
    facts = sorted((KIND.fact(one) for one in some), key=order)
    for at, later in enumerate(facts):
        for earlier in facts[:at]:
            if are_joined(earlier, later):
                assert {*rule.stored_keys(earlier)} & {*rule.asked_keys(later)}
                assert {*rule.stored_keys(later)} & {*rule.asked_keys(earlier)}
