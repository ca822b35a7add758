"""Mail imported in any parts, any order and repeatedly becomes the same conversations. Uses an index in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.sources import mail
from service.sources.facts import Hasher, milliseconds
from service.sources.message import Message
from tests.examples import examples
from tests.import_model import KIND, Index
from tests.random_messages import START, left_out, message, messages, pieces


def imported(*parts: list[Message]) -> Index:
    index = Index()
    for part in parts:
        index.imports(pieces(part))
    return index


@settings(max_examples=examples(150))
@given(messages, st.data())
def test_any_parts_in_any_order_end_in_the_same_conversations(some: list[Message], data: st.DataObject) -> None:
    whole = imported(some)
    some = [*some, *data.draw(st.lists(left_out, max_size=2))]
    order = data.draw(st.permutations(some))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(some)), max_size=4)))
    parts = [order[start:end] for start, end in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    repeated = data.draw(st.lists(st.sampled_from(parts), max_size=3))
    index = imported(*(part for part in [*parts, *repeated] if part))
    assert index.facts() == whole.facts()
    assert index.shown() == whole.shown()
    again = index.imports(pieces(some))
    assert (again.new, again.written) == (0, 0)
    assert again.there == len({one.id for one in some if not one.is_left_out})


def test_the_order_of_two_imports_of_one_thread_does_not_matter() -> None:
    january = [message("a@x"), message("b@x", ("a@x",), "Re: Plan", 1, sender="boris@x")]
    february = [message("c@x", ("a@x", "b@x"), "Re: Plan", 31)]
    for first, second in ((january, february), (february, january)):
        index = imported(first, second)
        (item,) = index.items()
        assert (item.message_count, item.subject) == (3, "Plan")
        assert item.metadata.snippet == "text c@x"
        assert item.created_on == START
        assert index.shown() == imported([*january, *february]).shown()


def test_a_generic_subject_does_not_merge_different_customers() -> None:
    help_ = [
        message("a@x", subject="Help", to=("support@x",)),
        message("b@x", subject="Re: Help", day=9, sender="boris@x", to=("support@x",)),
    ]
    assert len(imported(help_).items()) == 2
    answered = message("c@x", subject="Re: Help", day=10, sender="support@x", to=("anna@x",))
    assert sorted(item.message_count or 0 for item in imported(help_, [answered]).items()) == [1, 2]


def test_a_specific_subject_and_a_shared_list_join_in_any_order() -> None:
    to = ("support@x",)
    offer = message("a@x", subject="Offer 17", to=to, lists=to)
    answer = message("b@x", subject="SV: Offer 17", day=9, sender="boris@x", to=to, lists=("support.x",))
    later = message("c@x", subject="SV: Offer 17", day=40, sender="boris@x", to=to, lists=to)
    elsewhere = message("d@x", subject="SV: Offer 17", day=9, sender="boris@x", to=("jane@x",), lists=to)
    by_mail = message("e@x", subject="SV: Offer 17", day=9, sender="boris@x", to=to)
    for first, second in ((offer, answer), (answer, offer)):
        assert [item.message_count for item in imported([first], [second]).items()] == [2]
    for other in (later, elsewhere, by_mail):
        assert len(imported([offer], [other]).items()) == 2


def test_a_dangling_reference_forbids_joining_by_subject() -> None:
    assert len(imported([message("a@x"), message("b@x", ("gone@x",), "Re: Plan", 1)]).items()) == 2


def test_a_reply_without_a_mark_joins_by_subject_until_its_parent_comes() -> None:
    first = message("a@x", lists=("list.x",))
    reply = message("c@x", ("b@x",), "Plan", 2, sender="boris@x", lists=("list.x",))
    parent = message("b@x", (), "Plan", 1, sender="own@x")
    index = imported([first], [reply])
    assert [item.message_count for item in index.items()] == [2]
    index.imports(pieces([parent]))
    assert sorted(item.message_count or 0 for item in index.items()) == [1, 2]
    assert index.shown() == imported([first, reply, parent]).shown()


def test_replies_to_one_digest_are_joined_by_their_subject_only() -> None:
    digest = ("mailman.7.1171278002.31388.list@x",)
    replies = [
        message("a@x", digest, "Plots", day=1), message("b@x", digest, "Re: plots", day=2, sender="boris@x"),
        message("c@x", digest, "Networks", day=1, sender="own@x"), message("d@x", (*digest, "c@x"), "Networks", day=40),
    ]  # fmt: skip
    index = imported(replies[:2], replies[2:])
    assert sorted(item.message_count or 0 for item in index.items()) == [2, 2]
    assert {item.metadata.thread_id for item in index.items()} == {"<a@x>", "<c@x>"}
    assert index.shown() == imported(replies).shown()


def test_the_state_in_the_newest_import_counts() -> None:
    index = imported([message("a@x", seen=False, labels=("New",))])
    index.imports(pieces([message("a@x", seen=True, labels=("Done",))]))
    (item,) = index.items()
    assert item.is_read is True
    assert item.metadata.labels == ["Done"]


def test_a_message_that_is_later_found_in_the_trash_stays_and_gets_that_label() -> None:
    some = [message("a@x", labels=("Work",)), message("b@x", ("a@x",), "Re: plan", 1)]
    index = imported(some)
    trashed = message("a@x", labels=("Trash",), is_left_out=True)
    counted = index.imports(pieces([trashed, message("c@x", ("b@x",), day=2, is_left_out=True)]))
    assert (counted.new, counted.there) == (0, 1)
    (item,) = index.items()
    assert (item.message_count, item.metadata.labels) == (2, ["Trash"])
    assert index.imports(pieces([trashed])).written == 0
    index.imports(pieces(some))
    assert index.shown() == imported(some).shown()
    other = message("a@x", labels=("Trash",), snippet="as a list sent it", is_left_out=True)
    assert index.imports(pieces([other])).written == 0  # another copy, which nobody imported


DELETED = START + timedelta(days=40)


def deleted() -> Index:
    index = imported([message("a@x"), message("b@x", ("a@x",), day=1)])
    index.delete(index.items()[0].uid, milliseconds(DELETED))
    return index


def test_deleted_messages_do_not_come_back() -> None:
    index = deleted()
    counted = index.imports(pieces([message("a@x"), message("b@x", ("a@x",), day=1), message("c@x", ("b@x",), day=2)]))
    assert (counted.new, counted.deleted) == (0, 3)
    assert index.items() == []
    assert index.imports(pieces([message("d@x", ("c@x",), day=3)])).deleted == 1


def test_later_messages_of_a_deleted_thread_begin_a_conversation_of_their_own() -> None:
    index = deleted()
    (old,) = index.entries
    counted = index.imports(pieces([message("c@x", ("a@x",), day=41), message("d@x", ("b@x",), day=42)]))
    assert (counted.new, counted.deleted) == (2, 0)
    index.imports(pieces([message("e@x", ("b@x",), day=43)]))
    (item,) = index.items()
    assert item.message_count == 3
    assert item.uid != old
    index.delete(item.uid, milliseconds(START + timedelta(days=50)))
    assert index.imports(pieces([message("e@x", ("b@x",), day=43), message("f@x", ("a@x",), day=44)])).deleted == 2
    index.imports(pieces([message("g@x", ("a@x",), day=51)]))
    (item,) = index.items()
    assert item.message_count == 1


def test_an_import_that_restores_brings_back_a_deleted_conversation() -> None:
    index = deleted()
    (old,) = index.entries
    counted = index.imports(pieces([message("b@x", ("a@x",), day=1)]), restores=True)
    assert (counted.new, counted.deleted) == (1, 0)
    (item,) = index.items()
    assert item.uid == old
    assert item.updated_on > DELETED
    assert index.imports(pieces([message("a@x"), message("b@x", ("a@x",), day=1)])).deleted == 0
    assert index.shown() == imported([message("a@x"), message("b@x", ("a@x",), day=1)]).shown()


def test_a_conversation_without_a_record_is_found_by_its_uid() -> None:
    some = [message("a@x"), message("b@x", ("a@x",), day=1)]
    index = imported(some)
    (uid,) = index.entries
    entry = index.entries[uid]
    index.entries[uid] = type(entry)(uid, item=entry.item, version=entry.version)
    index.imports(pieces(some))
    assert index.shown() == imported(some).shown()
    assert list(index.entries) == [uid]


def test_importing_a_part_of_a_conversation_without_a_record_does_not_shrink_it() -> None:
    """The record is missing after `load` of an export, and after an import by an earlier version."""
    some = [message("a@x"), message("b@x", ("a@x",), day=1), message("c@x", ("a@x",), day=2)]
    later = message("d@x", ("a@x",), day=3)
    index = imported(some)
    (uid,) = index.entries
    entry = index.entries[uid]
    index.entries[uid] = type(entry)(uid, item=entry.item, version=entry.version)
    for _time in range(2):
        index.imports(pieces([later]))
        item = index.entries[uid].item
        assert item is not None
        assert item.message_count == 3  # at least
        assert (item.created_on, item.sent_at) == (some[0].date, later.date)
        assert item.metadata.provider_message_id == "<a@x>"
    index.imports(pieces(some))
    assert index.shown() == imported([*some, later]).shown()
    assert list(index.entries) == [uid]


def test_an_import_keeps_the_fields_that_others_changed() -> None:
    index = imported([message("a@x")])
    (uid,) = index.entries
    entry = index.entries[uid]
    assert entry.item is not None
    changed = entry.item.model_copy(update={"status": "closed", "agent_uid": uid})
    index.entries[uid] = type(entry)(
        uid, item=changed, version=entry.version + 5, facts=entry.facts, written=entry.written
    )
    index.imports(pieces([message("b@x", ("a@x",), day=1)]))
    (item,) = index.items()
    assert (item.status, item.agent_uid, item.message_count) == ("closed", uid, 2)


def test_is_read_as_others_set_it_stays_until_an_import_finds_another_state() -> None:
    index = imported([message("a@x")])
    (uid,) = index.entries
    entry = index.entries[uid]
    assert entry.item is not None
    item = entry.item.model_copy(update={"is_read": True})
    index.entries[uid] = replace(entry, item=item, version=entry.version + 5)
    assert index.imports(pieces([message("a@x")])).written == 0
    assert [item.is_read for item in index.items()] == [True]
    index.imports(pieces([message("a@x", seen=False)]))
    assert [item.is_read for item in index.items()] == [False]


def test_messages_of_the_same_time_have_the_same_order_in_every_organization() -> None:
    other = mail.Mail(Hasher(UUID(int=1)), mail.Own(), mail.Rules())
    for one in (message("a@x"), message("a@x", snippet="other")):
        mine, theirs = KIND.fact(one), other.fact(one)
        assert mine.order == theirs.order
        assert mine.sender != theirs.sender


@pytest.mark.parametrize("is_reversed", [False, True])
def test_copies_with_other_content_count_once(is_reversed: bool) -> None:
    parts = [[message("a@x", snippet="one")], [message("a@x", snippet="two", day=1)]]
    index = imported(*(reversed(parts) if is_reversed else parts))
    (item,) = index.items()
    assert item.created_on == START
    assert (item.message_count, item.metadata.snippet) == (1, "two a@x")
