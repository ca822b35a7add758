"""Texts made to slow down or break an analyzer: the node writes and searches them, and stays fast."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from string import ascii_lowercase
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest

from service.conversation import Conversation
from service.index import mapping
from service.query.conditions import MATCHES, MAX_SEARCH_CHARACTERS
from service.query.search_syntax import MAX_CHARACTERS as MAX_BOX
from service.query.values import MAX_SUGGEST_CHARACTERS as MAX_SUGGEST
from service.reindex import first_index
from service.text import pieces_of, trimmed
from tests.hostile import HOSTILE, PLAIN, Text
from tests.node.clusters import Cluster, await_room
from tests.node.serving import Api, serving
from tests.served import CERTIFICATES

ORGANIZATION = UUID("5f0c52a4-35cb-4d3c-9f0e-6f5b1f4f3c11")
MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
# Code points: far beyond the documents' limits, because the analysis must be safe without them. ICU's normalizer takes
# quadratic time for joined emoji, because it looks ahead for a boundary between them: 16 s for 110,000.
LENGTH = 40_000
GREATEST = 300_000  # of the worst texts; a longer one keeps a thread of the shared node for seconds
WRITTEN = 2_000  # of a field, unless its limit is lower
# Normalization makes a text at most 18 times longer; anything quadratic takes hundreds of times longer.
TIMES_SLOWER = 100
REFUSALS = (
    "must have",
    "spelled out",
    "clauses, not",
    "control characters",
    "too many words or conditions",
)  # what a text may be refused for
LEAST_SECONDS = 0.3  # the least time to compare with, because of busy machines


@pytest.fixture(scope="module")
def hostile(settings: Any, opensearch_url: str) -> Iterator[Cluster]:
    """An index of its own, with the mapping and no conversations."""
    cluster = Cluster(settings.but(alias=f"{settings.alias}_hostile"), opensearch_url)
    cluster.drop()
    cluster.act(lambda client: first_index.ensure(client, cluster.settings.alias, mapping.load()))
    yield cluster
    cluster.drop()


@pytest.fixture(scope="module")
def node(hostile: Cluster) -> Iterator[httpx.Client]:
    """An HTTP client of the index itself."""
    url = f"{hostile.url}/{hostile.settings.alias}"
    with httpx.Client(base_url=url, timeout=300, verify=CERTIFICATES) as client:
        yield client


@pytest.fixture(scope="module")
def hostile_api(hostile: Cluster) -> Iterator[Api]:
    """The service over that index, in which each text is the subject of a conversation."""
    hostile.load([_conversation(name, subject=_sent(text)) for name, text in HOSTILE.items()])
    yield from serving(hostile.settings, hostile.url)


@pytest.fixture(autouse=True)
def _writer_is_alive(hostile: Cluster, node: httpx.Client, node_log: Path) -> Iterator[None]:
    """After each test, a new document can be written and found, and no thread of the local node ended with an Error."""
    yield
    await_room(hostile.url)
    name = uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))  # one word
    node.put(f"/_doc/{name}?refresh=true", json={"subject": name}).raise_for_status()
    found = node.post("/_search", json={"query": {"match": {"subject": name}}}).raise_for_status()
    assert [hit["_id"] for hit in found.json()["hits"]["hits"]] == [name]
    node.delete(f"/_doc/{name}?refresh=true").raise_for_status()
    assert not node_log.exists() or "Exception in thread" not in node_log.read_text("utf-8", "replace")


def _sent(text: Text) -> str:
    """As long as a search may be, so that the same text is a subject and a search."""
    return text(MAX_SEARCH_CHARACTERS)


def _conversation(name: str, **fields: Any) -> Conversation:
    return Conversation(uid=uuid5(ORGANIZATION, name), organization_uid=ORGANIZATION, updated_on=MOMENT, **fields)


def _analyzed_seconds(node: httpx.Client, text: str) -> float:
    """How long the node takes to write a document whose analyzed fields hold the text. The node must accept it."""
    body = json.dumps({"subject": text, "metadata": {"from_name": text}})
    for _attempt in range(20):
        begun = time.monotonic()
        answer = node.put("/_doc/large", content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != 429:  # the circuit breaker: what came before is not collected yet
            break
        time.sleep(0.5)
    assert answer.status_code in (200, 201), answer.text[:1000]
    return time.monotonic() - begun


def _too_slow(node: httpx.Client, texts: Mapping[str, Text], length: int) -> dict[str, float]:
    """Those of the texts that take the node far longer than a plain text of the same length, with their seconds."""
    _analyzed_seconds(node, PLAIN(length))
    plain = max(_analyzed_seconds(node, PLAIN(length)), LEAST_SECONDS)
    took = {name: _analyzed_seconds(node, text(length)) for name, text in texts.items()}
    return {name: seconds for name, seconds in took.items() if seconds > plain * TIMES_SLOWER}


def test_no_kind_of_text_is_far_slower_to_analyze_than_a_plain_one(node: httpx.Client) -> None:
    assert _too_slow(node, HOSTILE, LENGTH) == {}


def test_very_long_texts_are_not_far_slower_to_analyze_than_plain_ones(node: httpx.Client) -> None:
    worst = (
        "repeated 're:'", "spaces behind ]", "variation selectors", "families", "unbroken 'a'", "unbroken '漢'",
        "marks all to be reordered", "expanding '\ufdfa'", "punctuated 'a-'",
    )  # fmt: skip
    assert _too_slow(node, {name: HOSTILE[name] for name in worst}, GREATEST) == {}


def _limits() -> dict[str, int]:
    """The text fields with their greatest length; for lists, the length of an element."""
    schema = Conversation.model_json_schema()
    metadata = schema["$defs"]["Metadata"]["properties"]
    found = {"subject": schema["properties"]["subject"], "categories": schema["properties"]["categories"]}
    found |= {f"metadata.{name}": field for name, field in metadata.items()}
    limits = {name: _max_length(field) for name, field in found.items()}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _max_length(field: dict[str, Any]) -> int | None:
    one: dict[str, Any] = field.get("items", next(iter(field.get("anyOf", ())), field))
    length = one.get("maxLength")
    return int(length) if one.get("type") == "string" and length is not None else None


LISTS = ("categories", "metadata.to_emails", "metadata.cc_emails", "metadata.labels")


def test_the_limits_cover_all_text_fields() -> None:
    assert set(_limits()) >= {
        *LISTS, "subject", "metadata.from_email", "metadata.from_name", "metadata.snippet", "metadata.thread_id",
        "metadata.provider_message_id",
    }  # fmt: skip


@pytest.mark.parametrize("field", sorted(_limits()))
def test_a_document_within_the_limits_is_written(field: str, hostile: Cluster) -> None:
    length = min(_limits()[field], WRITTEN)
    name = field.removeprefix("metadata.")
    made = []
    for kind, text in HOSTILE.items():
        if not trimmed(text(length)):
            continue
        value: Any = [text(length)] if field in LISTS else text(length)
        fields = {name: value} if name == field else {"metadata": {name: value}}
        made.append(_conversation(f"{field} {kind}", **fields))
    tally = hostile.load(made)  # which rejects none of them
    assert tally.written == len(made)


@pytest.mark.parametrize("field", ["subject.whole", "metadata.from_email", "metadata.to_emails", "metadata.labels"])
def test_no_term_is_longer_than_lucene_takes(field: str, node: httpx.Client) -> None:
    """A keyword of the greatest length that is indexed, of the characters that grow most, is found as a whole."""
    for unit in ("\ufdfa", "漢", "Ⱥ", "ẞ", "\u0390", "\U00010400"):
        text = unit * (10_000 // (2 if ord(unit) > 0xFFFF else 1))
        path = field.removesuffix(".whole").split(".")
        document: dict[str, Any] = {path[-1]: text}
        for part in reversed(path[:-1]):
            document = {part: document}
        node.put("/_doc/term?refresh=true", json=document).raise_for_status()
        answer = node.post("/_search", json={"query": {"term": {field: text}}}).raise_for_status()
        assert "term" in [hit["_id"] for hit in answer.json()["hits"]["hits"]], unit
    node.delete("/_doc/term?refresh=true").raise_for_status()


@pytest.mark.parametrize("match", MATCHES)
def test_every_text_is_searched_and_found_with_its_highlights(match: str, hostile_api: Api) -> None:
    token = hostile_api.token(ORGANIZATION)
    for name, text in HOSTILE.items():
        parameters = {
            "search": _sent(text),
            "match": match,
            "highlight": "subject",
            "sort": "relevance",
            "per_page": 100,
        }
        answer = hostile_api.get("/api/conversations", token, params=parameters)
        if answer.status_code == 400 and any(refusal in answer.text for refusal in REFUSALS):
            continue
        assert answer.status_code == 200, f"{name}: {answer.text[:500]}"
        if pieces_of(_sent(text)):
            found = [item["uid"] for item in answer.json()["data"]["items"]]
            assert str(uuid5(ORGANIZATION, name)) in found, name


TYPED: list[Callable[[Text, int], str]] = [
    lambda text, most: text(most), lambda text, most: f"{text(most - 1)}*", lambda text, most: f'"{text(most - 2)}"',
]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "path", "most", "options"),
    [
        (0, "/api/conversations", MAX_BOX, {"highlight": "subject", "explain": "query", "per_page": "3"}),
        (1, "/api/conversations/suggest", MAX_SUGGEST, {}),
        (2, "/api/conversations/export", MAX_BOX, {}),
        (3, "/api/conversations/count", MAX_BOX, {}),
    ],
)
def test_every_text_may_be_typed(place: int, path: str, most: int, options: dict[str, str], hostile_api: Api) -> None:
    """In each form on one of the routes: as words, as a beginning and as a phrase."""
    token = hostile_api.token(ORGANIZATION)
    for form, (name, text) in enumerate(HOSTILE.items(), start=place):
        answer = hostile_api.get(path, token, params={"q": TYPED[form % len(TYPED)](text, most), **options})
        if answer.status_code != 400 or not any(refusal in answer.text for refusal in REFUSALS):
            assert answer.status_code == 200, f"{name}: {answer.text[:500]}"


def test_words_with_very_many_similar_words_are_found(hostile: Cluster, hostile_api: Api) -> None:
    """Each of these has more than a thousand similar words in the index: more than OpenSearch accepts as clauses."""
    words = ("balance", "foreign", "machine", "western")
    organization = uuid5(ORGANIZATION, "neighbours")
    made = [
        Conversation(
            uid=uuid5(organization, f"{word} {at} {one}"), organization_uid=organization, updated_on=MOMENT,
            subject=" ".join(f"{word[:at]}{one}{word[at + 1 : at + 2]}{other}{word[at + 3 :]}" for other in ascii_lowercase),
        )
        for word in words
        for at in (2, 3)
        for one in ascii_lowercase
    ]  # fmt: skip
    hostile.load(made)
    token = hostile_api.token(organization)
    for word in words:
        found = hostile_api.conversations(token, {"search": word, "match": "fuzzy"})
        assert found["data"]["pagination"]["total"] == 2 * len(ascii_lowercase)
    for match in ("fuzzy", "prefix", "words"):
        for suggest in ("true", "false"):
            parameters = {"search": " ".join(words), "match": match, "suggest": suggest, "sort": "relevance"}
            assert hostile_api.conversations(token, parameters)["data"]["pagination"]["total"] == 0
    assert hostile_api.conversations(token, {"search": "bqlqnce", "suggest": "true"})["data"]["items"] == []
