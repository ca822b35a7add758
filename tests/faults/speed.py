"""How fast the service answers, and how soon after a fault it has a share of its earlier speed again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_SECONDS = 2.0
CLEAN_SHARE = 0.98
LEAST_SHARE = 0.5  # of the rate before, which varies by chance and on a busy machine
MOST_TIMES_SLOWER = 4.0
SLACK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a read: when it ended, whether it was answered, and how many seconds it took."""

    ended: float
    is_good: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Speed:
    rate: float
    median: float
    is_clean: bool
    """Nearly all reads were answered."""

    @classmethod
    def of(cls, answers: Sequence[Answer], since: float, until: float) -> Speed:
        inside = [answer for answer in answers if since < answer.ended <= until]
        good = sorted(answer.seconds for answer in inside if answer.is_good)
        median = good[len(good) // 2] if good else float("inf")
        return cls(len(good) / (until - since), median, len(good) >= CLEAN_SHARE * len(inside))

    def share_of(self, first: Speed) -> float:
        """The share of an earlier speed, by the reads a second.

        It is less than a half if reads take longer than is allowed after a fault.
        """
        patience = MOST_TIMES_SLOWER * first.median + SLACK_SECONDS
        quickness = LEAST_SHARE * patience / self.median if self.median > patience else 1.0
        return min(self.rate / first.rate, quickness)

    def is_fast_enough_after(self, before: Speed, *, least: float = LEAST_SHARE) -> bool:
        return (
            self.is_clean
            and self.rate >= least * before.rate
            and self.median <= MOST_TIMES_SLOWER * before.median + SLACK_SECONDS
        )


def recovered_after(
    answers: Sequence[Answer], ended: float, now: float, before: Speed, *, least: float = LEAST_SHARE
) -> float | None:
    """Seconds from the end of a fault until the first window begins that is fast enough; None if there is none."""
    recent = [answer for answer in answers if answer.ended > ended]
    start = ended
    while start + WINDOW_SECONDS <= now:
        if Speed.of(recent, start, start + WINDOW_SECONDS).is_fast_enough_after(before, least=least):
            return start - ended
        start += 0.25
    return None
