"""The ledger and the checker of the fault runs: they accept what a correct service may answer, and nothing else."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults import checker, speed, table
from tests.faults.ledger import Ledger, Start, Write
from tests.faults.speed import Answer, Speed

ORGANIZATION = "a"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Right:
    """A correct index: each write happens at once, at its acknowledgement, or never."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.there: dict[str, Write] = {}
        self.is_awaited = True  # with refresh=wait_for

    def write(self, write: Write, fate: str) -> None:
        sent = self.ledger.sent([write])
        known = self.there.get(write.uid)
        if fate != "lost" and (known is None or known.version < write.version):
            self.there[write.uid] = write
        if fate == "acknowledged":
            self.ledger.acknowledged([write], sent=sent, is_visible=self.is_awaited)

    def items(self) -> list[dict[str, Any]]:
        alive = [write for write in self.there.values() if write.subject is not None]
        return sorted((item(write) for write in alive), key=lambda one: one["sent_at"], reverse=True)

    def page(self, per_page: int, offset: int = 0) -> dict[str, Any]:
        items = self.items()
        return {"data": {"items": items[offset : offset + per_page], "pagination": {"total": len(items)}}}

    def walk(self, per_page: int, most: int) -> list[dict[str, Any]]:
        pages = []
        for offset in range(0, most * per_page, per_page):
            pages.append(page := self.page(per_page, offset))
            if offset + per_page >= page["data"]["pagination"]["total"]:
                break
            page["data"]["pagination"]["next_cursor"] = "x"
        return pages

    def export(self) -> list[Any]:
        items = self.items()
        return [*items, {"export": {"complete": True, "conversations": len(items)}}]


def lines_of(export: list[Any]) -> list[bytes]:
    return [json.dumps(line, separators=(",", ":")).encode() for line in export]


def write(uid: int | str, version: int, subject: str | None, *, moved: int = 0) -> Write:
    """A write of a conversation that was sent `uid + moved` seconds after EPOCH."""
    return Write(ORGANIZATION, str(uid), version, subject, round(1000 * (EPOCH.timestamp() + int(uid) + moved)))


def item(write: Write) -> dict[str, Any]:
    return {
        "uid": write.uid, "organization_uid": write.organization, "subject": write.subject,
        "sent_at": datetime.fromtimestamp(write.sent_at / 1000, UTC).isoformat(timespec="milliseconds"),
        "updated_on": (EPOCH + timedelta(milliseconds=write.version)).isoformat(),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _versions_count_from_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        checker,
        "version_of",
        lambda item: round((datetime.fromisoformat(item["updated_on"]) - EPOCH) / timedelta(milliseconds=1)),
    )


FATES = st.sampled_from(["acknowledged", "done", "lost"])
STEPS = st.lists(st.tuples(st.integers(0, 5), st.booleans(), FATES), max_size=30)


def after(steps: list[tuple[int, bool, str]]) -> tuple[Right, Start]:
    """A history: each step writes the next version of one of six conversations, or deletes it for good."""
    right = Right()
    deleted: set[int] = set()
    for number, (uid, is_deletion, fate) in enumerate(steps):
        if uid in deleted:
            continue
        if is_deletion:
            deleted.add(uid)
        right.write(write(uid, number, None if is_deletion else f"subject {number}"), fate)
    return right, right.ledger.start(ORGANIZATION)


@given(STEPS, STEPS)
def test_what_a_right_index_answers_is_accepted(
    before: list[tuple[int, bool, str]], meanwhile: list[tuple[int, bool, str]]
) -> None:
    right, start = after(before)
    first, deep, cut_walk, walk = right.page(3), right.page(2, 2), right.walk(2, 2), right.walk(2, 9)
    export = lines_of(right.export())
    for number, (uid, _is_deletion, fate) in enumerate(meanwhile):
        right.write(write(uid + 10, 100 + number, f"subject {100 + number}"), fate)
    assert checker.wrong_page(right.ledger, ORGANIZATION, start, first, 3) is None
    assert checker.wrong_page(right.ledger, ORGANIZATION, start, deep, 2, 2) is None
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, cut_walk, 2) is None
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, walk, 2) is None
    assert checker.wrong_export(right.ledger, ORGANIZATION, start, export) is None
    found = {(ORGANIZATION, one["uid"]): (checker.version_of(one), one["subject"]) for one in right.items()}
    assert right.ledger.problems(found) == []
    for there in right.there.values():
        one = None if there.subject is None else {"data": item(there)}
        assert checker.wrong_one(right.ledger, ORGANIZATION, there.uid, right.ledger.start(ORGANIZATION), one) is None


@given(STEPS, st.data())
def test_a_lost_acknowledged_write_is_noticed(steps: list[tuple[int, bool, str]], data: st.DataObject) -> None:
    right, start = after(
        [(uid, False, "acknowledged") for uid, _is_deletion, _fate in steps] or [(1, False, "acknowledged")]
    )
    gone = data.draw(st.sampled_from(sorted(right.there)))
    del right.there[gone]
    assert checker.wrong_page(right.ledger, ORGANIZATION, start, right.page(9), 9) is not None
    found = {(ORGANIZATION, one["uid"]): (checker.version_of(one), one["subject"]) for one in right.items()}
    assert len(right.ledger.problems(found)) == 1
    assert checker.wrong_one(right.ledger, ORGANIZATION, gone, start, None) is not None


def test_an_older_version_and_a_deleted_one_are_noticed() -> None:
    right, _start = after([(1, False, "acknowledged"), (1, False, "acknowledged"), (2, False, "acknowledged")])
    start = right.ledger.start(ORGANIZATION)
    old = write(1, 0, "subject 0")
    assert "was visible before" in str(checker.wrong_one(right.ledger, ORGANIZATION, "1", start, {"data": item(old)}))
    right.write(write(2, 9, None), "acknowledged")
    start = right.ledger.start(ORGANIZATION)
    two = write(2, 2, "subject 2")
    assert "was deleted" in str(checker.wrong_one(right.ledger, ORGANIZATION, "2", start, {"data": item(two)}))
    assert right.ledger.problems({(ORGANIZATION, "1"): (0, "subject 0")}) != []
    assert right.ledger.problems({(ORGANIZATION, "1"): (1, "subject 1"), (ORGANIZATION, "7"): (1, "x")}) != []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda page: page["data"]["items"].append(page["data"]["items"][0]),
        lambda page: page["data"]["items"].pop(),
        lambda page: page["data"]["items"].reverse(),
        lambda page: page["data"]["items"][0].update(organization_uid="b"),
        lambda page: page["data"]["items"][0].update(subject="another"),
        lambda page: page["data"]["items"][0].update(uid="77"),
        lambda page: page["data"]["pagination"].update(total=2),
        lambda page: page["data"]["pagination"].update(total=4),
        lambda page: page["data"].pop("pagination"),
        lambda page: page.clear(),
    ],
)
def test_a_spoiled_page_is_noticed(spoil: Any) -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(3)])
    page = right.page(5)
    assert checker.checked(lambda: checker.wrong_page(right.ledger, ORGANIZATION, start, page, 5)) is None
    spoil(page)
    assert checker.checked(lambda: checker.wrong_page(right.ledger, ORGANIZATION, start, page, 5)) is not None


def replace_first(items: list[dict[str, Any]], other: dict[str, Any]) -> None:
    """Removes the first item, and appends a later one."""
    items.pop(0)
    items.append(other)


def move_up(pages: list[dict[str, Any]], rest: dict[str, Any]) -> None:
    """Removes the first item of a walk, and moves each later one up by one position; `rest` is the new last one."""
    replace_first(pages[0]["data"]["items"], pages[1]["data"]["items"][0])
    replace_first(pages[1]["data"]["items"], rest)


FULL = 4  # of seven conversations


@pytest.mark.parametrize("offset", [0, 2])
@pytest.mark.parametrize("gone", range(FULL))
def test_a_full_page_that_omits_one_is_noticed(offset: int, gone: int) -> None:
    """A later one takes its place, so that the size and the total are right."""
    right, start = after([(uid, False, "acknowledged") for uid in range(7)])
    page = right.page(FULL, offset)
    assert checker.wrong_page(right.ledger, ORGANIZATION, start, page, FULL, offset) is None
    page["data"]["items"].pop(gone)
    page["data"]["items"].append(right.items()[offset + FULL])
    assert checker.wrong_page(right.ledger, ORGANIZATION, start, page, FULL, offset) is not None


@pytest.mark.parametrize("shift", [-2, -1, 1])
def test_a_page_from_another_offset_is_noticed(shift: int) -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(7)])
    page = right.page(FULL, 2 + shift)
    assert "the page begins" in str(checker.wrong_page(right.ledger, ORGANIZATION, start, page, FULL, 2))


@pytest.mark.parametrize("is_awaited", [True, False])
def test_what_was_acknowledged_before_a_refresh_must_be_there(is_awaited: bool) -> None:
    """An acknowledged write is visible once a later request of its organization has waited for the refresh."""
    right = Right()
    right.is_awaited = False
    right.write(write(5, 0, "subject 0"), "acknowledged")
    right.is_awaited = is_awaited
    right.write(write(1, 1, "subject 1"), "acknowledged")
    start = right.ledger.start(ORGANIZATION)
    del right.there["5"]
    right.write(write(2, 2, "subject 2"), "lost")
    found = checker.wrong_export(right.ledger, ORGANIZATION, start, lines_of(right.export()))
    assert (found is not None) == is_awaited


def test_what_is_acknowledged_while_another_write_waits_may_be_missing() -> None:
    right = Right()
    awaited, other = write(1, 1, "subject 1"), write(5, 2, "subject 2")
    sent = right.ledger.sent([awaited])
    right.ledger.acknowledged([other], sent=right.ledger.sent([other]), is_visible=False)
    right.ledger.acknowledged([awaited], sent=sent, is_visible=True)
    right.there["1"] = awaited
    start = right.ledger.start(ORGANIZATION)
    assert checker.wrong_export(right.ledger, ORGANIZATION, start, lines_of(right.export())) is None


@pytest.mark.parametrize(
    ("what", "is_required"),
    [
        (lambda right: None, True),
        (lambda right: right.ledger.sent([write(6, 9, "subject 9")]), True),
        (lambda right: right.ledger.sent([write(6, 9, "subject 9", moved=-5)]), False),
        (lambda right: right.ledger.sent([write(6, 9, None)]), False),
    ],
    ids=["nothing", "a change in its place", "a move", "a deletion"],
)
def test_what_moves_or_is_deleted_meanwhile_may_be_missing_on_a_page(what: Any, is_required: bool) -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(7)])
    what(right)
    page = right.page(FULL)
    replace_first(page["data"]["items"], right.items()[FULL])
    assert (checker.wrong_page(right.ledger, ORGANIZATION, start, page, FULL) is not None) == is_required


def test_what_changes_meanwhile_may_be_missing_in_a_walk() -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(7)])
    right.ledger.sent([write(6, 9, "subject 9")])
    pages = right.walk(2, 2)
    items = right.items()
    for page, shown in zip(pages, (items[1:3], items[3:5]), strict=True):
        page["data"]["items"] = shown
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, pages, 2) is None
    assert "is missing" in str(checker.wrong_walk(right.ledger, ORGANIZATION, after_seven()[1], pages[1:], 2))


@pytest.mark.parametrize("most", [2, 9], ids=["two pages", "to the end"])
@pytest.mark.parametrize(
    "spoil",
    [
        move_up,
        lambda pages, rest: pages[0]["data"]["items"].pop(),
        lambda pages, rest: pages[1]["data"]["items"].clear(),
        lambda pages, rest: pages[0]["data"]["items"].append(pages[1]["data"]["items"].pop(0)),
        lambda pages, rest: pages[0]["data"]["pagination"].update(total=4),
        lambda pages, rest: pages.pop(0),
    ],
)
def test_a_spoiled_walk_is_noticed(most: int, spoil: Any) -> None:
    right, start = after_seven()
    pages = right.walk(2, most)
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, pages, 2) is None
    spoil(pages, right.items()[4])
    assert checker.checked(lambda: checker.wrong_walk(right.ledger, ORGANIZATION, start, pages, 2)) is not None


def test_a_walk_that_is_cut_is_noticed() -> None:
    """It ends after each number of pages as if there were no more."""
    right, start = after_seven()
    for most in (1, 2, 3):
        pages = right.walk(2, most)
        del pages[-1]["data"]["pagination"]["next_cursor"]
        assert "is missing" in str(checker.wrong_walk(right.ledger, ORGANIZATION, start, pages, 2))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda export: export.pop(0) and export[-1]["export"].update(conversations=6),
        lambda export: export.pop(3),
        lambda export: export[-1]["export"].update(conversations=6),
        lambda export: export[-1]["export"].update(complete=False),
        lambda export: export.insert(0, export[0]),
        lambda export: export.insert(0, export.pop(1)),
        lambda export: export[0].update(subject="another"),
        lambda export: export[0].update(sent_at="2026-01-01T00:00:59.000Z"),
        lambda export: export.append("no item"),
    ],
)
def test_a_spoiled_export_is_noticed(spoil: Any) -> None:
    right, start = after_seven()
    export = right.export()
    spoil(export)
    assert checker.checked(lambda: checker.wrong_export(right.ledger, ORGANIZATION, start, lines_of(export)))


@pytest.mark.parametrize("length", range(8))
def test_an_export_without_its_last_line_is_cut_and_not_wrong(length: int) -> None:
    right, start = after_seven()
    lines = lines_of(right.export()[:length])
    assert not checker.is_whole(lines)
    assert checker.wrong_export(right.ledger, ORGANIZATION, start, lines) is None
    right.write(write(8, 99, "subject 99"), "acknowledged")
    del right.there["6"]
    lines = lines_of(right.export())
    assert checker.is_whole(lines)
    assert "is missing" in str(checker.wrong_export(right.ledger, ORGANIZATION, start, lines))


def after_seven() -> tuple[Right, Start]:
    return after([(uid, False, "acknowledged") for uid in range(7)])


def test_a_walk_may_meet_a_conversation_again_only_where_it_changed() -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(1, 5)])
    items = right.items()
    pages = right.walk(3, 9)
    newer = write(items[0]["uid"], 9, "subject 9", moved=-4)
    right.ledger.sent([newer])
    pages[1]["data"]["items"].append(item(newer))
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, pages, 3) is None
    pages[1]["data"]["items"][-1] = items[0]
    assert "the same version" in str(checker.wrong_walk(right.ledger, ORGANIZATION, start, pages, 3))
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, right.walk(3, 9)[::-1], 3) is not None


def test_a_facet_that_counts_a_part_is_noticed() -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(3)])
    facet = {"values": [{"value": "active", "count": 2}], "none": 0, "other": 0}
    answer = {"data": {"total": 3, "facets": {"status": facet}}}
    assert (
        checker.wrong_count(right.ledger, ORGANIZATION, start, answer)
        == "in the facet, the total is 2, not from 3 to 3"
    )
    facet["none"] = 1
    assert checker.wrong_count(right.ledger, ORGANIZATION, start, answer) is None


def answers(rate: int, since: float, until: float, *, seconds: float = 0.1, is_good: bool = True) -> list[Answer]:
    count = int((until - since) * rate)
    return [Answer(since + (number + 0.5) / rate, is_good, seconds) for number in range(count)]


@pytest.mark.slow
@given(st.floats(0, 8), st.integers(10, 100))
def test_the_time_until_recovery(wait: float, rate: int) -> None:
    before = Speed.of(answers(rate, 0, 10), 0, 10)
    told = answers(rate, 10, 12, is_good=False) + answers(rate, 12 + wait, 30)
    random.Random(rate).shuffle(told)
    found = speed.recovered_after(told, 12, 30, before)
    assert found is not None
    assert wait - 1.3 <= found <= wait + 0.5
    assert speed.recovered_after(answers(rate, 12, 30, is_good=False), 12, 30, before) is None
    assert speed.recovered_after(answers(rate, 12, 30, seconds=2), 12, 30, before) is None
    assert speed.recovered_after([], 12, 30, before) is None


def test_losses_that_add_up_are_seen_against_the_start() -> None:
    """Each of three steps keeps six tenths of the speed before it, which is enough after a fault."""
    first = Speed.of(answers(100, 0, 10), 0, 10)
    assert first.share_of(first) == 1
    steps = [first]
    for rate in (60, 36, 22):
        found = Speed.of(answers(rate, 0, 10), 0, 10)
        assert found.is_fast_enough_after(steps[-1])
        steps.append(found)
    assert [round(found.share_of(first), 2) for found in steps] == [1, 0.6, 0.36, 0.22]
    assert Speed.of(answers(100, 0, 10, seconds=0.9), 0, 10).share_of(first) == 1
    assert Speed.of(answers(100, 0, 10, seconds=1.8), 0, 10).share_of(first) == pytest.approx(0.25)
    assert Speed.of([], 0, 10).share_of(first) == 0


@pytest.mark.parametrize("file", [".github/workflows/ci.yml", ".ci/run"])
def test_ci_lets_faults_happen_for_three_minutes(file: str) -> None:
    """Both have `faketime`, without which one kind of fault is left out."""
    text = (Path(__file__).parents[1] / file).read_text("utf-8")
    assert "scripts/faults --minutes 3 --seed 1 --recover 120" in text
    assert re.search(r"(needs|apt-get install .*) faketime\b", text)


def test_the_page_says_how_many_kinds_of_faults_there_are() -> None:
    page = (Path(__file__).parents[1] / "docs/reliability.md").read_text("utf-8")
    assert f"after the other, among {len(table.KINDS) + len(table.LEFT_OUT)} kinds (`tests/faults/table.py`)" in page
