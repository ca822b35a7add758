"""Distinguishes lines copied from an R or Python session, such as "> x <- 3", from quotes, which begin alike."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_LINES = 100  # of a run that are examined

_NAME = r"[A-Za-z.][\w.$@:]*"
_CODE = re.compile(
    rf"{_NAME}(?:\[.*\])*\s*(?:<<?-|->|=(?!=)).*|{_NAME}\(.*[\w)\]\[(,{{}}+*/|&%=~<>:-]|{_NAME}\(.*#.*"
    r"|(?:import|def|class) [\w.]+.*|from [\w.]+ import .*"
)
_COULD_BE = re.compile(rf"{_NAME}(?:\[.*\])*|\?+[\w.]+|#.*|[\d.\s+*/^:()-]+|[)}}\]].*|")
_PROMPT = re.compile(r">(?:>>)?(?: |\Z)")


def run_of_prompts(lines: Sequence[str], begin: int) -> tuple[int, bool]:
    """Where the run of lines that begin with ">" ends, and whether all of it comes from a session.

    All lines must look like code, and one of them must be an assignment, a call or an import.
    """
    is_code = False
    for number in range(begin, min(len(lines), begin + MOST_LINES)):
        line = lines[number]
        if not line.startswith((">", "+ ", "... ")):
            return number, is_code
        if line[0] != ">":
            continue
        prompt = _PROMPT.match(line)
        typed = line[prompt.end() :].strip() if prompt is not None else ""
        if prompt is None or (_CODE.fullmatch(typed) is None and _COULD_BE.fullmatch(typed) is None):
            return number + 1, False
        is_code = is_code or _CODE.fullmatch(typed) is not None
    return min(len(lines), begin + MOST_LINES), is_code
