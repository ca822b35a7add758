"""`python -m tests.node.impatient` is the `conversations` command with shorter waits.

It takes over the lock of a dead owner after one second, and saves the checkpoint of a load ten times a second. Nothing
else differs. It is for tests that kill or interrupt a command.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from service.cli import checkpoint
from service.reindex import lock

COMMAND = [sys.executable, "-m", __spec__.name]
DEAD_AFTER_SECONDS = 1.0
ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """This process's environment, with which COMMAND is found from any folder."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    from service.entry import main

    checkpoint.EVERY_SECONDS = 0.1
    lock.DEAD_AFTER_SECONDS = DEAD_AFTER_SECONDS
    main()
