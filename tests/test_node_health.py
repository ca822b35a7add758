"""Which node is asked next, for any history of answers and failures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.client.node_health import OPENS_CIRCUIT, Budget, Failure, Node, Nodes, State

MOST_FAILURES = 3
HISTORY = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, "late", *Failure])), max_size=40)


def nodes_after(history: list[tuple[int, Failure | str | None]]) -> tuple[Nodes, list[tuple[State, State]]]:
    changes: list[tuple[State, State]] = []
    nodes = Nodes([Node(number, MOST_FAILURES, lambda *change: changes.append(change)) for number in range(4)])
    for number, event in history:
        node = nodes.all[number]
        if isinstance(event, Failure):
            node.failed(event)
        elif event == "late":
            node.suspected()
        else:
            node.answered()
    return nodes, changes


@given(HISTORY, st.sets(st.integers(0, 3)), st.booleans())
def test_the_best_node_that_is_left_is_asked(
    history: list[tuple[int, Failure | str | None]], tried: set[int], is_search: bool
) -> None:
    nodes, _changes = nodes_after(history)
    left = [node for node in nodes.all if node.number not in tried and node.state is not State.DEAD]
    if is_search:
        left = [node for node in left if node.late_searches < MOST_FAILURES]
    picked = nodes.pick([nodes.all[number] for number in tried], is_search=is_search)
    if not left:
        assert picked is None
    else:
        assert picked in left
        assert picked.state is State.READY or all(node.state is State.RESTING for node in left)
        assert picked.state is State.READY or not picked.is_doubted or all(node.is_doubted for node in left)


@given(HISTORY)
def test_a_node_is_dead_after_failures_in_a_row_and_alive_after_one_answer(
    history: list[tuple[int, Failure | str | None]],
) -> None:
    nodes, changes = nodes_after(history)
    for node in nodes.all:
        events = [event for number, event in history if number == node.number]
        since = events[len(events) - events[::-1].index(None) :] if None in events else events
        failures = [event for event in since if isinstance(event, Failure) and event is not Failure.HUNG]
        if failures:
            last = failures[-1]
            is_dead = last is Failure.ALONE or (len(failures) >= MOST_FAILURES and last in OPENS_CIRCUIT)
            assert node.state is (State.DEAD if is_dead else State.RESTING)
        else:
            assert node.state is (State.RESTING if "late" in since or Failure.HUNG in since else State.READY)
        assert node.late_searches == since.count(Failure.HUNG)
        node.answered()
        assert node.state is State.READY
    assert all(before is not after for before, after in changes)


@given(HISTORY)
def test_most_are_alive_if_this_node_and_those_that_answer_are_more_than_half(
    history: list[tuple[int, Failure | str | None]],
) -> None:
    nodes, _changes = nodes_after(history)
    for node in nodes.all:
        others = [other for other in nodes.all if other is not node and other.state is not State.DEAD]
        assert nodes.are_most_alive(node) == (len(others) >= 2)  # of four nodes


@given(HISTORY, st.lists(st.sampled_from("ab"), min_size=4, max_size=4))
def test_most_of_the_nodes_are_counted_by_their_ids(
    history: list[tuple[int, Failure | str | None]], ids: list[str]
) -> None:
    nodes, _changes = nodes_after(history)
    for node, known in zip(nodes.all, ids, strict=True):
        node.id = known
    for node in nodes.all:
        alive = {other.id for other in nodes.all if other is node or other.state is not State.DEAD}
        assert nodes.are_most_alive(node) == (alive == set(ids))  # of one or two nodes


@given(HISTORY, st.integers(1, 50))
def test_nodes_in_the_same_state_are_asked_in_turn(
    history: list[tuple[int, Failure | str | None]], rounds: int
) -> None:
    nodes, _changes = nodes_after(history)
    first = nodes.pick()
    if first is None:
        return
    equal = [n.number for n in nodes.all if (n.state, n.is_doubted) == (first.state, first.is_doubted)]
    asked = [first.number] + [node.number for node in (nodes.pick() for _round in range(rounds)) if node]
    counts = [asked.count(number) for number in equal]
    assert sum(counts) == rounds + 1
    assert max(counts) - min(counts) <= 1


@given(st.lists(st.booleans(), max_size=500))
def test_slow_reads_never_double_the_load(events: list[bool]) -> None:
    budget = Budget()
    taken = 0
    for is_late in events:
        budget.add()
        taken += is_late and budget.take()
    assert taken <= budget.most + budget.share * len(events)
    assert taken == sum(events) or taken >= budget.most
