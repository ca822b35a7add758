"""What the words of another organization cost the searches of this one, in processor time of the node.

python -m tests.bench.neighbours [--neighbours 100000] [--rounds 5]

Two indices hold the same conversations of one organization. The second one also holds those of another organization, whose
words are all one letter away from the first one's. The same requests go to both in turns, each with other words.
Exit code 1: a kind of request takes more than --bound times as long in the second index.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import string
import sys
from collections.abc import Awaitable, Callable, Iterator
from urllib.parse import urlencode

from service import progress
from service.client import Client, connect
from service.client.responses import SearchAnswer
from service.conversation import Conversation
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.search import results
from service.search.paging.cursors import Cursors
from service.search.searcher import Searcher
from service.search.suggest import suggest
from service.settings import Settings
from tests.bench import generate, rig
from tests.bench.report import table
from tests.program_options import Parser, number, whole

ALONE, BESIDE = "alone", "beside"
TIMES = 30  # requests in one measurement: the node reports its processor time in hundredths of a second
Ask = Callable[[Searcher, random.Random], Awaitable[object]]


def near(word: str, rng: random.Random) -> str:
    """The word with another letter in one place. Words without letters stay as they are."""
    places = [at for at, letter in enumerate(word) if letter.isalpha()]
    if not places:
        return word
    at = rng.choice(places)
    other = rng.choice([letter for letter in string.ascii_lowercase if letter != word[at].lower()])
    return word[:at] + other + word[at + 1 :]


def neighbours(count: int) -> Iterator[Conversation]:
    """Conversations of another organization, with other words in what searches, corrections and completions read."""
    rng = random.Random(7)

    def changed(text: str | None) -> str:
        return " ".join(near(word, rng) for word in (text or "").split())

    for one in generate.steady(count, seed=8):
        metadata = one.metadata.model_copy(
            update={"snippet": changed(one.metadata.snippet), "from_name": changed(one.metadata.from_name)}
        )
        subject = changed(one.subject)
        yield one.model_copy(update={"organization_uid": generate.LARGEST, "subject": subject, "metadata": metadata})


def requests() -> dict[str, Ask]:
    """The kinds of requests by name: each function sends one, with words that the generator chooses."""
    vocabulary = [word for word in generate.vocabulary()[:5_000] if len(word) >= 5]  # shorter words allow no mistake

    def page(parameters: Callable[[random.Random], dict[str, str]]) -> Ask:
        async def ask(searcher: Searcher, rng: random.Random) -> object:
            string_of_query = urlencode({"organization_uid": str(generate.STEADY), **parameters(rng)})
            _uid, query = parse_query(string_of_query.encode(), None, known=LIST_PARAMETERS)
            return await results.page(searcher, query, generate.STEADY)

        return ask

    async def suggested(searcher: Searcher, rng: random.Random) -> object:
        return await suggest(searcher, rng.choice(vocabulary)[:3], generate.STEADY)

    def mistyped(rng: random.Random, count: int) -> str:
        return " ".join(near(word, rng) for word in rng.sample(vocabulary, count))

    return {
        "match=fuzzy, three words": page(lambda rng: {"search": mistyped(rng, 3), "match": "fuzzy"}),
        "a beginning of three letters": page(lambda rng: {"q": f"{rng.choice(vocabulary)[:3]}*"}),
        "suggest": suggested,
        "did_you_mean, two words": page(lambda rng: {"search": mistyped(rng, 2), "suggest": "true"}),
    }


async def milliseconds(ask: Ask, searcher: Searcher, seed: str, bare: Client) -> float:
    """The node's processor time for one request."""
    rng = random.Random(seed)
    before = await rig.processor_seconds(bare)
    for _ in range(TIMES):
        await ask(searcher, rng)
    return (await rig.processor_seconds(bare) - before) / TIMES * 1_000


async def measure(settings: Settings, url: str, options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Milliseconds of the node's processor by kind of request: without and beside the other organization."""
    own = options.conversations
    for alias, others in ((ALONE, 0), (BESIDE, options.neighbours)):
        every = (one for many in (generate.steady(own), neighbours(others)) for one in many)
        await rig.load(settings.but(alias=alias), url, every, own + others)
    client, bare = connect(settings, url, answer=SearchAnswer, timeout=60), connect(settings, url)
    searchers = {alias: Searcher(client, alias, deadline=60, cursors=Cursors(b"")) for alias in (ALONE, BESIDE)}
    taken: dict[tuple[str, str], list[float]] = {}
    with progress.track("Measuring", options.rounds + 1, "round") as advance:
        for turn in range(options.rounds + 1):
            for name, ask in requests().items():
                for alias in (ALONE, BESIDE) if turn % 2 else (BESIDE, ALONE):
                    found = await milliseconds(ask, searchers[alias], f"{turn} {name}", bare)
                    if turn:  # the first round only lets the code be compiled
                        taken.setdefault((name, alias), []).append(found)
            advance(1)
    await asyncio.gather(*(searcher.close() for searcher in searchers.values()))
    await asyncio.gather(client.close(), bare.close())
    middle = {key: statistics.median(values) for key, values in taken.items()}
    return {name: (middle[name, ALONE], middle[name, BESIDE]) for name in requests()}


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=whole(), default=20_000, help="of the organization that asks")
    parser.add_argument("--neighbours", type=whole(), default=100_000, help="conversations of the other organization")
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument(
        "--bound",
        type=number(above=0, most=1_000),
        default=2.0,
        help="how many times as long a request may take (default: 2)",
    )
    options = parser.parse_args()
    with rig.own_node() as (settings, url, _folder):
        found = asyncio.run(measure(settings, url, options))
    rows = [
        [name, f"{alone:.1f} ms", f"{beside:.1f} ms", f"{beside / alone:.2f}"]
        for name, (alone, beside) in found.items()
    ]
    titles = ["request", "alone", f"beside {options.neighbours:,} of another organization", "ratio"]
    print(table(titles, rows))
    if any(beside > options.bound * alone for alone, beside in found.values()):
        sys.exit(f"neighbours: more than {options.bound:g} times as long")


if __name__ == "__main__":
    main()
