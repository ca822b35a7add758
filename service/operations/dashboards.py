"""Imports the prepared views (index_mappings/dashboards.ndjson) into OpenSearch Dashboards through its API.

The import can be repeated. The views have fixed ids, so a repeated import resets them and leaves the analysts' own
views unchanged. The views use the alias, so a reindex does not affect them. What a first visit needs (the default index
pattern, the time zone, the time range) is set too, but only where nobody has set it.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import msgspec
from opensearchpy.exceptions import TransportError

from service.client import Client
from service.client.responses import part
from service.errors import ConversationsError, Misconfigured, SearchUnavailable
from service.index.mapping import mapping_folder
from service.settings import Settings

FILE = "dashboards.ndjson"
IMPORT = "/api/saved_objects/_import"
SETTINGS = "/api/opensearch-dashboards/settings"
PATTERN = "conversations"
RECENT = "now-1y"
PAUSE_SECONDS = 1.0
CALL_SECONDS = 60.0
SECURITY_START_SECONDS = 60.0
NOT_READY = (502, 503, 504)
MOST_SHOWN = 5
Expected = TypeVar("Expected")


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import, which `conversations dashboards` prints. `settings` are those that were set."""

    dashboards: str
    imported: int
    settings: dict[str, str] = field(default_factory=dict)
    settings_problem: str | None = None

    def record(self) -> dict[str, object]:
        problem = {} if self.settings_problem is None else {"settings_problem": self.settings_problem}
        return {"dashboards": self.dashboards, "imported": self.imported, "settings": self.settings, **problem}


@dataclass(frozen=True, slots=True)
class _Dashboards:
    """Dashboards at a URL. A call returns the status and the text; without a connection, the status is 503."""

    session: aiohttp.ClientSession
    url: str

    async def get(self, path: str) -> tuple[int, str]:
        return await self._answer(self.session.get(self.url + path))

    async def post(self, path: str, body: dict[str, object]) -> tuple[int, str]:
        return await self._answer(self.session.post(self.url + path, json=body))

    async def upload(self, path: str, body: bytes) -> tuple[int, str]:
        form = aiohttp.FormData()
        form.add_field("file", body, filename=FILE, content_type="application/ndjson")
        return await self._answer(self.session.post(self.url + path, params={"overwrite": "true"}, data=form))

    async def _answer(self, call: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> tuple[int, str]:
        try:
            async with call as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientSSLError as error:
            raise Misconfigured(
                f"the certificate of {self.url} is not trusted ({error}): see OPENSEARCH_CA_FILE"
            ) from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno or 0  # negative if the host is unknown
            return 503, os.strerror(number) if number > 0 else f"{error.host} is unknown"
        except (aiohttp.ClientError, TimeoutError) as error:
            return 503, str(error) or type(error).__name__


def saved_objects(alias: str) -> bytes:
    """The views as NDJSON, one saved object a line. The index patterns are set to the alias."""
    objects = [json.loads(line) for line in mapping_folder().joinpath(FILE).read_text("utf-8").splitlines()]
    for saved in objects:
        if saved["type"] == "index-pattern":
            saved["attributes"]["title"] = alias
    return "".join(f"{json.dumps(saved, ensure_ascii=False)}\n" for saved in objects).encode()


async def oldest(client: Client, alias: str) -> str | None:
    """The day on which the oldest conversation was created, or None if there is none or it cannot be read."""
    aggregations = {"oldest": {"min": {"field": "created_on", "format": "strict_date"}}}
    try:
        answer = await client.search(index=alias, body={"size": 0, "aggs": aggregations})
    except TransportError:
        return None
    found = part(answer, "aggregations", "oldest", expected=dict[str, object]).get("value_as_string")
    return str(found) if found else None


async def send(settings: Settings, url: str, *, wait: float, since: str | None = None) -> Imported:
    """Imports the views, and sets what is unset. `since` is the start of the first visit's time range, as a date.

    Waits up to `wait` seconds for Dashboards to become ready. Of these, waits up to 60 s while the user is refused,
    because the security plugin may refuse a user while it starts. Raises SearchUnavailable if Dashboards does not
    become ready, Misconfigured if its certificate is not trusted, and ConversationsError if it refuses the user or the
    import.
    """
    async with _session(settings, url) as session:
        dashboards = _Dashboards(session, url.rstrip("/"))
        count = _count(url, *await _import(dashboards, saved_objects(settings.alias), wait))
        start = RECENT if since is None else f"{since}T00:00:00.000Z"
        wanted = {
            "defaultIndex": PATTERN,
            "dateFormat:tz": "UTC",
            "timepicker:timeDefaults": json.dumps({"from": start, "to": "now"}),
        }
        chosen, problem = await _set_where_unset(dashboards, wanted)
    return Imported(url, count, chosen, problem)


async def _import(dashboards: _Dashboards, body: bytes, wait: float) -> tuple[int, str]:
    now = asyncio.get_running_loop().time
    begun, refused = now(), None
    while True:
        status, answer = await dashboards.upload(IMPORT, body)
        if status == 401:
            refused = refused or now()
            if now() > min(refused + SECURITY_START_SECONDS, begun + wait):
                return status, answer
        elif status not in NOT_READY:
            return status, answer
        elif now() > begun + wait:
            raise SearchUnavailable(f"OpenSearch Dashboards at {dashboards.url} is not ready: {answer or status}")
        await asyncio.sleep(PAUSE_SECONDS)


async def _set_where_unset(dashboards: _Dashboards, wanted: dict[str, str]) -> tuple[dict[str, str], str | None]:
    """Sets each setting that nobody has set. Returns these, and a sentence if something went wrong."""
    status, text = await dashboards.get(SETTINGS)
    found = _decoded(text, _Settings)
    if status != 200 or found is None:
        return {}, f"the settings cannot be read ({status}): {text[:200]}"
    unset = {name: value for name, value in wanted.items() if name not in found.settings}
    if not unset:
        return {}, None
    status, text = await dashboards.post(SETTINGS, {"changes": unset})
    return (unset, None) if status == 200 else ({}, f"the settings cannot be changed ({status}): {text[:200]}")


def _session(settings: Settings, url: str) -> aiohttp.ClientSession:
    headers = {"osd-xsrf": "true", "securitytenant": "global"}  # visible to all users
    if settings.authorization is not None:
        headers["authorization"] = settings.authorization
    connector = None
    if url.startswith("https://"):
        try:
            context = ssl.create_default_context(
                cafile=None if settings.opensearch_ca_file is None else str(settings.opensearch_ca_file)
            )
        except OSError as error:
            raise Misconfigured(f"OPENSEARCH_CA_FILE cannot be used: {error}") from None
        if not settings.opensearch_verify_certs:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connector = aiohttp.TCPConnector(ssl=context)
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    return aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector)


class _Reason(msgspec.Struct):
    type: str = "unknown"
    message: str | None = None
    references: list[dict[str, str]] = []


class _Failure(msgspec.Struct):
    type: str
    id: str
    error: _Reason = msgspec.field(default_factory=_Reason)

    def as_text(self) -> str:
        missing = ", ".join(f"{one.get('type')} {one.get('id')}" for one in self.error.references)
        reason = self.error.message or (f"{missing} is missing" if missing else self.error.type)
        return f"{self.type} {self.id}: {reason}"


class _Answer(msgspec.Struct):
    """SavedObjectsImportResponse of Dashboards (src/core/server/saved_objects/import/types.ts)."""

    success: bool = False
    successCount: int = 0
    errors: list[_Failure] = []


class _Settings(msgspec.Struct):
    settings: dict[str, object]


def _count(url: str, status: int, text: str) -> int:
    """How many objects were imported. Raises ConversationsError if not all of them were."""
    if status in (401, 403):
        raise ConversationsError(
            f"{url} refuses the user: check OPENSEARCH_USER, its password and its right to save objects"
        )
    answer = _decoded(text, _Answer) or _Answer()
    if status == 200 and answer.errors:
        listed = "; ".join(error.as_text() for error in answer.errors[:MOST_SHOWN])
        more = f"; and {len(answer.errors) - MOST_SHOWN} more" if len(answer.errors) > MOST_SHOWN else ""
        raise ConversationsError(f"{url} did not import {len(answer.errors)} of the saved objects: {listed}{more}")
    if status != 200 or not answer.success:
        raise ConversationsError(
            f"{url} did not import the saved objects ({status}): check that it is OpenSearch Dashboards: {text[:500]}"
        )
    return answer.successCount


def _decoded(text: str, expected: type[Expected]) -> Expected | None:
    try:
        return msgspec.json.decode(text, type=expected)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
