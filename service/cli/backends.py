"""The backends of commands: a running service over HTTP, or the cluster itself. Both give the same answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec

from service.cli.answers import Count, Item, Page
from service.cli.connectivity import address
from service.cli.options import act, cluster_url, recorded
from service.cli.service_http import Service
from service.client import Client, connect
from service.client.responses import SearchAnswer
from service.errors import Misconfigured
from service.index import aliases, mapping
from service.index.writer import Writer
from service.operations.deletion import delete
from service.query.parameters import COUNT_PARAMETERS, LIST_PARAMETERS
from service.query.parser import parse_query
from service.search import answers, results
from service.search.paging.cursors import Cursors
from service.search.paging.page import page_data
from service.search.searcher import Searcher
from service.settings import Settings

Result = TypeVar("Result")


class Source(Protocol):
    """A backend. `query` is a query string of the API, and the answers are the API's `data`.

    Raises InvalidQuery with every problem of a query, NotFound, SearchUnavailable and others of this package.
    """

    @property
    def name(self) -> str:
        """The address, without a password."""

    def page(self, query: bytes, *, strict: bool) -> Page: ...

    def count(self, query: bytes, *, strict: bool) -> Count: ...

    def one(self, uid: UUID, organization: UUID | None) -> Item: ...

    def delete(self, uid: UUID, organization: UUID | None) -> str:
        """The outcome: written, or unchanged."""


def source(settings: Settings, *, prefers_cluster: bool = False) -> Source:
    """The service that the settings name, else the cluster. With `prefers_cluster`, always the cluster."""
    if settings.url is not None and not prefers_cluster:
        return Service(settings, settings.url)
    return Cluster(settings)


class Cluster:
    """The cluster itself, without a service. It needs an organization and no token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def name(self) -> str:
        return address(cluster_url(self._settings))

    def page(self, query: bytes, *, strict: bool) -> Page:
        self._require_scope(query)
        uid, wanted = parse_query(query, self._settings.organization, known=LIST_PARAMETERS, strict=strict)

        async def ask(_client: Client, searcher: Searcher) -> bytes:
            return b"".join(page_data(await results.page(searcher, wanted, uid)))

        found: Page = json.loads(self._read(ask))
        return found

    def count(self, query: bytes, *, strict: bool) -> Count:
        self._require_scope(query)
        uid, wanted = parse_query(query, self._settings.organization, known=COUNT_PARAMETERS, strict=strict)

        async def ask(_client: Client, searcher: Searcher) -> answers.Count:
            return await results.count(searcher, wanted, uid)

        found: Count = msgspec.to_builtins(self._read(ask))
        return found

    def one(self, uid: UUID, organization: UUID | None) -> Item:
        scope = self._organization(organization)

        async def ask(_client: Client, searcher: Searcher) -> bytes:
            return await searcher.one(scope, uid)

        found: Item = json.loads(self._read(ask))
        return found

    def delete(self, uid: UUID, organization: UUID | None) -> str:
        scope = self._organization(organization)

        async def remove(client: Client, searcher: Searcher) -> str:
            writer = Writer(client, self._settings.alias, lease=self._settings.write_lease)
            return await delete(writer, searcher, scope, uid, refresh="wait_for")

        outcome = self._read(remove)
        recorded(self._settings, "delete", (scope,), uid=str(uid), **{outcome: 1})
        return outcome

    def _require_scope(self, query: bytes) -> None:
        if b"organization_uid=" not in query:
            self._organization(None)

    def _organization(self, organization: UUID | None) -> UUID:
        found = organization or self._settings.organization
        if found is None:
            raise Misconfigured(
                "no organization: give --organization, or set CONVERSATIONS_ORGANIZATION; "
                "a running service (--url) takes the token's default"
            )
        return found

    def _read(self, ask: Callable[[Client, Searcher], Awaitable[Result]]) -> Result:
        """Checks the index, then runs `ask` and returns its result."""
        settings = self._settings

        async def run(client: Client) -> Result:
            await aliases.check(client, settings.alias, mapping.load())
            searches = connect(
                settings,
                cluster_url(settings),
                answer=SearchAnswer,
                timeout=settings.request_timeout,
                same_cluster_as=client,
            )
            searcher = Searcher(searches, settings.alias, deadline=settings.request_timeout, cursors=Cursors(b""))
            try:
                return await ask(client, searcher)
            finally:
                await searcher.close()
                await searches.close()

        return act(settings, run)
