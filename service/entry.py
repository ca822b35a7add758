"""The console script's entry point: ctrl-C is one line from the first moment, while the rest is still being imported.

The imports take about a second. A KeyboardInterrupt in the middle of one would be a traceback, or be swallowed by a
library that catches everything, so until the command line takes over the process ends at once.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130


def main() -> None:
    """Runs `conversations`."""
    signal.signal(signal.SIGINT, _end)
    from service.cli import main as run

    run()


def _end(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"Stopped.\n")
    os._exit(INTERRUPTED)  # nothing has begun that needs an end
