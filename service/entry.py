"""The console script's entry point: ctrl-C is one line from the first moment, while the rest is still being imported.

The imports take about a second. A KeyboardInterrupt in the middle of one would be a traceback, or be swallowed by a
library that catches everything, so until the command line takes over the process ends at once.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130


def _end(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"Stopped.\n")
    os._exit(INTERRUPTED)  # nothing has begun that needs an end


# At the import, because only the two starters import this module, and each moment counts.
signal.signal(signal.SIGINT, _end)


def main() -> None:
    """Runs `conversations`."""
    from service.cli import main as run

    run()
