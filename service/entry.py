"""The console script's entry point, which handles ctrl-C while everything else is still being imported.

The imports take about a second. A KeyboardInterrupt during an import would print a traceback, or be swallowed by a
library that catches everything. So until the command line installs its own handler, ctrl-C ends the process at once.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130


def _end(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"Stopped.\n")
    os._exit(INTERRUPTED)  # there is nothing to clean up yet


# Runs at import, to be as early as possible. Only the console script and __main__ import this module.
signal.signal(signal.SIGINT, _end)


def main() -> None:
    """Runs `conversations`."""
    from service.cli import main as run

    run()
