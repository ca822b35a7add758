"""The views for OpenSearch Dashboards: their searches find what plain Python counts in the sample.

OpenSearch Dashboards cannot be installed as a package, so tests/dashboards.py makes its searches.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from statistics import mean, quantiles

import pytest
from opensearchpy.exceptions import RequestError

from service.conversation import Conversation
from service.index import writer
from service.operations.dashboards import oldest, saved_objects
from service.settings import Settings
from service.sources import ndjson
from tests import dql
from tests.analysts import answer_text, questions
from tests.dashboards import Dashboards, Record, Row, Times, dates, fields_of, table
from tests.node.clusters import Cluster, own_alias
from tests.samples.recent import recent

NOW = datetime.now(UTC)
VIEWS = Dashboards(
    (json.loads(line) for line in saved_objects("conversations").splitlines()),
    Times(datetime(2003, 5, 1, tzinfo=UTC), NOW),  # as the import sets it for the sample
)


@pytest.fixture(scope="module")
def sample(settings: Settings, opensearch_url: str, samples: Path) -> Iterator[tuple[Cluster, list[Conversation]]]:
    lines = ndjson.read(str(samples / "conversations.ndjson.gz"))
    conversations = [line.conversation for line in lines if line.conversation is not None]
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load(conversations)
        yield cluster, conversations


def search(cluster: Cluster, body: Record) -> Record:
    answer: Record = cluster.act(lambda client: client.search(index=cluster.settings.alias, body=body))
    assert answer["_shards"]["failed"] == 0
    return answer


# ---- counted in Python ----

Keys = Callable[[Conversation], Iterable[object]]
Chosen = Callable[[Conversation], bool]


def created(one: Conversation) -> datetime:
    assert one.created_on is not None
    return one.created_on


def is_open(one: Conversation) -> bool:
    return one.status in ("active", "draft")


def waits(one: Conversation) -> bool:
    late = one.sent_at is not None and one.sent_at <= NOW - timedelta(days=2)
    return is_open(one) and one.direction == "inbound" and not one.has_reply and late


def of_all(one: Conversation) -> bool:
    return one.uid is not None


def unread(one: Conversation) -> bool:
    return one.is_read is False


def days_30(one: Conversation) -> list[datetime]:
    """The bar of 30 days, as Dashboards chooses for these 23 years; the first bar begins in 1970."""
    return [datetime.fromtimestamp(created(one).timestamp() // (30 * 86400) * (30 * 86400), UTC)]


def week(one: Conversation) -> list[datetime]:
    day = created(one).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [day - timedelta(days=day.weekday())]


def counted(chosen: Chosen, *keys: Keys) -> Callable[[list[Conversation]], dict[Row, Row]]:
    def count(conversations: list[Conversation]) -> dict[Row, Row]:
        wanted = (one for one in conversations if chosen(one))
        return {
            row: (n,) for row, n in Counter(row for one in wanted for row in product(*(k(one) for k in keys))).items()
        }

    return count


def with_messages(keys: Keys) -> Callable[[list[Conversation]], dict[Row, Row]]:
    def count(conversations: list[Conversation]) -> dict[Row, Row]:
        numbers, messages = Counter[object](), Counter[object]()
        for one in conversations:
            for key in keys(one):
                numbers[key] += 1
                messages[key] += one.message_count or 0
        return {(key,): (n, messages[key]) for key, n in numbers.most_common()}

    return count


def hours(conversations: list[Conversation]) -> list[float]:
    """Hours from creation to the last message, of each conversation with several messages."""
    several = (one for one in conversations if (one.message_count or 0) >= 2 and one.sent_at is not None)
    return [(one.sent_at - created(one)) / timedelta(hours=1) for one in several if one.sent_at]


def states(conversations: list[Conversation]) -> dict[Row, Row]:
    chosen = {
        "Open": is_open, "Unassigned": lambda one: is_open(one) and one.agent_uid is None, "Unread": unread,
        "Waiting over two days": waits,
    }  # fmt: skip
    return {(name,): (sum(map(of, conversations)),) for name, of in chosen.items()}


def ages(conversations: list[Conversation], now: datetime = NOW) -> dict[Row, Row]:
    edges = {"0 to 1 day": 1, "1 to 2 days": 2, "2 to 7 days": 7, "7 to 30 days": 30, "over 30 days": 99_999}
    found = Counter[str]()
    for one in filter(is_open, conversations):
        found[next(name for name, days in edges.items() if now - created(one) < timedelta(days=days))] += 1
    return {(name,): (found[name],) for name in edges}


def figures(conversations: list[Conversation]) -> dict[Row, Row]:
    parties = {one.party_uid for one in conversations if one.party_uid}
    senders = {one.metadata.from_email.lower() for one in conversations if one.metadata.from_email}
    messages = sum(one.message_count or 0 for one in conversations)
    return {(): (len(conversations), messages, len(parties), len(senders))}


def weekday_and_hour(conversations: list[Conversation]) -> dict[Row, Row]:
    sent = Counter((one.sent_at.hour, one.sent_at.isoweekday()) for one in conversations if one.sent_at)
    return {(hour, weekday): (sent[hour, weekday],) for hour in range(24) for weekday in range(1, 8)}


def agent(one: Conversation) -> list[object]:
    return [str(one.agent_uid) if one.agent_uid else "unassigned"]


def category(one: Conversation) -> Iterable[object]:
    return one.categories or ["none"]


def answered(one: Conversation) -> list[object]:
    return ["with a reply" if one.has_reply else "without a reply"]


EXPECTED: dict[str, Callable[[list[Conversation]], dict[Row, Row]]] = {
    "conversations-now": states,
    "conversations-age": ages,
    "conversations-open": counted(is_open, week, lambda one: [one.status]),
    "conversations-open-agents": counted(is_open, agent),
    "conversations-unread-agents": counted(unread, agent),
    "conversations-open-categories": counted(is_open, category),
    "conversations-figures": figures,
    "conversations-volume": counted(of_all, days_30, lambda one: [one.channel]),
    "conversations-direction": counted(of_all, lambda one: [one.direction]),
    "conversations-answered": counted(
        lambda one: one.direction == "inbound", lambda one: [one.channel], days_30, answered
    ),
    "conversations-statuses": counted(of_all, lambda one: [one.status]),
    "conversations-categories": counted(of_all, category),
    "conversations-labels": counted(of_all, lambda one: one.metadata.labels or ["none"]),
    "conversations-agents": with_messages(agent),
    "conversations-messages": counted(of_all, lambda one: [one.message_count]),
    "conversations-hours": weekday_and_hour,
}
IN_OTHER_TESTS = {"conversations-senders", "conversations-duration"}
WITHOUT_A_SEARCH = {"conversations-note-now", "conversations-note-time", "conversations-controls"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_chart_shows_what_is_counted_in_the_sample(name: str, sample: tuple[Cluster, list[Conversation]]) -> None:
    cluster, conversations = sample
    chart = VIEWS.objects["visualization", name]
    shown = table(chart, search(cluster, VIEWS.search(chart)))
    expected = EXPECTED[name](conversations)
    assert {keys: row for keys, row in shown.items() if name == "conversations-hours" or any(row)} == {
        keys: row for keys, row in expected.items() if name == "conversations-hours" or any(row)
    }
    assert sum(row[0] for row in shown.values()) > 0


def day(one: Conversation) -> list[datetime]:
    return [created(one).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)]


def test_charts_of_thirteen_weeks_have_bars_of_a_day_or_a_week(fresh: Cluster) -> None:
    """The sample as the profile `dev` loads it."""
    conversations = [Conversation.model_validate(one) for one in recent(NOW)]
    fresh.load(conversations)
    since = fresh.act(lambda client: oldest(client, fresh.settings.alias))
    views = Dashboards(VIEWS.objects.values(), Times(datetime.fromisoformat(f"{since}T00:00:00+00:00"), NOW))

    def shown(name: str) -> dict[Row, Row]:
        chart = views.objects["visualization", name]
        return table(chart, search(fresh, views.search(chart)))

    assert shown("conversations-volume") == counted(of_all, day, lambda one: [one.channel])(conversations)
    inbound = [one for one in conversations if one.direction == "inbound"]
    answers = counted(of_all, lambda one: [one.channel], week, answered)(inbound)
    assert {keys: row for keys, row in shown("conversations-answered").items() if row != (0,)} == answers
    before, found, after = ages(conversations, datetime.now(UTC)), None, None
    while before != after:  # a conversation may become a day older meanwhile
        before, found, after = after or before, shown("conversations-age"), ages(conversations, datetime.now(UTC))
    assert found is not None
    assert {keys: row for keys, row in found.items() if keys != ("unknown",)} == before
    assert sum(row != (0,) for row in found.values()) >= 4


def test_every_chart_is_compared() -> None:
    charts = {one["id"] for one in VIEWS.of_kind("visualization")}
    assert charts == {*EXPECTED, *IN_OTHER_TESTS, *WITHOUT_A_SEARCH}


def test_the_senders_with_most_conversations_are_in_the_table(sample: tuple[Cluster, list[Conversation]]) -> None:
    cluster, conversations = sample
    chart = VIEWS.objects["visualization", "conversations-senders"]
    shown = table(chart, search(cluster, VIEWS.search(chart)))
    every = with_messages(lambda one: [one.metadata.from_email.lower()] if one.metadata.from_email else [])(
        conversations
    )
    assert len(shown) == 20
    assert all(every[keys] == row for keys, row in shown.items())
    assert [row[0] for row in shown.values()] == sorted((row[0] for row in every.values()), reverse=True)[:20]


def test_the_time_from_creation_to_the_last_message(sample: tuple[Cluster, list[Conversation]]) -> None:
    """A scripted field of Dashboards. OpenSearch's percentiles are estimates."""
    cluster, conversations = sample
    chart = VIEWS.objects["visualization", "conversations-duration"]
    [(average, (median, high))] = table(chart, search(cluster, VIEWS.search(chart))).values()
    found = hours(conversations)
    assert len(found) > 50
    assert average == pytest.approx(mean(found))
    assert median == pytest.approx(quantiles(found, n=100)[49], rel=0.1)
    assert quantiles(found, n=100)[92] <= high <= quantiles(found, n=100)[96]


@pytest.mark.parametrize(
    ("name", "chosen", "date"),
    [
        ("conversations-unread", unread, "created_on"),
        ("conversations-unassigned", lambda one: is_open(one) and one.agent_uid is None, "created_on"),
        ("conversations-waiting", waits, "sent_at"),
    ],
)
def test_a_queue_has_conversations_of_all_times_and_the_oldest_first(
    name: str, chosen: Chosen, date: str, sample: tuple[Cluster, list[Conversation]]
) -> None:
    cluster, conversations = sample
    hits = search(cluster, VIEWS.search(VIEWS.objects["search", name]))["hits"]["hits"]
    wanted = [one for one in conversations if chosen(one)]
    assert len(hits) == len(wanted) > 20
    assert {hit["_source"]["uid"] for hit in hits} == {str(one.uid) for one in wanted}
    assert [hit["_source"][date] for hit in hits] == sorted(hit["_source"][date] for hit in hits)
    assert hits[0]["_source"][date] < "2003-06"
    assert not any(hit["_source"].get(own) for hit in hits for own in ("order", "record", "tombstone", "parts"))
    columns = VIEWS.objects["search", name]["attributes"]["columns"]
    assert all(any(_at(hit["_source"], column) for hit in hits) for column in columns)


def _at(document: Record, path: str) -> object:
    for name in path.split("."):
        document = document.get(name) or {}
    return document


@pytest.mark.parametrize("control", range(4))
def test_the_controls_offer_all_values_of_the_sample(control: int, sample: tuple[Cluster, list[Conversation]]) -> None:
    cluster, conversations = sample
    state = json.loads(VIEWS.objects["visualization", "conversations-controls"]["attributes"]["visState"])
    field = state["params"]["controls"][control]["fieldName"]
    answer = search(
        cluster, {"size": 0, "aggs": {"termsAgg": {"terms": {"field": field, "order": {"_count": "desc"}}}}}
    )
    offered = {bucket["key"] for bucket in answer["aggregations"]["termsAgg"]["buckets"]}
    values = [getattr(one, field) for one in conversations]
    flat = [inner for one in values for inner in (one if isinstance(one, list) else [one])]
    assert offered == {str(one) for one in flat if one is not None}


def test_the_fields_are_those_that_dashboards_reads_from_the_index(sample: tuple[Cluster, list[Conversation]]) -> None:
    """As src/plugins/data/server/index_patterns/fetcher/lib/field_capabilities of Dashboards derives them."""
    cluster, _conversations = sample
    alias = cluster.settings.alias
    caps: Record = cluster.act(lambda client: client.field_caps(index=alias, params={"fields": "*"}))["fields"]
    types = {name: next(iter(one)) for name, one in caps.items() if not name.startswith("_")}
    for pattern in VIEWS.of_kind("index-pattern"):
        listed = fields_of(pattern["attributes"])
        own = {name: field for name, field in listed.items() if "esTypes" in field}
        assert set(own) == {name for name, kind in types.items() if kind != "object"}
        for name, field in own.items():
            [one] = caps[name].values()
            assert (field["esTypes"], field["searchable"], field["aggregatable"]) == (
                [one["type"]], one["searchable"], one["aggregatable"],
            ), name  # fmt: skip
            parent = name.rpartition(".")[0]
            multi = parent in types and types[parent] != "object"
            assert field.get("subType") == ({"multi": {"parent": parent}} if multi else None), name
        assert {"_id", "_index", "_source", "first_to_last_hours"} <= set(listed) - set(own)


def test_deletions_leave_nothing_in_a_view_and_a_conversation_without_dates_is_open(
    fresh: Cluster, samples: Path
) -> None:
    lines = [line.conversation for line in ndjson.read(str(samples / "conversations.ndjson.gz"))]
    one, other = [line for line in lines if line is not None][:2]
    undated = other.model_copy(update={"created_on": None, "sent_at": None, "status": "draft", "is_read": False})
    fresh.load([one])
    assert fresh.act(lambda client: oldest(client, fresh.settings.alias)) == "2003-05-01"
    gone = writer.deletion_of(one.organization_uid, one.uid, one.updated_on.replace(year=2030))
    fresh.act(lambda client: writer.write(client, fresh.settings.alias, [gone]))
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    assert fresh.act(lambda client: client.count(index=fresh.settings.alias))["count"] == 1
    views = [found for found in VIEWS.of_kind("search", "visualization") if found["id"] not in WITHOUT_A_SEARCH]
    for found in views:
        assert search(fresh, VIEWS.search(found))["hits"]["total"]["value"] == 0
    assert fresh.act(lambda client: oldest(client, fresh.settings.alias)) is None
    fresh.load([undated])
    age = VIEWS.objects["visualization", "conversations-age"]
    assert table(age, search(fresh, VIEWS.search(age)))[("unknown",)] == (1,)
    found_in = {found["id"] for found in views if search(fresh, VIEWS.search(found))["hits"]["total"]["value"]}
    assert {"conversations-now", "conversations-open", "conversations-unread"} <= found_in


def test_the_questions_for_analysts_have_the_answers_that_the_page_states(
    sample: tuple[Cluster, list[Conversation]],
) -> None:
    cluster, _conversations = sample
    found = questions()
    days = set(dates(fields_of(VIEWS.objects["index-pattern", "conversations-all"]["attributes"])))
    assert len(found) == 20
    for question in found:
        answer = search(cluster, question.search)
        assert answer_text(answer) == question.answer, question.text
        asked = {"size": 0, "track_total_hits": True, "query": dql.query(question.dql, days)}
        assert search(cluster, asked)["hits"]["total"] == answer["hits"]["total"], question.text


def test_a_date_without_a_time_is_refused_in_a_query(sample: tuple[Cluster, list[Conversation]]) -> None:
    cluster, _conversations = sample
    for date, status in (("2003-05-01T00:00:00.000Z", 200), ("now-2d", 200), ("2003-05-01", 400)):
        asked = {"size": 0, "query": dql.query(f'created_on >= "{date}"', {"created_on"})}
        if status == 200:
            search(cluster, asked)
        else:
            with pytest.raises(RequestError, match="failed to parse date"):
                search(cluster, asked)
