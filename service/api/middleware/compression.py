"""Chooses between gzip and no compression by the weights in Accept-Encoding (RFC 9110, 12.5.3), and sets Vary.

Litestar's own middleware only looks for the text "gzip", so it would compress for `gzip;q=0`. This module makes the
choice, and Litestar's compressor does the work.
"""

from __future__ import annotations

import functools

from litestar.config.compression import CompressionConfig
from litestar.enums import CompressionEncoding
from litestar.middleware.compression import CompressionMiddleware
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Send

from service.api.middleware.http import API, HttpMiddleware, with_vary
from service.api.middleware.refusal import refuse
from service.api.quality_values import weights

MIN_BYTES = 2_000  # a smaller response fits into one or two packets anyway
LEVEL = 1  # a page of 25 shrinks to a fifth in 0.2 ms; level 9 saves a tenth more in five times as long
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
                message["headers"] = with_vary(message["headers"], needed)
            await send(message)

        choice = choose(_accepted(scope))
        if choice == NEITHER:
            await refuse(scope, varied, 406)
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


@functools.lru_cache(maxsize=256)  # clients send the same few values repeatedly
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
