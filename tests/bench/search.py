"""What each way to search costs beside a plain first page, asked in turns; and how large the index is."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from service import progress
from service.settings import Settings
from tests.bench import generate, measure, rig
from tests.bench.workload import Case

PLAIN = "plain"
FACETS = "status,channel,category,agent_uid"


@dataclass(frozen=True)
class Way:
    """One kind of request. With `fresh`, all requests differ, also for the page beside it, so no cache answers."""

    name: str
    parameters: dict[str, str]
    path: str = ""
    fresh: bool = False
    aim: float | None = None


def ways(vocabulary: list[str]) -> list[Way]:
    broad, middle, rare = vocabulary[0], vocabulary[60], vocabulary[3000]
    mistyped = _mistyped(rare)
    three = " ".join(map(_mistyped, (vocabulary[300], vocabulary[900], rare)))
    return [
        Way("search, a broad word", {"search": broad}),
        Way("search, two words", {"search": f"{broad} {middle}"}),
        Way("search, a rare word", {"search": rare}),
        Way("match=phrase", {"search": f"{broad} {middle}", "match": "phrase"}),
        Way("match=prefix", {"search": rare[:4], "match": "prefix"}),
        Way("match=prefix, one letter", {"search": rare[:1], "match": "prefix"}),
        Way("match=fuzzy", {"search": mistyped, "match": "fuzzy"}),
        Way("match=fuzzy, three words", {"search": three, "match": "fuzzy"}, aim=2),
        Way("match=exact", {"search": f"{broad} {middle}", "match": "exact"}),
        Way("sort=relevance, two words", {"search": f"{broad} {middle}", "sort": "relevance"}),
        Way("sort=relevance, a broad word", {"search": broad, "sort": "relevance"}, aim=3),
        Way("sort=is_read,-updated_on", {"sort": "is_read,-updated_on"}),
        Way("q, words and fields", {"q": f"{middle} -{rare} status:active,draft is:unread"}),
        Way("q, OR and brackets", {"q": f"({middle} OR {rare}) -(channel:sms agent:none)"}),
        Way("status!=closed", {"status!": "closed"}),
        Way("agent_uid=none", {"agent_uid": "none"}),
        Way("created_on within a month", {"created_on[gte]": "2023-03", "created_on[lte]": "2023-03"}),
        Way("from_email", {"from_email": "person77@example.com"}),
        Way("q=from:, a part", {"q": "from:person77"}),
        Way("highlight=subject", {"search": middle, "highlight": "subject"}),
        Way("explain=query", {"q": f"{middle} status:active", "explain": "query"}),
        Way("count", {}, "/count"),
        Way("four facets beside a page", {"facets": FACETS}, aim=1.5),
        Way("four facets, nothing cached", {"facets": FACETS}, fresh=True, aim=10),
        Way("facets by month, nothing cached", {"facets[created_on]": "month"}, fresh=True),
        Way("suggest, three letters", {"q": rare[:3]}, "/suggest", aim=2.5),
        Way("suggest, one letter", {"q": rare[:1]}, "/suggest"),
        Way("nothing found, suggest=true", {"search": f"{mistyped}x {broad}", "suggest": "true"}),
        Way("the longest search", {"search": " ".join(vocabulary[:160])[:500], "match": "prefix", "sort": "relevance"}),
        Way("the longest search, all broad", {"search": f"{broad} " * (500 // (len(broad) + 1)), "match": "fuzzy"}),
        Way("the longest q", {"q": " OR ".join(f"{word[:1]}*" for word in vocabulary[:30])}, aim=5),
    ]


def _mistyped(word: str) -> str:
    return word[:2] + word[3] + word[2] + word[4:]


async def run(settings: Settings, url: str, folder: Any, conversations: int) -> dict[str, Any]:
    """`ways`: the spread of each and of the plain page asked in turns with it; `bytes`: of a conversation on disk."""
    total = conversations * (generate.REST + 1) // generate.REST
    await rig.load(settings, url, generate.conversations(conversations), total)
    found: dict[str, Any] = {}
    with rig.served(settings, url, folder / "service.log") as (address, _pid):
        async with aiohttp.ClientSession() as session:
            bearer = rig.token(settings, generate.LARGEST)
            plain = _asked(session, address, bearer, Way(PLAIN, {}))
            fresh = _asked(session, address, bearer, Way(PLAIN, {}, fresh=True))
            wanted = ways(generate.vocabulary())
            with progress.track("Measuring", len(wanted), "way") as advance:
                for way in wanted:
                    asks = {PLAIN: fresh if way.fresh else plain, "way": _asked(session, address, bearer, way)}
                    spreads = await measure.latencies(Case("default", "sort", {}), asks)
                    found[way.name] = {name: asdict(spread) for name, spread in spreads.items()} | {"aim": way.aim}
                    advance(1)
    async with rig.client(settings, url) as opened:
        stats = await opened.indices.stats(index=settings.alias)
        nodes = await opened.nodes.stats(metric="jvm")
    primaries = stats["_all"]["primaries"]
    used = [node["jvm"]["mem"]["heap_used_in_bytes"] for node in nodes["nodes"].values()]
    return {
        "ways": found,
        "documents": primaries["docs"]["count"],
        "bytes": primaries["store"]["size_in_bytes"] / primaries["docs"]["count"],
        "segments": primaries["segments"]["count"],
        "heap_megabytes": statistics.median(used) / 2**20,
    }


def _asked(session: aiohttp.ClientSession, address: str, bearer: str, way: Way) -> measure.Ask:
    headers = {"Authorization": f"Bearer {bearer}", "Accept-Encoding": "identity"}
    numbers = itertools.count(1)

    async def ask(_case: Case) -> None:
        parameters = {"organization_uid": str(generate.LARGEST), **way.parameters}
        if way.fresh:
            # A time within the data: OpenSearch drops a filter that excludes nothing, and then a cache answers.
            parameters["updated_on[gte]"] = f"2020-03-01T00:00:{next(numbers) / 1000:06.3f}Z"
        url = f"{address}/api/conversations{way.path}?{urlencode(parameters)}"
        async with session.get(url, headers=headers) as answer:
            body = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{way.name}: {body[:500]!r}")

    return ask
