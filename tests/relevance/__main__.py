"""Is what people mean found, and first? Judged queries, asked of the service and of other searches.

The judgments stand in queries.tsv: a language, what somebody would type, and the subjects of the conversations that it
should find, written down by reading the subjects. Behind the language may stand a kind of query, such as en/typing,
which is then counted by itself. A conversation with one of these subjects is a right one. Recall@10 is the share of
the right ones among the first ten (of ten at most); MRR the mean of 1 / place of the first right one; precision the
share of the first ten that are right. subjects.tsv has subjects in languages of which there is no public list.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
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
from service.query.conditions import MATCHES
from service.query.conversation_query import ConversationQuery
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.reindex import first_index
from service.search import did_you_mean
from service.search.paging.cursors import Cursors
from service.search.searcher import Searcher
from service.settings import Settings
from service.sources import mail
from tests.bench import postgres

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
QUERIES = Path(__file__).parent / "queries.tsv"
WRITTEN = Path(__file__).parent / "subjects.tsv"
PAGE = Path(__file__).parents[2] / "docs" / "search.md"
MARKS = ("<!-- relevance: written by scripts/relevance -->", "<!-- end of relevance -->")
DEPTH = 10
PLAIN = "plain_match"
JUDGED_MATCHES = tuple(match for match in ("words", "auto") if match in MATCHES)
PLAIN_NAME = "OpenSearch, plain match"
# What PostgreSQL calls the languages. For the others it has no stemmer.
CONFIGURATIONS = {
    "de": "german", "en": "english", "es": "spanish", "fr": "french", "pt": "portuguese", "ru": "russian",
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    language: str
    kind: str
    query: str
    right: frozenset[str]

    @property
    def group(self) -> str:
        return self.kind or self.language


Find = Callable[[Judged], Awaitable[list[str]]]


@dataclass(frozen=True)
class Score:
    recall: float
    reciprocal_rank: float
    precision: float


def judgments() -> list[Judged]:
    found = []
    for line in QUERIES.read_text("utf-8").splitlines():
        about, query, *right = line.split("\t")
        language, _, kind = about.partition("/")
        found.append(Judged(language, kind, query, frozenset(right)))
    return found


def subjects(data: Path) -> list[str]:
    """Every subject line: of the threads of the mailing lists, of the multilingual lines, and the written ones."""
    lists = sorted((data / "mail").glob("*.txt.gz"))
    lines = data / "subjects" / "subjects.ndjson.gz"
    if not lists or not lines.exists():
        raise click.ClickException(f"{data} holds no mail/*.txt.gz and subjects/subjects.ndjson.gz")
    found = [line.partition("\t")[2] for line in WRITTEN.read_text("utf-8").splitlines()]
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
        found = (await find(one))[:DEPTH]
        right = [place for place, subject in enumerate(found, start=1) if subject in one.right]
        possible = min(DEPTH, sum(totals[subject] for subject in one.right))
        precision = len(right) / len(found) if found else 0.0
        scores[one.group].append(Score(len(right) / possible, 1 / right[0] if right else 0.0, precision))
    return scores


def service(searcher: Searcher, match: str, *, follows: bool = False) -> Find:
    """The service. With `follows`, a search that finds nothing is sent again as its did_you_mean says."""

    async def ask(text: str) -> tuple[ConversationQuery, list[str]]:
        query_string = f"sort=relevance&per_page={DEPTH}&match={match}&search=".encode() + _quoted(text)
        _uid, query = parse_query(query_string, ORGANIZATION, known=LIST_PARAMETERS)
        page = await searcher.page(query, ORGANIZATION)
        return query, [json.loads(item)["subject"] for item in page.items]

    async def find(judged: Judged) -> list[str]:
        query, found = await ask(judged.query)
        if found or not follows:
            return found
        meant = (await did_you_mean.explain_no_results(searcher, query, ORGANIZATION)).did_you_mean
        return (await ask(str(meant.search)))[1] if meant is not None else []

    return find


def _quoted(text: str) -> bytes:
    return "".join(f"%{byte:02x}" for byte in text.encode()).encode()


def plain_match(client: Client) -> Find:
    """OpenSearch as it comes: its default analyzer, match, BM25."""

    async def find(judged: Judged) -> list[str]:
        body = {"query": {"match": {"subject": judged.query}}, "size": DEPTH}
        answer = await client.search(index=PLAIN, body=body)
        return [hit["_source"]["subject"] for hit in answer["hits"]["hits"]]

    return find


async def fill_plain(client: Client, texts: list[str]) -> None:
    await client.indices.create(index=PLAIN, body={"mappings": {"properties": {"subject": {"type": "text"}}}})
    for start in range(0, len(texts), 1000):
        body = "".join(f'{{"index":{{}}}}\n{json.dumps({"subject": text})}\n' for text in texts[start : start + 1000])
        await client.bulk(body=body, params={"index": PLAIN, "refresh": "true"})


async def fill_words(connection: asyncpg.Connection) -> None:
    """A column with the words of every subject, for each configuration."""
    for name in (*CONFIGURATIONS.values(), "simple"):
        words = f"to_tsvector('{name}', coalesce(subject, ''))"
        await connection.execute(
            f"ALTER TABLE conversations ADD words_{name} tsvector GENERATED ALWAYS AS ({words}) STORED"
        )


def full_text(connection: asyncpg.Connection, parse: str) -> Find:
    """PostgreSQL's text search in the language of the query, which it is told, ranked by ts_rank_cd."""

    async def find(judged: Judged) -> list[str]:
        name = CONFIGURATIONS.get(judged.language, "simple")
        statement = (
            f"SELECT subject FROM conversations, {parse}('{name}', $1) wanted WHERE words_{name} @@ wanted "  # noqa: S608
            f"ORDER BY ts_rank_cd(words_{name}, wanted) DESC, updated_on DESC LIMIT {DEPTH}"
        )
        return [row["subject"] for row in await connection.fetch(statement, judged.query)]

    return find


def sqlite(texts: list[str]) -> Find:
    """SQLite's FTS5 with its English stemmer: all words, ranked by BM25."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE subjects USING fts5(subject, tokenize = 'porter unicode61')")
    connection.executemany("INSERT INTO subjects VALUES (?)", ((text,) for text in texts))

    async def find(judged: Judged) -> list[str]:
        words = " ".join('"' + word.replace('"', '""') + '"' for word in judged.query.split())
        statement = "SELECT subject FROM subjects WHERE subjects MATCH ? ORDER BY rank LIMIT ?"
        return [subject for (subject,) in connection.execute(statement, (words, DEPTH))]

    return find


def table(results: dict[str, dict[str, list[Score]]]) -> str:
    languages = sorted({language for scores in results.values() for language in scores})
    rows = [
        "| recall@10 / MRR / precision | " + " | ".join(languages) + " | all |",
        "|---|" + "---|" * (len(languages) + 1),
    ]
    for name, scores in results.items():
        everything = [score for found in scores.values() for score in found]
        cells = [_cell(scores[language]) for language in languages]
        rows.append(f"| {name} | {' | '.join(cells)} | {_cell(everything)} |")
    return "\n".join(rows)


def _cell(scores: list[Score]) -> str:
    recall = sum(score.recall for score in scores) / len(scores)
    place = sum(score.reciprocal_rank for score in scores) / len(scores)
    return f"{recall:.2f} / {place:.2f} / {sum(score.precision for score in scores) / len(scores):.2f}"


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
        await fill_words(database_connection)
        finds = {
            **{
                f"this service, match={match}{', its did_you_mean' if follows else ''}": service(
                    searcher, match, follows=follows
                )
                for match in JUDGED_MATCHES
                for follows in (False, True)
            },
            PLAIN_NAME: plain_match(admin),
            "PostgreSQL, plainto_tsquery": full_text(database_connection, "plainto_tsquery"),
            "SQLite, FTS5 porter": sqlite(texts),
        }
        return {name: await judge(find, judged, totals) for name, find in finds.items()}
    except SearchUnavailable as error:
        raise click.ClickException(str(error)) from None
    finally:
        await database_connection.close()
        await searcher.close()
        await searches.close()
        await admin.close()


def failures(results: dict[str, list[Score]]) -> None:
    """What the service did not find first, for whoever tunes it."""
    places: dict[str, int] = defaultdict(int)
    for one in judgments():
        score = results[one.group][places[one.group]]
        places[one.group] += 1
        if score.recall < 1 or score.reciprocal_rank < 1:
            print(f"  {one.group} {one.query!r}: recall {score.recall:.2f}, 1/place {score.reciprocal_rank:.2f}")


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("../shared/data"),
              show_default=True, help="Folder with mail/*.txt.gz and subjects/subjects.ndjson.gz.")  # fmt: skip
@click.option("--write", is_flag=True, help="Write the table into docs/search.md.")
def main(data: Path, write: bool) -> None:
    """Print recall@10, MRR and precision of the judged queries: this service, and other searches."""
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
    best = f"this service, match={JUDGED_MATCHES[-1]}"
    print(f"{best} does not find, or not first:")
    failures(results[best])
    if write:
        before, _, rest = PAGE.read_text("utf-8").partition(MARKS[0])
        PAGE.write_text(f"{before}{MARKS[0]}\n\n{told}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}", "utf-8")


if __name__ == "__main__":
    main(prog_name="scripts/relevance")
