"""Is what people mean found, and first? Judged queries, asked of the service, of a plain match and of PostgreSQL.

The judgments stand in queries.tsv: a language, what somebody would type, and the subjects of the conversations that it
should find, written down by reading the subjects. A conversation with one of these subjects is a right one. Recall@10
is the share of the right ones among the first ten (of ten at most); MRR the mean of 1 / place of the first right one.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import asyncpg
import click
from pydantic import SecretStr

from service.client import Client, connect
from service.client.responses import SearchAnswer
from service.conversation import Conversation
from service.errors import SearchUnavailable
from service.index import loader, mapping
from service.node import LocalNode, fetch
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.reindex import first_index
from service.search import results as search_results
from service.search.paging.cursors import Cursors
from service.search.searcher import Searcher
from service.settings import Settings
from service.sources import mail
from tests.bench import postgres

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
QUERIES = Path(__file__).parent / "queries.tsv"
PAGE = Path(__file__).parents[2] / "docs" / "search.md"
MARKS = ("<!-- relevance: written by scripts/relevance -->", "<!-- end of relevance -->")
DEPTH = 10
PLAIN = "plain_match"

Find = Callable[[str], Awaitable[list[str]]]


@dataclass(frozen=True)
class Judged:
    language: str
    query: str
    right: frozenset[str]


@dataclass(frozen=True)
class Score:
    recall: float
    reciprocal_rank: float


def judgments() -> list[Judged]:
    lines = QUERIES.read_text("utf-8").splitlines()
    return [Judged(parts[0], parts[1], frozenset(parts[2:])) for parts in (line.split("\t") for line in lines)]


def subjects(data: Path) -> list[str]:
    """Every subject line there: of the threads of the mailing lists, and of the multilingual lines."""
    lists = sorted((data / "mail").glob("*.txt.gz"))
    lines = data / "subjects" / "subjects.ndjson.gz"
    if not lists or not lines.exists():
        raise click.ClickException(f"{data} holds no mail/*.txt.gz and subjects/subjects.ndjson.gz")
    found: list[str] = []
    for file in lists:
        threads = mail.conversations(
            (str(file),), ORGANIZATION, mail.Own(frozenset(), frozenset()), reject=lambda *_what: None
        )
        found += [thread.subject for thread in threads if thread.subject]
    with gzip.open(lines, "rt", encoding="utf-8") as opened:
        return found + [json.loads(line)["subject"] for line in opened]


def conversations(texts: list[str]) -> list[Conversation]:
    first = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        Conversation(
            uid=uuid5(ORGANIZATION, f"{number}"), organization_uid=ORGANIZATION, subject=text,
            updated_on=first + timedelta(minutes=number),
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip


async def judge(find: Find, judged: list[Judged], totals: dict[str, int]) -> dict[str, list[Score]]:
    scores: dict[str, list[Score]] = defaultdict(list)
    for one in judged:
        found = await find(one.query)
        right = [place for place, subject in enumerate(found[:DEPTH], start=1) if subject in one.right]
        possible = min(DEPTH, sum(totals[subject] for subject in one.right))
        scores[one.language].append(Score(len(right) / possible, 1 / right[0] if right else 0.0))
    return scores


def service(searcher: Searcher, match: str) -> Find:
    async def find(text: str) -> list[str]:
        query_string = f"sort=relevance&match={match}&per_page={DEPTH}&search=".encode() + _quoted(text)
        _uid, query = parse_query(query_string, ORGANIZATION, known=LIST_PARAMETERS)
        page = await search_results.page(searcher, query, ORGANIZATION)
        return [json.loads(item)["subject"] for item in page.items]

    return find


def _quoted(text: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in text.encode()).encode()


def plain_match(client: Client) -> Find:
    """OpenSearch as it comes: its default analyzer, match, BM25."""

    async def find(text: str) -> list[str]:
        answer = await client.search(index=PLAIN, body={"query": {"match": {"subject": text}}, "size": DEPTH})
        return [hit["_source"]["subject"] for hit in answer["hits"]["hits"]]

    return find


async def fill_plain(client: Client, texts: list[str]) -> None:
    await client.indices.create(index=PLAIN, body={"mappings": {"properties": {"subject": {"type": "text"}}}})
    for start in range(0, len(texts), 1000):
        body = "".join(f'{{"index":{{}}}}\n{json.dumps({"subject": text})}\n' for text in texts[start : start + 1000])
        await client.bulk(body=body, params={"index": PLAIN, "refresh": "true"})


def full_text(connection: asyncpg.Connection, parse: str) -> Find:
    """PostgreSQL's text search, in English, ranked by ts_rank_cd."""
    statement = (
        f"SELECT subject FROM conversations, {parse}('english', $1) wanted WHERE words @@ wanted "  # noqa: S608
        f"ORDER BY ts_rank_cd(words, wanted) DESC, updated_on DESC LIMIT {DEPTH}"
    )

    async def find(text: str) -> list[str]:
        return [row["subject"] for row in await connection.fetch(statement, text)]

    return find


def table(results: dict[str, dict[str, list[Score]]]) -> str:
    languages = sorted({language for scores in results.values() for language in scores})
    rows = ["| recall@10 / MRR | " + " | ".join(languages) + " | all |", "|---|" + "---|" * (len(languages) + 1)]
    for name, scores in results.items():
        everything = [score for found in scores.values() for score in found]
        cells = [_cell(scores[language]) for language in languages]
        rows.append(f"| {name} | {' | '.join(cells)} | {_cell(everything)} |")
    return "\n".join(rows)


def _cell(scores: list[Score]) -> str:
    recall = sum(score.recall for score in scores) / len(scores)
    return f"{recall:.2f} / {sum(score.reciprocal_rank for score in scores) / len(scores):.2f}"


async def compare(settings: Settings, url: str, database: str, texts: list[str]) -> dict[str, dict[str, list[Score]]]:
    admin, searches = connect(settings, url), connect(settings, url, answer=SearchAnswer)
    searcher = Searcher(searches, settings.alias, deadline=60, cursors=Cursors(b""))
    database_connection = await asyncpg.connect(database)
    judged = judgments()
    totals: dict[str, int] = defaultdict(int)
    for text in texts:
        totals[text] += 1
    if missing := sorted(subject for one in judged for subject in one.right if not totals[subject]):
        raise click.ClickException(f"not in these data: {missing[0]}")
    try:
        await first_index.ensure(admin, settings.alias, mapping.load())
        pairs = ((None, one) for one in conversations(texts))
        await loader.load(admin, settings.alias, pairs, reject=lambda _origin, reason: sys.exit(reason))
        await fill_plain(admin, texts)
        return {
            "this service, sort=relevance": await judge(service(searcher, "words"), judged, totals),
            "this service, match=auto": await judge(service(searcher, "auto"), judged, totals),
            "OpenSearch, plain match": await judge(plain_match(admin), judged, totals),
            "PostgreSQL, plainto_tsquery": await judge(
                full_text(database_connection, "plainto_tsquery"), judged, totals
            ),
        }
    except SearchUnavailable as error:
        raise click.ClickException(str(error)) from None
    finally:
        await database_connection.close()
        await searcher.close()
        await searches.close()
        await admin.close()


async def failures(results: dict[str, list[Score]]) -> None:
    """What the service did not find first, for whoever tunes it."""
    places: dict[str, int] = defaultdict(int)
    for one in judgments():
        score = results[one.language][places[one.language]]
        places[one.language] += 1
        if score.recall < 1 or score.reciprocal_rank < 1:
            print(f"  {one.language} {one.query!r}: recall {score.recall:.2f}, 1/place {score.reciprocal_rank:.2f}")


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("../shared/data"),
              show_default=True, help="Folder with mail/*.txt.gz and subjects/subjects.ndjson.gz.")  # fmt: skip
@click.option("--write", is_flag=True, help="Write the table into docs/search.md.")
def main(data: Path, write: bool) -> None:
    """Print recall@10 and MRR of the judged queries: this service, OpenSearch's plain match, PostgreSQL's text search."""
    texts = subjects(data)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load().but(
            alias="relevance", data=Path(folder, "node"), token_secret=SecretStr("relevance " * 4)
        )
        Path(folder).chmod(0o755)
        with (
            LocalNode(settings.data, fetch(settings.cache, java_home=settings.java_home)) as node,
            postgres.running(Path(folder, "postgres")) as database,
        ):
            asyncio.run(postgres.fill(database, conversations(texts)))
            results = asyncio.run(compare(settings, node.url, database, texts))
    told = f"{len(judgments())} queries over {len(texts):,} subjects, {datetime.now(UTC):%Y-%m-%d}.\n\n{table(results)}"
    print(told)
    asyncio.run(failures(results["this service, sort=relevance"]))
    if write:
        before, _, rest = PAGE.read_text("utf-8").partition(MARKS[0])
        PAGE.write_text(f"{before}{MARKS[0]}\n\n{told}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")


if __name__ == "__main__":
    main(prog_name="scripts/relevance")
