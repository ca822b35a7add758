"""Threads are the same in whatever order the messages come, and those of a plain model: sets joined until none touch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.sources.message import Address, Message
from service.sources.threads import Thread, threads

START = datetime(2024, 1, 1, tzinfo=UTC)
SUBJECTS: dict[str | None, tuple[str, bool]] = {
    "Plan": ("plan", False),
    "Re: plan": ("plan", True),
    "[list] AW: PLAN": ("plan", True),
    "Other": ("other", False),
    "RE: Re: other": ("other", True),
    "Re:": ("", True),
    None: ("", False),
}
"""Each with what is compared of it, and whether it is a reply's."""
NAMES = [f"{letter}@x" for letter in "abcdefghijkl"]
days = st.sampled_from([0, 1, 29, 30, 31, 60, 61, 90])


def message(name: str, references: list[str], subject: str | None, day: int, second: int) -> Message:
    return Message(
        id=name,
        references=tuple(dict.fromkeys(references)),
        subject=subject,
        sender=Address(None, None),
        to=(),
        cc=(),
        date=START + timedelta(days=day, seconds=second),
        snippet=None,
        attachments=0,
        seen=None,
    )


messages = st.lists(
    st.builds(
        message,
        st.sampled_from(NAMES[:8]),
        st.lists(st.sampled_from(NAMES), max_size=2),
        st.sampled_from(list(SUBJECTS)),
        days,
        st.integers(0, 1),
    ),
    max_size=8,
    unique_by=lambda one: one.id,
)


def expected(messages: list[Message]) -> list[set[str]]:
    """The ids of each thread that has messages: sets that share an id are one."""
    sets = [{one.id, *one.references} for one in messages]
    by_subject: dict[str, list[Message]] = {}
    for one in sorted(messages, key=lambda one: (one.date, one.id)):
        by_subject.setdefault(SUBJECTS[one.subject][0], []).append(one)
    for subject, alike in by_subject.items():
        for before, one in pairwise(alike if subject else []):
            is_bare_reply = SUBJECTS[one.subject][1] and not one.references
            if is_bare_reply and one.date - before.date <= timedelta(days=30):
                sets.append({before.id, one.id})
    joined: list[set[str]] = []
    for some in sets:
        touching = [other for other in joined if other & some]
        joined = [other for other in joined if not other & some] + [some.union(*touching)]
    own = {one.id for one in messages}
    return [some & own for some in joined]


def ids(found: list[Thread]) -> list[list[str]]:
    return [[one.id for one in thread.messages] for thread in found]


@given(messages, st.data())
def test_threads_are_those_of_the_model_in_any_order(messages: list[Message], data: st.DataObject) -> None:
    found = list(threads(messages))
    assert sorted(map(sorted, ids(found))) == sorted(map(sorted, expected(messages)))
    shuffled = data.draw(st.permutations(messages))
    again = data.draw(st.lists(st.sampled_from(messages), max_size=3)) if messages else []
    duplicates: list[Message] = []
    assert list(threads([*shuffled, *again], duplicate=duplicates.append)) == found
    assert duplicates == again


@given(messages)
def test_threads_and_their_messages_are_in_the_order_of_time(messages: list[Message]) -> None:
    found = list(threads(messages))
    for thread in found:
        assert list(thread.messages) == sorted(thread.messages, key=lambda one: (one.date, one.id))
        assert thread.root == (*thread.messages[0].references, thread.messages[0].id)[0]
    firsts = [(thread.messages[0].date, thread.messages[0].id) for thread in found]
    assert firsts == sorted(firsts)
