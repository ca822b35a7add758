"""Documents in the hidden state index of an alias: the locks of reindexes and imports, and the progress of loads.

A lock changes only if no other process has changed it since it was read (compare-and-set by its revision).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from uuid import uuid4

from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError

from service.client import Client, translated

Revision = Mapping[str, int | str]
"""The state of a document: its sequence number and primary term, as the parameters if_seq_no and if_primary_term."""

ABSENT: Revision = {"op_type": "create"}
"""In place of a revision: the document must not exist yet."""


def state_index(alias: str) -> str:
    """The name of the index that holds the locks, and the progress of loads."""
    return f"{alias}_state"


def process_name() -> str:
    """A unique name for one task of this process: its host, its process id, and eight random hexadecimal digits."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


async def ensure_index(client: Client, alias: str) -> None:
    """Creates the hidden state index unless it exists."""
    body = {
        "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}},
        "mappings": {"dynamic": False},
    }
    with translated(alias=state_index(alias)):
        try:
            await client.indices.create(index=state_index(alias), body=body)
        except RequestError as error:
            if error.error != "resource_already_exists_exception":
                raise


class StateDocument:
    """One document of the state index. With `refresh`, searches see each change at once."""

    def __init__(self, client: Client, alias: str, name: str, *, refresh: bool = False) -> None:
        self._client = client
        self._index = state_index(alias)
        self._name = name
        self._refresh = {"refresh": "true"} if refresh else {}

    async def read(self) -> tuple[dict[str, object], Revision] | None:
        """The content and the revision, or None if there is no such document."""
        with translated(alias=self._index):
            try:
                found = await self._client.get(index=self._index, id=self._name)
            except NotFoundError:
                return None
        return found["_source"], _revision(found)

    async def write(self, content: Mapping[str, object], unchanged: Revision) -> Revision | None:
        """Writes the content if the document is `unchanged`. Returns the new revision, or None if it was changed."""
        params = {**unchanged, **self._refresh}
        with translated(alias=self._index):
            try:
                done = await self._client.index(index=self._index, id=self._name, body=content, params=params)
            except ConflictError:
                return None
        return _revision(done)

    async def remove(self, unchanged: Revision) -> bool:
        """Removes the document if it is `unchanged`. Returns whether it was there, and was removed."""
        params = {**unchanged, **self._refresh}
        with translated(alias=self._index):
            try:
                await self._client.delete(index=self._index, id=self._name, params=params)
            except (ConflictError, NotFoundError):
                return False
        return True


def _revision(answer: Mapping[str, int]) -> Revision:
    return {"if_seq_no": answer["_seq_no"], "if_primary_term": answer["_primary_term"]}
