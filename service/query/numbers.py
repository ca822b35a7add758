"""Parses whole numbers and spans of numbers. Each function raises ValueError, and its text says what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable

from service.query.fields import LARGEST_NUMBER, Operator
from service.query.time_bounds import Bounds, Limit, check_order

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
NUMBER_ALLOWED = f"between 0 and {LARGEST_NUMBER}"


def integer(lowest: int, highest: int, allowed: str) -> Callable[[str], int]:
    """A function that parses a whole number in this range. `allowed` describes the range in errors."""

    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"must be a whole number {allowed}")
        if len(text) > 20 or not lowest <= int(text) <= highest:
            raise ValueError(f"must be {allowed}")
        return int(text)

    return parse


number = integer(0, LARGEST_NUMBER, NUMBER_ALLOWED)
_number_or_span = integer(0, LARGEST_NUMBER, f"{NUMBER_ALLOWED}, or a span such as 5..10, 5.. or ..10")


def parse_number_span(text: str) -> int | Bounds:
    """Parses a number or a span: 5, 5..10, 5.. or ..10."""
    left, dots, right = text.partition("..")
    if not dots:
        return _number_or_span(text)
    if not left and not right:
        raise ValueError(f"must have at least one end, and each end must be a whole number {NUMBER_ALLOWED}")
    ends: tuple[tuple[Operator, str], ...] = (("gte", left), ("lte", right))
    bounds: tuple[tuple[Operator, Limit], ...] = tuple((operator, number(end)) for operator, end in ends if end)
    check_order(bounds)
    return bounds
