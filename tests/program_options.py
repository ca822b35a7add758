"""Options of the programs in scripts/ and tests/bench. An impossible number is refused at once, in one line.

It needs nothing but Python, as scripts/simulate does.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from typing import NoReturn

MOST = 1_000_000_000_000
MOST_MINUTES = 10_080.0  # a week


class Parser(argparse.ArgumentParser):
    """Its errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def whole(least: int = 1, most: int = MOST) -> Callable[[str], int]:
    """The type of an option: a whole number from `least` to `most`, which may have commas, such as 10,000."""

    def convert(text: str) -> int:
        if re.fullmatch(r"[0-9][0-9,_]{0,30}", text) is None or not least <= (number := _whole(text)) <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]} is not a whole number from {least:,} to {most:,}")
        return number

    return convert


def _whole(text: str) -> int:
    return int(re.sub("[,_]", "", text))


def number(*, above: float | None = None, least: float = 0.0, most: float) -> Callable[[str], float]:
    """The type of an option: a number from `least`, or above `above`, to `most`."""
    begin = f"from {least:,g}" if above is None else f"above {above:,g} and up"

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (above is not None and value <= above):
            raise argparse.ArgumentTypeError(f"{text[:40]} is not a number {begin} to {most:,g}")
        return value

    return convert


def minutes() -> Callable[[str], float]:
    return number(above=0, most=MOST_MINUTES)


def heap(text: str) -> str:
    """The type of an option: the size of a heap."""
    if re.fullmatch(r"[1-9][0-9]{0,5}[mg]", text) is None:
        raise argparse.ArgumentTypeError(f"{text[:40]} is not a size with m or g, such as 768m")
    return text
