"""opensearch-py's connection, with a limit on the bytes of an answer.

opensearch-py reads whatever comes, and decodes it to a text of up to four times the size before it is parsed.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from opensearchpy import AIOHttpConnection

from service.errors import AnswerTooLarge

MAX_ANSWER_BYTES = 32_000_000  # 100 conversations of the greatest size have 26 MB


class _BoundedResponse(aiohttp.ClientResponse):
    async def text(self, encoding: str | None = None, errors: str = "strict") -> Any:
        """The JSON of a success as bytes, all else as text. Raises AnswerTooLarge, and closes the connection then."""
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


class BoundedConnection(AIOHttpConnection):
    """For `AsyncOpenSearch(connection_class=BoundedConnection)`, whose serializer must read bytes."""

    async def _create_aiohttp_session(self) -> None:
        await super()._create_aiohttp_session()
        self.session._response_class = _BoundedResponse
