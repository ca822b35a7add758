"""Chooses between gzip and no compression by the weights in Accept-Encoding (RFC 9110, 12.5.3), and sets Vary.

Litestar's own middleware only looks for the text "gzip", so it would compress for `gzip;q=0`. This module makes the
choice, and Litestar's compressor does the work.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from litestar.config.compression import CompressionConfig
from litestar.enums import CompressionEncoding
from litestar.middleware.compression import CompressionMiddleware
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Send

from service.api import responses
from service.api.errors import BY_STATUS
from service.api.middleware.access_log import request_id
from service.api.middleware.http import HttpMiddleware
from service.api.quality_values import weights

MIN_BYTES = 2_000  # a smaller response fits into one or two packets anyway
LEVEL = 1  # a page of 25 shrinks to a fifth in 0.2 ms; level 9 saves a tenth more in five times as long
API = "/api/"
IMPLIED = 0.0001  # the weight of `identity` if Accept-Encoding does not name it: below that of any named coding

# Litestar's compressor keeps the start of a response until its body comes, and can be closed only after a start.
UNSENT: HTTPResponseStartEvent = {"type": "http.response.start", "status": 500, "headers": []}

PLAIN, GZIP, GZIP_ALWAYS, NEITHER = "plain", "gzip", "gzip_always", "neither"


class Compression(HttpMiddleware):
    """ASGI middleware around Litestar, so that it also negotiates the encoding of errors and of unknown paths."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app)
        self._compressors = {
            GZIP: CompressionMiddleware(app, _gzip(MIN_BYTES)),
            GZIP_ALWAYS: CompressionMiddleware(app, _gzip(1)),
        }

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        needed = "Authorization, Prefer, Accept-Encoding" if scope["path"].startswith(API) else "Accept-Encoding"

        async def varied(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_vary(message["headers"], needed)
            await send(message)

        choice = choose(_accepted(scope))
        if choice == NEITHER:
            await _refuse(scope, varied)
        elif choice == PLAIN:
            await self.app(scope, receive, varied)
        else:
            compressed = self._compressors[choice].create_compression_send_wrapper(
                send=varied, compression_encoding=CompressionEncoding.GZIP, scope=scope
            )
            try:
                await self.app(scope, receive, compressed)
            finally:  # closes the compressor; if left to garbage collection, it could write to a closed buffer
                await compressed(UNSENT)
                await compressed({"type": "http.disconnect"})


def _gzip(minimum_size: int) -> CompressionConfig:
    return CompressionConfig("gzip", minimum_size=minimum_size, gzip_compress_level=LEVEL)


def _accepted(scope: HTTPScope) -> str | None:
    values = [value for name, value in scope["headers"] if name == b"accept-encoding"]
    return b",".join(values).decode("latin-1") if values else None


@functools.lru_cache(maxsize=256)  # clients send the same few values again and again
def choose(accept_encoding: str | None) -> str:
    """PLAIN, GZIP (for responses above MIN_BYTES), GZIP_ALWAYS if plain is excluded, or NEITHER if both are."""
    if accept_encoding is None:
        return PLAIN
    by_coding = weights(accept_encoding)
    gzip = by_coding.get("gzip", by_coding.get("x-gzip", by_coding.get("*", 0.0)))
    plain = by_coding.get("identity", 0.0 if by_coding.get("*") == 0.0 else IMPLIED)
    if not plain:
        return GZIP_ALWAYS if gzip else NEITHER
    return GZIP if gzip and gzip >= plain else PLAIN


def _with_vary(headers: Iterable[tuple[bytes, bytes]], needed: str) -> list[tuple[bytes, bytes]]:
    """The headers with a single Vary, which has the existing names and those in `needed`."""
    kept: list[tuple[bytes, bytes]] = []
    names: dict[str, str] = {}
    for name, value in headers:
        if name.lower() == b"vary":
            names |= _names(value.decode("latin-1"))
        else:
            kept.append((name, value))
    names = _names(needed) | names
    return [*kept, (b"vary", ", ".join(names.values()).encode("latin-1"))]


def _names(vary: str) -> dict[str, str]:
    return {name.strip().lower(): name.strip() for name in vary.split(",") if name.strip()}


async def _refuse(scope: HTTPScope, send: Send) -> None:
    answer = BY_STATUS[406]
    body = responses.error(answer.code, answer.message or "", request_id(scope), [])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
