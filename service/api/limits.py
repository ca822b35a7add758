"""The limits on requests, made from the settings, and how a request passes them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from litestar.types import Scope

from service.identity.caller import Caller
from service.limit_settings import LimitSettings
from service.limits.fair_semaphore import FairSemaphore, Size
from service.limits.token_buckets import Buckets

BODIES_WAITING, BODIES_WAITING_SHARE = 100, 25
BODY_PATIENCE_SECONDS = 5.0
DEEP_WAITING, DEEP_WAITING_SHARE = 400, 100
EXPORTS_WAITING, EXPORT_PATIENCE_SECONDS = 20, 1.0  # so that the next one may follow at once when one has ended
CHARGED = "charged_caller"  # the caller whose balance the answer tells, in the state of a request


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a process. `points` is shared with the searcher, which opens points in time."""

    callers: Buckets
    searches: FairSemaphore
    bodies: FairSemaphore
    exports: FairSemaphore
    points: FairSemaphore
    body_bytes: int

    @classmethod
    def of(cls, settings: LimitSettings) -> Limits:
        return cls(
            callers=Buckets(settings.caller_rate, settings.caller_burst),
            searches=FairSemaphore(
                "searches",
                Size(
                    settings.searches,
                    min(settings.searches, settings.searches_per_organization),
                    settings.searches_waiting,
                    settings.searches_waiting_per_organization,
                    settings.search_patience,
                ),
                what="searches",
            ),
            bodies=FairSemaphore(
                "bulk_bytes",
                Size(
                    settings.bulk_bytes,
                    min(settings.bulk_bytes, settings.bulk_bytes_per_organization),
                    BODIES_WAITING,
                    BODIES_WAITING_SHARE,
                    BODY_PATIENCE_SECONDS,
                ),
                what="bytes of bulk writes",
            ),
            exports=FairSemaphore(
                "exports",
                Size(
                    settings.exports,
                    min(settings.exports, settings.exports_per_organization),
                    EXPORTS_WAITING,
                    EXPORTS_WAITING,
                    EXPORT_PATIENCE_SECONDS,
                    always=True,
                ),
                what="exports",
            ),
            points=FairSemaphore(
                "points_in_time",
                Size(
                    settings.points_in_time,
                    min(settings.points_in_time, settings.points_in_time_per_organization),
                    DEEP_WAITING,
                    DEEP_WAITING_SHARE,
                    settings.search_patience,
                ),
                what="deep pages and exports",
            ),
            body_bytes=settings.body_bytes,
        )

    def take(self, scope: Scope, caller: Caller) -> None:
        """Takes the unit of every request. Raises RateExceeded."""
        scope["state"][CHARGED] = caller.identity
        self.callers.take(caller.identity)

    def charge(self, caller: Caller, units: float) -> None:
        """Takes what a request costs above that."""
        self.callers.charge(caller.identity, units)

    def search(self, organization_uid: UUID) -> AbstractAsyncContextManager[None]:
        """A slot among the searches, for a request that reads in OpenSearch. Raises TooBusy and Saturated."""
        return self.searches.slot(organization_uid.bytes)

    def body(self, caller: Caller, announced: int | None) -> AbstractAsyncContextManager[None]:
        """A slot for a body with so many bytes; None if it does not say. Raises TooBusy and Saturated.

        The lines say whose they are only once they are read, so the caller's organization counts, or the caller.
        """
        default = caller.default_organization
        units = self.body_bytes if announced is None else min(announced, self.body_bytes)
        return self.bodies.slot(caller.identity if default is None else default.bytes, max(1, units))

    def export(self, organization_uid: UUID) -> AbstractAsyncContextManager[None]:
        """A slot among the exports. Raises TooBusy and Saturated."""
        return self.exports.slot(organization_uid.bytes)
