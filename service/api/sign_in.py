"""`POST /sign-in`: exchanges a one-time code for a token.

`conversations run` prints a link with a code after the `#`, which browsers never send. So no token is in an address
that a log, a history or another page could keep.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import timedelta

import msgspec
from litestar import MediaType, Response, post
from litestar.handlers import HTTPRouteHandler

from service.api import responses
from service.api.requests import ApiRequest
from service.errors import Unauthorized
from service.query.query_string import no_parameters

PATH = "/sign-in"
LIFETIME = timedelta(minutes=15)
MAX_BODY_BYTES = 1_000


class _Given(msgspec.Struct):
    code: str


class _Token(msgspec.Struct):
    token: str


class SignInCodes:
    """The codes that this process made and that were not used yet. Only a hash of each is stored."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens: dict[bytes, tuple[float, str]] = {}

    def make(self, token: str) -> str:
        """Makes a code that can be exchanged for the token once, within LIFETIME."""
        code = secrets.token_urlsafe(24)
        self._tokens[_hash(code)] = (self._clock() + LIFETIME.total_seconds(), token)
        return code

    def use(self, code: str) -> str:
        """The token. Raises Unauthorized if there is no such code, or it was used, or is too old."""
        until, token = self._tokens.pop(_hash(code), (0.0, ""))
        if not token or self._clock() >= until:
            raise Unauthorized("the sign-in link was used already, or is too old: paste a token instead")
        return token


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def sign_in(codes: SignInCodes) -> HTTPRouteHandler:
    """Makes the route. Pages of other origins cannot read its answer, because it never has CORS headers."""

    @post(PATH, include_in_schema=False, status_code=200, request_max_body_size=MAX_BODY_BYTES)
    async def exchange(request: ApiRequest) -> Response[bytes]:
        no_parameters(request.scope["query_string"])
        try:
            given = msgspec.json.decode(await request.body(), type=_Given)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Unauthorized('the body must be {"code": CODE}') from None
        answer = responses.data(_Token(codes.use(given.code)))
        return Response(answer, media_type=MediaType.JSON, headers={"Cache-Control": "no-store"})

    return exchange
