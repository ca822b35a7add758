"""Acquires the slot of a search before Litestar begins to work on the request.

Under overload, Litestar's work on requests that are then refused would take up the process's time. So this
middleware finds the caller and the organization itself, if that is cheap: the token was verified before, and the query
string has the organization in its usual form or none. All other requests acquire their slots in their handlers.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack, suppress
from urllib.parse import unquote_to_bytes
from uuid import UUID

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from service.api.auth import Tokens
from service.api.limits import CHARGED, SHED, SLOT, WAITED, Limits
from service.api.middleware.access_log import note
from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse_for
from service.errors import Saturated, TooBusy
from service.identity.caller import Caller

SEARCHES = frozenset({"/api/conversations", "/api/conversations/count", "/api/conversations/suggest"})
_NAMED = re.compile(rb"(?:^|&)organization_uid=([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})(?=&|$)")
_NAME = b"organization"


class SearchSlots(HttpMiddleware):
    """ASGI middleware. The slot is held until the response begins. The wait for it ends at the request's deadline."""

    def __init__(self, app: ASGIApp, *, tokens: Tokens, limits: Limits, seconds: float) -> None:
        super().__init__(app)
        self._seconds = seconds
        self._tokens = tokens
        self._limits = limits

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        is_search = scope["path"] in SEARCHES and scope["method"] in ("GET", "HEAD")
        caller = self._tokens.known_of(scope["headers"]) if is_search else None
        organization_uid = (
            None if caller is None or self._is_spent(caller) else _organization_of(caller, scope["query_string"])
        )
        if caller is None or organization_uid is None:
            await self.app(scope, receive, send)
            return
        async with AsyncExitStack() as slot:

            async def begun(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await slot.aclose()
                await send(message)

            clock = asyncio.get_running_loop().time
            since = clock()
            try:
                with suppress(TimeoutError):  # the middleware Deadline turns it into an answer
                    async with asyncio.timeout(self._seconds):
                        await slot.enter_async_context(self._limits.search(scope, organization_uid))
                    scope["state"][SLOT] = organization_uid.bytes
            except (TooBusy, Saturated) as error:
                await self._refuse(scope, send, caller, organization_uid, error)
                return
            scope["state"][WAITED] = clock() - since
            await self.app(scope, receive, begun)

    def _is_spent(self, caller: Caller) -> bool:
        """Whether the caller has used up its rate. Then the handler refuses the request."""
        callers = self._limits.callers
        return bool(callers.rate) and callers.balance(caller.identity).left < 1

    async def _refuse(
        self, scope: HTTPScope, send: Send, caller: Caller, organization_uid: UUID, error: TooBusy | Saturated
    ) -> None:
        """A refusal costs the caller one unit, as every request does."""
        self._limits.charge(caller, 1)
        scope["state"][CHARGED] = caller.identity
        if isinstance(error, Saturated):
            scope["state"][SHED] = True
        scope["path_template"] = scope["path"]  # for the log line: Litestar has not seen the request
        note(scope, organization=str(organization_uid))
        await refuse_for(scope, send, error)


def _organization_of(caller: Caller, query_string: bytes) -> UUID | None:
    """The organization that the request names, or the default. None if that is not easily read, or not the caller's."""
    named = _NAMED.search(query_string)
    if named is None:
        return None if _NAME in unquote_to_bytes(query_string) else caller.default_organization
    uid = UUID(named[1].decode())
    return uid if uid in caller.organizations else None
