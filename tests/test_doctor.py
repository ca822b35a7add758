"""`doctor`: what it says of clocks. tests/node/test_cli.py runs it on a node."""

from __future__ import annotations

import pytest

from service.operations.doctor import clock_check


@pytest.mark.parametrize(
    ("apart", "leeway", "verdict"),
    [
        (0.0, 5, "ok"), (2.0, 5, "ok"), (2.1, 5, "warning"), (5.0, 5, "warning"), (5.1, 5, "failed"),
        (5.1, 60, "warning"), (60.5, 60, "failed"), (1.0, 0, "ok"), (2.1, 0, "failed"),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_as_much_as_tokens_allow(apart: float, leeway: float, verdict: str) -> None:
    assert clock_check(apart, leeway=leeway).verdict == verdict
