"""How many examples hypothesis tries for a property: all in the whole suite, a tenth with `scripts/test --fast`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FEW = "few"  # the profile of scripts/test --fast
USUAL = 100


def register() -> None:
    """Registers the profiles. Examples have no deadline, because their time depends on the machine."""
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
    settings.register_profile(FEW, max_examples=USUAL // 10)


def examples(usual: int) -> int:
    """The number of examples for a property that needs another number than the usual one."""
    return max(5, usual // 10) if settings.get_current_profile_name() == FEW else usual
