"""How many examples a property is tried with: all in the whole suite, a tenth in the lane of `scripts/test --fast`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FEW = "few"  # the profile of the fast lane
USUAL = 100


def register() -> None:
    """How long an example takes says more of the machine than of the code."""
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
    settings.register_profile(FEW, max_examples=USUAL // 10)


def examples(usual: int) -> int:
    """For a property that is not tried with the usual number."""
    return max(5, usual // 10) if settings.get_current_profile_name() == FEW else usual
