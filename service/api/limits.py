"""The limits on requests, made from the settings, and how a request passes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from uuid import UUID

from litestar.types import Scope

from service.identity.caller import Caller
from service.limit_settings import LimitSettings
from service.limits.fair_semaphore import FairSemaphore, Size
from service.limits.lasting_semaphore import LastingSemaphore, Queue
from service.limits.token_buckets import Buckets

WRITES_QUEUE = Queue(100, 25, 5.0)
BODIES_QUEUE = Queue(100, 25, 5.0)
ANSWERS_QUEUE = Queue(8, 2, 1.0)  # few, because an answer that waits is in memory already
EXPORTS_QUEUE = Queue(20, 20, 1.0)  # a short wait, in which another export may end
WRITE_BYTES = 25_000  # of a bulk write count as one write
MOST_WRITES = 10  # that one request counts as at most, because its batches (service.api.writes) are written one by one
DEEP_WAITING, DEEP_WAITING_SHARE = 400, 100
SHED = "shed"  # in the state of a request that was refused because the service is busy with other organizations
SLOT = "slot"  # in the state of a request: the organization in whose name it already has a slot for a search
WAITED = "waited"  # the seconds that it waited for this slot, which count towards its deadline
HELD = "held"  # in the state of a request: a function that releases the bytes of its answer
ON_CALLER_KNOWN = "on_caller_known"  # in the state of a request: called with the caller, to keep its connection open
CHARGED = "charged_caller"  # in the state of a request: the caller whose balance the RateLimit header shows


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a process. `points` is shared with the searcher, which opens points in time."""

    callers: Buckets
    addresses: Buckets
    searches: FairSemaphore
    writes: LastingSemaphore
    bodies: LastingSemaphore
    answers: LastingSemaphore
    exports: LastingSemaphore
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
                refusal=(
                    "your address sends more than {rate:g} requests without a valid token a second, "
                    "or {burst:,} at once"
                ),
            ),
            searches=_shared(
                settings,
                "searches",
                "searches",
                waiting=(settings.searches_waiting, settings.searches_waiting_per_organization),
                patience=settings.search_patience,
                brisk=True,
            ),
            writes=_lasting(settings, "writes", "writes", WRITES_QUEUE),
            bodies=_lasting(settings, "bulk_bytes", "bytes of bulk writes", BODIES_QUEUE),
            answers=_lasting(settings, "answer_bytes", "bytes of large answers", ANSWERS_QUEUE),
            exports=_lasting(settings, "exports", "exports", EXPORTS_QUEUE),
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
        """Takes the one unit that every request costs. Raises RateExceeded."""
        scope["state"][CHARGED] = caller.identity
        if (report := scope["state"].get(ON_CALLER_KNOWN)) is not None:
            report(caller.identity)
        self.callers.take(caller.identity)

    def charge(self, caller: Caller, units: float) -> None:
        """Takes the units that a request costs in addition."""
        self.callers.charge(caller.identity, units)

    def search(self, scope: Scope, organization_uid: UUID) -> AbstractAsyncContextManager[None]:
        """A slot among the searches, for a request that reads in OpenSearch. Raises TooBusy and Saturated.

        A request that got its slot in service.api.middleware.search_slots keeps it.
        """
        if scope["state"].get(SLOT) == organization_uid.bytes:
            return nullcontext()
        return self.searches.slot(organization_uid.bytes)

    def body(self, caller: Caller, announced: int | None) -> AbstractAsyncContextManager[None]:
        """A slot for a body of `announced` bytes, or of the largest size if that is None. Raises TooBusy and Saturated.

        The organizations of the lines are not known yet, so the slot counts for the caller's default organization, or
        else for the caller.
        """
        units = self.body_bytes if announced is None else min(announced, self.body_bytes)
        return self.bodies.slot(caller.identity, _default(caller), max(1, units))

    def write(self, caller: Caller, organizations: set[str], size: int) -> AbstractAsyncContextManager[None]:
        """A slot among the writes, for a body of `size` bytes with lines of these organizations.

        If there are several, the slot counts as in `body`. Raises TooBusy and Saturated.
        """
        who = UUID(next(iter(organizations))).bytes if len(organizations) == 1 else _default(caller)
        return self.writes.slot(caller.identity, who, min(MOST_WRITES, 1 + size // WRITE_BYTES))

    @asynccontextmanager
    async def deletion(self, scope: Scope, organization_uid: UUID) -> AsyncIterator[None]:
        """A slot among the writes, and one among the searches, because it also reads. Raises TooBusy and Saturated."""
        async with (
            self.writes.slot(scope["state"][CHARGED], organization_uid.bytes),
            self.search(scope, organization_uid),
        ):
            yield

    async def hold_answer(self, scope: Scope, who: Hashable, size: int) -> None:
        """Waits for room for `size` bytes, and holds it until the answer was sent. Raises TooBusy and Saturated."""
        scope["state"][HELD] = await self.answers.acquire(scope["state"][CHARGED], who, size)

    def export(self, scope: Scope, organization_uid: UUID) -> AbstractAsyncContextManager[None]:
        """A slot among the exports. Raises TooBusy and Saturated."""
        return self.exports.slot(scope["state"][CHARGED], organization_uid.bytes)


def _default(caller: Caller) -> Hashable:
    """The default organization of the caller, or else the caller."""
    default = caller.default_organization
    return caller.identity if default is None else default.bytes


def _shared(
    settings: LimitSettings,
    name: str,
    what: str,
    *,
    waiting: tuple[int, int],
    patience: float,
    brisk: bool = False,
) -> FairSemaphore:
    """A semaphore with the units of the setting `name`. `<name>_per_organization` limits one organization."""
    units, share = _size(settings, name)
    return FairSemaphore(name, Size(units, share, *waiting, patience, brisk=brisk), what=what)


def _lasting(settings: LimitSettings, name: str, what: str, queue: Queue) -> LastingSemaphore:
    return LastingSemaphore(name, *_size(settings, name), queue, what=what)


def _size(settings: LimitSettings, name: str) -> tuple[int, int]:
    units: int = getattr(settings, name)
    return units, min(units, getattr(settings, f"{name}_per_organization"))
