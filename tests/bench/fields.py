"""Measures the node's processor time for indexing, and the share of each part of the mapping.

python -m tests.bench.fields [--documents 10000] [--rounds 3] [--before MAPPING.json] [--url URL]

The same documents are written with the whole mapping, and with one part left out, in turns. `--before` is the mapping
of another version, for example `git show 0deb657:index_mappings/conversations.json`.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import aiohttp

from service import progress
from service.client.responses import Json
from service.index import mapping, writer
from tests.bench import generate, rig
from tests.bench.report import table
from tests.program_options import Parser, whole

INDEX = "bench-fields"
Change = Callable[[Json], None]


def without(path: str) -> Change:
    """Takes a field or analysis setting away, by its path in the mapping's file."""

    def change(body: Json) -> None:
        *outer, last = path.split("/")
        for name in outer:
            body = body[name]
        del body[last]

    return change


def only_english(body: Json) -> None:
    stems = body["settings"]["index"]["analysis"]["filter"]["stems"]
    stems["filters"] = stems["filters"][:1]


def without_filters(kind: str, *names: str) -> Change:
    """Takes these char filters or token filters out of every analyzer and normalizer."""

    def change(body: Json) -> None:
        analysis = body["settings"]["index"]["analysis"]
        for one in (*analysis["analyzer"].values(), *analysis["normalizer"].values()):
            one[kind] = [name for name in one.get(kind, []) if name not in names]

    return change


def without_doc_values(name: str) -> Change:
    def change(body: Json) -> None:
        body["mappings"]["properties"][name]["doc_values"] = False

    return change


def without_words_of_addresses(body: Json) -> None:
    fields = body["mappings"]["properties"]["metadata"]["properties"]
    del fields["from_name"]
    for name in ("from_email", "to_emails", "cc_emails"):
        del fields[name]["fields"]


def bare(body: Json) -> None:
    """Only stores the documents."""
    body["mappings"]["properties"] = {"uid": {"type": "keyword"}}


PROPERTIES = "mappings/properties"
PARTS: Mapping[str, Change] = {
    "everything but the documents themselves": bare,
    "`subject`, with all of its fields": without(f"{PROPERTIES}/subject"),
    "`subject.stems`": without(f"{PROPERTIES}/subject/fields/stems"),
    "`subject.stems`: languages of Latin script but English": only_english,
    "`subject.variants`": without(f"{PROPERTIES}/subject/fields/variants"),
    "`subject.whole`": without(f"{PROPERTIES}/subject/fields/whole"),
    "`words`": without(f"{PROPERTIES}/words"),
    "`words`: first letters": without(f"{PROPERTIES}/words/index_prefixes"),
    "words of addresses and names": without_words_of_addresses,
    "doc values of `uid`": without_doc_values("uid"),
    "`order`": without(f"{PROPERTIES}/order"),
    "char filter `replies`": without_filters("char_filter", "replies"),
    "char filters `bound` and `marks`": without_filters("char_filter", "bound", "marks"),
    "char filter `grouped`": without_filters("char_filter", "grouped"),
    "char filter `plain`": without_filters("char_filter", "plain"),
    "filter `folding`": without_filters("filter", "folding"),
}


class Node:
    """Writes documents into a new index, and measures the processor time of the node."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Json:
        headers = {"Content-Type": "application/x-ndjson" if "_bulk" in path else "application/json"}
        async with self._session.request(method, f"{self._url}/{path}", data=body, headers=headers) as answer:
            found: Json = await answer.json()
            if answer.status >= 400 or found.get("errors"):
                raise SystemExit(f"bench: {json.dumps(found)[:500]}")
            return found

    async def milliseconds(self) -> int:
        await asyncio.sleep(1.1)  # the node measures it once a second
        nodes = (await self._ask("GET", "_nodes/stats/process"))["nodes"]
        return sum(one["process"]["cpu"]["total_in_millis"] for one in nodes.values())

    async def write(self, body: Json, bodies: list[bytes]) -> float:
        """Processor time of the node in milliseconds. Fields that the mapping does not have are ignored."""
        body["mappings"]["dynamic"] = False
        body["settings"]["index"] |= {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}
        await self._ask("PUT", INDEX, json.dumps(body).encode())
        began = await self.milliseconds()
        for one in bodies:
            await self._ask("POST", f"{INDEX}/_bulk", one)
        await self._ask("POST", f"{INDEX}/_flush")
        taken = await self.milliseconds() - began
        await self._ask("DELETE", INDEX)
        return taken


def bulk_bodies(documents: int) -> list[bytes]:
    conversations = iter(generate.steady(documents, seed=9))
    return [b"".join(batch) for batch in _batches(writer.lines(writer.write_of(one), INDEX) for one in conversations)]


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    while batch := list(islice(lines, 500)):
        yield batch


async def measure(url: str, mappings: Mapping[str, Json], documents: int, rounds: int) -> dict[str, float]:
    """Microseconds a document, by mapping: the least of the rounds, because other programs only add to it."""
    bodies = bulk_bodies(documents)
    found: dict[str, list[float]] = {name: [] for name in mappings}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        node = Node(session, url)
        for name in [*mappings][:2]:  # lets the JVM compile its code
            await node.write(copy.deepcopy(mappings[name]), bodies)
        with progress.track("Measuring", rounds * len(mappings), "load") as advance:
            for _ in range(rounds):
                for name, body in mappings.items():
                    found[name].append(await node.write(copy.deepcopy(body), bodies) / documents * 1_000)
                    advance(1)
    return {name: min(values) for name, values in found.items()}


def all_mappings(before: Path | None) -> dict[str, Json]:
    whole = mapping.load()
    body = {"settings": whole.settings, "mappings": whole.mappings}
    found: dict[str, Json] = {"all": body}
    if before is not None:
        found["before"] = json.loads(before.read_text())
    for name, change in PARTS.items():
        found[name] = copy.deepcopy(body)
        change(found[name])
    return found


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=whole(), default=10_000)
    parser.add_argument("--rounds", type=whole(), default=3)
    parser.add_argument("--before", type=Path, help="the mapping of another version")
    parser.add_argument("--url", help="a node that runs already and does nothing else [default: one is started]")
    options = parser.parse_args()
    mappings = all_mappings(options.before)
    with ExitStack() as stack:
        url = options.url or stack.enter_context(rig.own_node("1g"))[1]
        found = asyncio.run(measure(url, mappings, options.documents, options.rounds))
    everything = found["all"]
    print(f"{everything:.0f} µs of the node's processor time a document")
    if "before" in found:
        print(f"{found['before']:.0f} µs with the other mapping ({everything / found['before']:.1f} times less)")
    rows = [[name, f"{everything - found[name]:.0f}", f"{1 - found[name] / everything:.0%}"] for name in PARTS]
    print(table(["part of the mapping", "µs a document", "share"], rows))


if __name__ == "__main__":
    main()
