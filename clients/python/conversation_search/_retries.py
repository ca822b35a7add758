"""When a request is sent again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long to try a request again.

    Reads and writes are sent again if the service is at a limit (429), cannot answer now (502, 503, 504), or cannot be
    reached. That is safe for writes, because each has a version: a second one changes nothing. A deletion without
    `deleted_on` is sent again only if it was certainly not applied.

    Attributes:
        attempts: how often a request is sent at most. 1 means never again.
        longest_wait: the longest time between two attempts, in seconds. If the service asks for a longer one in
            `Retry-After`, the error is raised at once.
    """

    attempts: int = 4
    longest_wait: float = 30.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("attempts must be at least 1")
        if self.longest_wait < 0:
            raise ValueError("longest_wait must not be negative")

    def wait(self, attempt: int, retry_after: float | None) -> float | None:
        """The seconds to wait after this attempt (from 1), or None if no further attempt is to be made."""
        if attempt >= self.attempts or (retry_after or 0) > self.longest_wait:
            return None
        growing: float = min(self.longest_wait, 0.25 * 2 ** (attempt - 1)) * random.uniform(0.5, 1)  # noqa: S311
        return max(growing, retry_after or 0)
