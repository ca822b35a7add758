"""Imports the prepared views (index_mappings/dashboards.ndjson) into OpenSearch Dashboards through its API.

The import can be repeated. The views have fixed ids, so a repeated import resets them and leaves the analysts' own
views unchanged. The views use the alias, so a reindex does not affect them.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from dataclasses import dataclass

import aiohttp

from service.errors import ConversationsError, Misconfigured, SearchUnavailable
from service.index.mapping import mapping_folder
from service.settings import Settings

FILE = "dashboards.ndjson"
IMPORT = "/api/saved_objects/_import"
PAUSE_SECONDS = 1.0
CALL_SECONDS = 60.0
NOT_READY = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import, which `conversations dashboards` prints."""

    dashboards: str
    imported: int

    def record(self) -> dict[str, object]:
        return {"dashboards": self.dashboards, "imported": self.imported}


def saved_objects(alias: str) -> bytes:
    """The views as NDJSON, one saved object a line. The index pattern is set to the alias."""
    objects = [json.loads(line) for line in mapping_folder().joinpath(FILE).read_text("utf-8").splitlines()]
    for saved in objects:
        if saved["type"] == "index-pattern":
            saved["attributes"]["title"] = alias
    return "".join(f"{json.dumps(saved, ensure_ascii=False)}\n" for saved in objects).encode()


async def send(settings: Settings, url: str, *, wait: float) -> Imported:
    """Imports the views. Waits up to `wait` seconds for Dashboards to become ready.

    Raises SearchUnavailable if it does not become ready, Misconfigured if its certificate is not trusted, and
    ConversationsError if it refuses the user or the import.
    """
    deadline = asyncio.get_running_loop().time() + wait
    async with _session(settings, url) as session:
        while True:
            status, answer = await _post(session, url, saved_objects(settings.alias))
            if status not in NOT_READY:
                return Imported(url, _count(url, status, answer))
            if asyncio.get_running_loop().time() > deadline:
                raise SearchUnavailable(f"OpenSearch Dashboards at {url} is not ready: {answer or status}")
            await asyncio.sleep(PAUSE_SECONDS)


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


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, str]:
    """The status and the text of the response. A server that cannot be reached counts as not ready (503)."""
    form = aiohttp.FormData()
    form.add_field("file", body, filename=FILE, content_type="application/ndjson")
    try:
        async with session.post(url.rstrip("/") + IMPORT, params={"overwrite": "true"}, data=form) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientSSLError as error:
        raise Misconfigured(f"the certificate of {url} is not trusted ({error}): see OPENSEARCH_CA_FILE") from None
    except aiohttp.ClientConnectorError as error:
        number = error.os_error.errno or 0  # negative if the host is unknown
        return 503, os.strerror(number) if number > 0 else f"{error.host} is unknown"
    except (aiohttp.ClientError, TimeoutError) as error:
        return 503, str(error) or type(error).__name__


def _count(url: str, status: int, text: str) -> int:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if status in (401, 403):
        raise ConversationsError(
            f"{url} refuses the user: check OPENSEARCH_USER, its password and its right to save objects"
        )
    if status != 200 or not isinstance(answer, dict) or not answer.get("success"):
        raise ConversationsError(
            f"{url} did not import the saved objects ({status}): check that it is OpenSearch Dashboards: {text[:500]}"
        )
    return int(answer["successCount"])
