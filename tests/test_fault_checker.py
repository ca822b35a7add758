"""The ledger and the checker of the fault runs: they accept what a right service may answer, and nothing else."""

from __future__ import annotations

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
    """A right index: each write happens at once, at its acknowledgement, or never."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.there: dict[str, Write] = {}

    def write(self, write: Write, fate: str) -> None:
        self.ledger.sent([write])
        known = self.there.get(write.uid)
        if fate != "lost" and (known is None or known.version < write.version):
            self.there[write.uid] = write
        if fate == "acknowledged":
            self.ledger.acknowledged([write], is_visible=True)

    def items(self) -> list[dict[str, Any]]:
        alive = [write for write in self.there.values() if write.subject is not None]
        return sorted((item(write) for write in alive), key=lambda one: one["sent_at"], reverse=True)

    def page(self, per_page: int) -> dict[str, Any]:
        items = self.items()
        return {"data": {"items": items[:per_page], "pagination": {"total": len(items)}}}


def item(write: Write) -> dict[str, Any]:
    return {
        "uid": write.uid, "organization_uid": write.organization, "subject": write.subject,
        "sent_at": f"2026-01-01T00:00:{int(write.uid):02}.000Z",
        "updated_on": (EPOCH + timedelta(milliseconds=write.version)).isoformat(),
    }  # fmt: skip


def version(number: int) -> int:
    return round(EPOCH.timestamp() * 1000) + number


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
        right.write(Write(ORGANIZATION, str(uid), number, None if is_deletion else f"subject {number}"), fate)
    return right, right.ledger.start(ORGANIZATION)


@given(STEPS, STEPS)
def test_what_a_right_index_answers_is_accepted(
    before: list[tuple[int, bool, str]], meanwhile: list[tuple[int, bool, str]]
) -> None:
    right, start = after(before)
    answer = right.page(3)
    for number, (uid, _is_deletion, fate) in enumerate(meanwhile):
        right.write(Write(ORGANIZATION, str(uid + 10), 100 + number, f"subject {100 + number}"), fate)
    assert checker.wrong_page(right.ledger, ORGANIZATION, start, answer, 3) is None
    found = {(ORGANIZATION, one["uid"]): (checker.version_of(one), one["subject"]) for one in right.items()}
    assert right.ledger.problems(found) == []
    for write in right.there.values():
        one = None if write.subject is None else {"data": item(write)}
        assert checker.wrong_one(right.ledger, ORGANIZATION, write.uid, right.ledger.start(ORGANIZATION), one) is None


@given(STEPS, st.data())
def test_what_was_acknowledged_and_is_gone_is_noticed(steps: list[tuple[int, bool, str]], data: st.DataObject) -> None:
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
    old = Write(ORGANIZATION, "1", 0, "subject 0")
    assert "was visible before" in str(checker.wrong_one(right.ledger, ORGANIZATION, "1", start, {"data": item(old)}))
    right.write(Write(ORGANIZATION, "2", 9, None), "acknowledged")
    start = right.ledger.start(ORGANIZATION)
    two = Write(ORGANIZATION, "2", 2, "subject 2")
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


def test_a_walk_may_meet_a_conversation_again_only_where_it_changed() -> None:
    right, start = after([(uid, False, "acknowledged") for uid in range(1, 5)])
    items = right.items()
    pages = [{"data": {"items": items[:2]}}, {"data": {"items": items[2:]}}]
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, pages) is None
    newer = Write(ORGANIZATION, items[0]["uid"], 9, "subject 9")
    right.ledger.sent([newer])
    pages[1]["data"]["items"].append({**item(newer), "sent_at": "2026-01-01T00:00:00.000Z"})
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, pages) is None
    pages[1]["data"]["items"][-1] = items[0]
    assert "the same version" in str(checker.wrong_walk(right.ledger, ORGANIZATION, start, pages))
    pages = [{"data": {"items": items[2:]}}, {"data": {"items": items[:2]}}]
    assert checker.wrong_walk(right.ledger, ORGANIZATION, start, pages) == "the pages are not in order"


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
def test_the_time_until_full_speed(wait: float, rate: int) -> None:
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
        assert found.is_as_fast_as(steps[-1])
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
