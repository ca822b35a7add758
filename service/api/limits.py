"""The limits on requests, made from the settings, and how a request passes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from litestar.types import Scope

from service.identity.caller import Caller
from service.limit_settings import LimitSettings
from service.limits.fair_semaphore import FairSemaphore, Size
from service.limits.token_buckets import Buckets

BODIES_WAITING, BODIES_WAITING_SHARE = 100, 25
BODY_PATIENCE_SECONDS = 5.0
ANSWERS_WAITING, ANSWERS_WAITING_SHARE = 8, 2  # few, because one that waits is in memory already
ANSWER_PATIENCE_SECONDS = 1.0
DEEP_WAITING, DEEP_WAITING_SHARE = 400, 100
EXPORTS_QUEUE = (20, 20, 1.0)  # in all, of one, and seconds: a short wait, until one of the others has ended
SHED = "shed"  # in the state of a request that was refused because the service is busy with other organizations
PLACE = "place"  # in the state of a request: the organization in whose name it already has a slot for a search
WAITED = "waited"  # the seconds that it waited for this slot, which count towards its deadline
HELD = "held"  # in the state of a request: gives back the bytes of its answer
VOUCH = "vouch"  # in the state of a request: to be called when it has a valid token, so that its connection stays
CHARGED = "charged_caller"  # in the state of a request: the caller whose balance the RateLimit header shows


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a process. `points` is shared with the searcher, which opens points in time."""

    callers: Buckets
    addresses: Buckets
    searches: FairSemaphore
    bodies: FairSemaphore
    answers: FairSemaphore
    exports: FairSemaphore
    exports_of_callers: FairSemaphore
    points: FairSemaphore
    body_bytes: int

    @classmethod
    def of(cls, settings: LimitSettings) -> Limits:
        return cls(
            callers=Buckets(settings.caller_rate, settings.caller_burst),
            addresses=Buckets(
                settings.address_rate,
                settings.address_burst,
                limit="address",
                what="requests without a valid token from your address are",
            ),
            searches=_shared(
                settings,
                "searches",
                "searches",
                waiting=(settings.searches_waiting, settings.searches_waiting_per_organization),
                patience=settings.search_patience,
                brisk=True,
            ),
            bodies=_shared(
                settings,
                "bulk_bytes",
                "bytes of bulk writes",
                waiting=(BODIES_WAITING, BODIES_WAITING_SHARE),
                patience=BODY_PATIENCE_SECONDS,
                always=True,  # a slot is held before the bytes arrive, so one that was alone could hold all of them
            ),
            answers=_shared(
                settings,
                "answer_bytes",
                "bytes of large answers",
                waiting=(ANSWERS_WAITING, ANSWERS_WAITING_SHARE),
                patience=ANSWER_PATIENCE_SECONDS,
                always=True,
            ),
            exports=_shared(
                settings,
                "exports",
                "exports",
                waiting=EXPORTS_QUEUE[:2],
                patience=EXPORTS_QUEUE[2],
                always=True,
            ),
            exports_of_callers=FairSemaphore(
                "exports_per_caller",
                Size(settings.exports, (settings.exports + 1) // 2, *EXPORTS_QUEUE, always=True),
                what="exports",
                whose="a caller",
            ),
            points=_shared(
                settings,
                "points_in_time",
                "deep pages and exports",
                waiting=(DEEP_WAITING, DEEP_WAITING_SHARE),
                patience=settings.search_patience,
            ),
            body_bytes=settings.body_bytes,
        )

    def take(self, scope: Scope, caller: Caller) -> None:
        """Takes the unit of every request. Raises RateExceeded."""
        scope["state"][CHARGED] = caller.identity
        if (vouch := scope["state"].get(VOUCH)) is not None:
            vouch()
        self.callers.take(caller.identity)

    def charge(self, caller: Caller, units: float) -> None:
        """Takes the units that a request costs in addition."""
        self.callers.charge(caller.identity, units)

    def search(self, scope: Scope, organization_uid: UUID) -> AbstractAsyncContextManager[None]:
        """A slot among the searches, for a request that reads in OpenSearch. Raises TooBusy and Saturated.

        A request that got its slot in service.api.middleware.places keeps it.
        """
        if scope["state"].get(PLACE) == organization_uid.bytes:
            return nullcontext()
        return self.searches.slot(organization_uid.bytes)

    def body(self, caller: Caller, announced: int | None) -> AbstractAsyncContextManager[None]:
        """A slot for a body of `announced` bytes, or of the largest size if that is None. Raises TooBusy and Saturated.

        The organizations of the lines are not known before they are read, so the caller's organization counts, or else
        the caller.
        """
        default = caller.default_organization
        units = self.body_bytes if announced is None else min(announced, self.body_bytes)
        return self.bodies.slot(caller.identity if default is None else default.bytes, max(1, units))

    async def hold_answer(self, scope: Scope, who: Hashable, size: int) -> None:
        """Waits for room for a large answer, which it has until it was sent. Raises TooBusy and Saturated."""
        await self.answers.acquire(who, size)
        scope["state"][HELD] = partial(self.answers.release, who, size)

    @asynccontextmanager
    async def export(self, caller: str, organization_uid: UUID) -> AsyncIterator[None]:
        """A slot among the exports. Raises TooBusy and Saturated.

        A caller gets at most half of them, whatever the number of its organizations.
        """
        async with self.exports_of_callers.slot(caller), self.exports.slot(organization_uid.bytes):
            yield


def _shared(
    settings: LimitSettings,
    name: str,
    what: str,
    *,
    waiting: tuple[int, int],
    patience: float,
    always: bool = False,
    brisk: bool = False,
) -> FairSemaphore:
    """A semaphore with the units of the setting `name`. `<name>_per_organization` bounds those of one organization."""
    units: int = getattr(settings, name)
    share: int = min(units, getattr(settings, f"{name}_per_organization"))
    return FairSemaphore(name, Size(units, share, *waiting, patience, always=always, brisk=brisk), what=what)
