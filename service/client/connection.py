"""opensearch-py's connection: answers are bounded in bytes, no redirect is followed, and no error's form is a surprise.

opensearch-py reads whatever comes, and decodes it to a text of up to four times the size before it is parsed.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec
from opensearchpy import AIOHttpConnection
from opensearchpy.exceptions import HTTP_EXCEPTIONS, TransportError

from service.errors import AnswerTooLarge

MAX_ANSWER_BYTES = 32_000_000  # 100 conversations of the greatest size have 26 MB
HEADER_BYTES = 65_536  # OpenSearch sends a warning header for each deprecated thing; aiohttp would take 8 kB


class _BoundedResponse(aiohttp.ClientResponse):
    async def text(self, encoding: str | None = None, errors: str = "strict") -> Any:
        """A success as bytes, all else as text. Raises AnswerTooLarge, and closes the connection then."""
        announced = self.content_length or 0
        found = bytearray()
        if announced <= MAX_ANSWER_BYTES:
            async for chunk in self.content.iter_any():
                found += chunk
                if len(found) > MAX_ANSWER_BYTES:
                    break
        if max(announced, len(found)) > MAX_ANSWER_BYTES:
            self.close()
            raise AnswerTooLarge(f"OpenSearch's answer has more than {MAX_ANSWER_BYTES // 1_000_000} MB: ask for less")
        is_json = self.status < 300 and self.content_type == "application/json"
        return found if is_json else found.decode("utf-8", "replace")


class _Session:
    """aiohttp's session as opensearch-py uses it, but that it follows no redirects."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, *arguments: Any, **options: Any) -> Any:
        return self._session.request(*arguments, **options, allow_redirects=False)

    async def close(self) -> None:
        await self._session.close()


class Connection(AIOHttpConnection):
    """For `AsyncOpenSearch(connection_class=Connection)`, whose serializer must read bytes."""

    async def _create_aiohttp_session(self) -> None:
        self.session = _Session(
            aiohttp.ClientSession(
                headers=self.headers,
                skip_auto_headers=("accept", "accept-encoding"),
                cookie_jar=aiohttp.DummyCookieJar(),
                response_class=_BoundedResponse,
                connector=aiohttp.TCPConnector(limit=self._limit or 0, ssl=self._ssl_context or True),
                trust_env=bool(self._trust_env),
                max_line_size=HEADER_BYTES,
                max_field_size=HEADER_BYTES,
            )
        )

    def _raise_error(self, status_code: int, raw_data: str | bytes, content_type: str | None = None) -> None:
        """The error as opensearch-py would raise it; one that is no JSON object has neither type nor info."""
        try:
            info = msgspec.json.decode(raw_data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            info = None
        error = info.get("error") if isinstance(info, dict) else None
        kind = error.get("type") if isinstance(error, dict) else error
        raise HTTP_EXCEPTIONS.get(status_code, TransportError)(
            status_code, kind if isinstance(kind, str) else "unknown", info if isinstance(info, dict) else None
        )
