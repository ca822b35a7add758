"""The tokens that the analyzers of a real index make of texts, for the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import httpx

from tests import oracle
from tests.node.clusters import Cluster
from tests.served import CERTIFICATES

BATCH = 200  # OpenSearch makes at most 10,000 tokens at once
BETWEEN = "彁"  # a single token in each field; it separates the texts of a batch


def tokens_of(cluster: Cluster, texts: Collection[str]) -> Iterator[oracle.Tokens]:
    """Yields a function that asks the node for the tokens of a text in a field, by position, and caches them.

    The first call for one of the `texts` in a field fetches the tokens of all, because a request for each takes long.
    """
    known: dict[tuple[str, str], oracle.Positions] = {}
    together = frozenset(texts)
    with httpx.Client(base_url=f"{cluster.url}/{cluster.settings.alias}", verify=CERTIFICATES, timeout=60) as client:

        def ask(field: str, text: str) -> oracle.Positions:
            if (field, text) not in known:
                asked = sorted(together) if text in together else [text]
                for first in range(0, len(asked), BATCH):
                    batch = asked[first : first + BATCH]
                    found = _analyzed(client, field, batch)
                    known.update({(field, one): places for one, places in zip(batch, found, strict=True)})
            return known[field, text]

        yield ask


def _analyzed(client: httpx.Client, field: str, texts: Sequence[str]) -> list[oracle.Positions]:
    how = "analyzer" if field.endswith("_asked") else "field"
    sent = [part for text in texts for part in (text, BETWEEN)]
    answer = client.post("/_analyze", json={how: field, "text": sent}).raise_for_status()
    found: list[oracle.Positions] = []
    of_one: list[dict[str, Any]] = []
    for token in answer.json()["tokens"]:
        if token["token"] == BETWEEN:
            places = itertools.groupby(of_one, lambda one: one["position"])
            found.append(tuple(frozenset(one["token"] for one in place) for _at, place in places))
            of_one = []
        else:
            of_one.append(token)
    return found
