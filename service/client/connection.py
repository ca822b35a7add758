"""opensearch-py's connection with a limit on response bytes, without redirects, and tolerant of any error body.

opensearch-py itself reads responses of any size. Before it parses them, it decodes them to a string, which may take
four times as much memory.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec
from opensearchpy import AIOHttpConnection
from opensearchpy.exceptions import HTTP_EXCEPTIONS, TransportError

from service.errors import AnswerTooLarge

MAX_ANSWER_BYTES = 32_000_000  # 100 conversations of the greatest size have 26 MB
CONNECT_SECONDS = 3.0  # a machine that is off neither accepts nor refuses connections
HEADER_BYTES = 65_536  # OpenSearch sends a header for each deprecation warning; aiohttp's default is 8 kB


class _BoundedResponse(aiohttp.ClientResponse):
    async def text(self, encoding: str | None = None, errors: str = "strict") -> Any:
        """The body: bytes for JSON with a status below 300, else a string.

        Closes the connection and raises AnswerTooLarge if the body has more than MAX_ANSWER_BYTES.
        """
        announced = self.content_length or 0
        body = bytearray()
        if announced <= MAX_ANSWER_BYTES:
            async for chunk in self.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    break
        if max(announced, len(body)) > MAX_ANSWER_BYTES:
            self.close()
            raise AnswerTooLarge(
                f"OpenSearch's response has more than {MAX_ANSWER_BYTES // 1_000_000} MB: request fewer conversations"
            )
        is_json = self.status < 300 and self.content_type == "application/json"
        return body if is_json else body.decode("utf-8", "replace")


class _Session:
    """aiohttp's session, as far as opensearch-py uses it, but without following redirects."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def request(self, *arguments: Any, timeout: aiohttp.ClientTimeout, **options: Any) -> object:
        limits = aiohttp.ClientTimeout(total=timeout.total, sock_connect=CONNECT_SECONDS)
        return self._session.request(*arguments, timeout=limits, **options, allow_redirects=False)

    async def close(self) -> None:
        await self._session.close()


class Connection(AIOHttpConnection):
    """For `AsyncOpenSearch(connection_class=Connection)`. The client's serializer must accept bytes."""

    async def _create_aiohttp_session(self) -> None:
        if ":" in self.hostname and not self.hostname.startswith("["):
            self.hostname = f"[{self.hostname}]"  # the base class writes IPv6 addresses into URLs without brackets
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

    def _log_request_response(self, body: object, response: str | None) -> None:
        """Logs nothing, at any level. The base class would log bodies, which contain search texts and conversations."""

    def _log_trace(self, *_call: object) -> None:
        """Logs nothing, as above."""

    def _raise_error(self, status_code: int, raw_data: str | bytes, content_type: str | None = None) -> None:
        """Raises opensearch-py's error for the status. If the body is not a JSON object, its type is "unknown"."""
        try:
            info = msgspec.json.decode(raw_data)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            info = None
        error = info.get("error") if isinstance(info, dict) else None
        kind = error.get("type") if isinstance(error, dict) else error
        raise HTTP_EXCEPTIONS.get(status_code, TransportError)(
            status_code, kind if isinstance(kind, str) else "unknown", info if isinstance(info, dict) else None
        )
