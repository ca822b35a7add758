"""Responses with an ETag, which a client may cache and revalidate with If-None-Match (RFC 9110, 13.1.2)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable

from litestar import MediaType, Response
from litestar.response import Stream

from service.api.requests import ApiRequest

LARGE_BYTES = 1_000_000  # of a response body; compressing it takes about 10 ms
CACHING = {"Cache-Control": "private, no-cache"}  # clients may cache it, and must revalidate it each time

_TAGS = re.compile(r'[ \t]*(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?:,|$)|[ \t]*(?:,|$)')


async def answer(
    request: ApiRequest,
    pieces: list[bytes],
    headers: dict[str, str],
    *,
    hold: Callable[[int], Awaitable[None]],
) -> Response[bytes] | Stream:
    """The body with its ETag, or 304 if If-None-Match names that ETag.

    A large body is hashed in a thread and sent in pieces, because joining, hashing and compressing it at once would
    delay all other requests. First, `hold` waits for room for its bytes, because a client may read slowly. Raises
    what `hold` raises.
    """
    size = sum(map(len, pieces))
    is_large = size > LARGE_BYTES
    digest = await asyncio.to_thread(_digest, pieces) if is_large else _digest(pieces)
    headers = {"ETag": f'W/"{digest}"', **headers, **CACHING}
    if names(request.headers.getall("if-none-match", []), digest):
        return Response(b"", status_code=304, headers=headers)
    if is_large:
        await hold(size)
        return Stream(chunks(pieces), media_type=MediaType.JSON, headers=headers)
    return Response(b"".join(pieces), media_type=MediaType.JSON, headers=headers)


def names(if_none_match: list[str], digest: str) -> bool:
    """Whether the values of If-None-Match name the digest (weak comparison), or are `*`.

    A header that is not a list of entity tags is ignored.
    """
    if not if_none_match:
        return False
    value = ",".join(if_none_match)
    if value.strip() == "*":
        return True
    tags: list[str] = []
    at = 0
    while at < len(value):
        match = _TAGS.match(value, at)
        if match is None:
            return False
        tags.append(match[1])
        at = match.end()
    return f'"{digest}"' in tags


def _digest(pieces: list[bytes]) -> str:
    hashed = hashlib.blake2b(digest_size=12)
    for piece in pieces:
        hashed.update(piece)
    return hashed.hexdigest()


async def chunks(pieces: list[bytes]) -> AsyncGenerator[bytes]:
    """Joins the pieces into chunks of about LARGE_BYTES / 4. Other requests are served between two chunks."""
    part: list[bytes] = []
    size = 0
    for piece in pieces:
        part.append(piece)
        size += len(piece)
        if size >= LARGE_BYTES // 4:
            yield b"".join(part)
            part, size = [], 0
            await asyncio.sleep(0)
    yield b"".join(part)
