"""The writer under faults: only the document that causes a fault is rejected, and an outage rejects none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from service.client import Client, connect
from service.conversation import Conversation
from service.errors import IndexUnusable, WriteFailed
from service.index import loader, writer
from service.index.writer import Result
from service.settings import Settings
from tests.corpus import corpus
from tests.node import faults, proxy
from tests.node.clusters import Cluster
from tests.node.proxy import Answer, Call, Proxy

POISON = "the document that nobody can digest"
PATIENCE = 60.0
EMPTY = Answer(200, b"{}")


@pytest.fixture
def between(fresh: Cluster) -> Iterator[Proxy]:
    fresh.load([])
    with Proxy(fresh.url) as found:
        yield found


def some(count: int, *poisonous: int) -> list[Conversation]:
    return [
        one.model_copy(update={"subject": POISON}) if at in poisonous else one
        for at, one in enumerate(corpus()[:count])
    ]


def write(settings: Settings, url: str, conversations: list[Conversation], patience: float = PATIENCE) -> list[Result]:
    async def run() -> list[Result]:
        client = connect(settings, url)
        try:
            writes = [writer.write_of(one) for one in conversations]
            return await writer.write(client, settings.alias, writes, patience=patience)
        finally:
            await client.close()

    return asyncio.run(run())


def poisoned(fault: proxy.Fault) -> Callable[[Call], Answer | None]:
    """A node that fails every request which contains the poisonous document."""
    return lambda call: fault(call, EMPTY) if call.kind == "_bulk" and POISON.encode() in call.body else None


def every_bulk(fault: proxy.Fault) -> Callable[[Call], Answer | None]:
    return lambda call: fault(call, EMPTY) if call.kind == "_bulk" else None


FAULTS = {
    "500": faults.error(500, "stack_overflow_error"),
    "a page, 500": faults.page(500),
    "400": faults.error(400, "parse_exception"),
    "413": faults.page(413),
    "the connection is reset": faults.sent(proxy.reset),
    "no answer": faults.sent(proxy.silent),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_document_that_fails_its_whole_request_is_rejected_alone(between: Proxy, fresh: Cluster, name: str) -> None:
    conversations = some(100, 7, 93)
    patience = 32.0 if name == "no answer" else PATIENCE  # a third of it goes by before the first timeout
    with between.answering(poisoned(FAULTS[name])):
        results = write(fresh.settings, between.url, conversations, patience)
    assert [at for at, result in enumerate(results) if result.outcome == "rejected"] == [7, 93]
    assert {result.outcome for at, result in enumerate(results) if at not in (7, 93)} <= {"written", "unchanged"}
    assert "does not take this document" in (results[7].reason or "")
    repeated = write(fresh.settings, fresh.url, conversations)
    assert [at for at, result in enumerate(repeated) if result.outcome == "written"] == [7, 93]


def test_a_request_that_is_too_large_for_the_nodes_memory_is_sent_in_parts(between: Proxy, fresh: Cluster) -> None:
    no_memory = faults.error(429, "circuit_breaking_exception")

    def instead(call: Call) -> Answer | None:
        return no_memory(call, EMPTY) if call.kind == "_bulk" and call.body.count(b"\n") > 20 else None

    with between.answering(instead):
        results = write(fresh.settings, between.url, some(100))
    assert {result.outcome for result in results} == {"written"}


@pytest.mark.parametrize("name", ["500", "the connection is reset", "no answer"])
def test_a_document_alone_is_not_rejected_where_nothing_else_was_written(
    between: Proxy, fresh: Cluster, name: str
) -> None:
    """A timeout or a lost connection proves nothing; nor does an error while the index cannot be looked at."""
    broken = between.answering(lambda call: FAULTS[name](call, EMPTY) if call.method != "GET" else None)
    with broken, pytest.raises(WriteFailed):
        write(fresh.settings, between.url, some(1), patience=3.0)


def test_a_document_that_was_taken_and_not_answered_is_not_at_fault(between: Proxy, fresh: Cluster) -> None:
    """As if a copy of the shard were late: the first request writes it, but no request with it is answered in time."""
    conversations = some(3, 1)
    write(fresh.settings, fresh.url, conversations[:1])

    def unanswered(call: Call, answer: Answer) -> Answer:
        return answer.but(send=proxy.silent) if POISON.encode() in call.body else answer

    with between.faulty(unanswered, "_bulk"), pytest.raises(WriteFailed):
        write(fresh.settings, between.url, conversations, patience=4.0)
    assert {result.outcome for result in write(fresh.settings, fresh.url, conversations)} == {"unchanged"}


def test_no_outage_looks_like_a_bad_document(between: Proxy, fresh: Cluster) -> None:
    """Whatever is answered to every bulk request: the writes fail, and no document is rejected, except for a 413."""
    for name, fault in faults.ANY.items():
        with between.answering(every_bulk(fault)):
            try:
                results = write(fresh.settings, between.url, some(3), patience=0.3)
            except (WriteFailed, IndexUnusable):
                continue
        assert name == "a page, 413", f"{name}: {results}"
    assert {result.outcome for result in write(fresh.settings, between.url, some(3))} == {"written"}


def test_a_closed_index_ends_a_load_and_rejects_nothing(fresh: Cluster) -> None:
    fresh.load(some(5))
    index = fresh.act(lambda client: client.indices.get_alias(name=fresh.settings.alias))
    fresh.act(lambda client: client.indices.close(index=next(iter(index))))
    rejected: list[str] = []

    def load(client: Client) -> object:
        pairs = ((str(one.uid), one) for one in corpus())
        return loader.load(
            client, fresh.settings.alias, pairs, reject=lambda uid, why: rejected.append(f"{uid}: {why}")
        )

    with pytest.raises(WriteFailed, match="closed"):
        fresh.act(load)
    assert rejected == []
    fresh.act(lambda client: client.indices.open(index=next(iter(index))))
