"""Several inputs loaded at once, each by a process of its own: validation is what one processor is busy with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.errors import ConversationsError
from service.settings import Settings

_PROGRESS = re.compile(r"Loading: ([\d,]+)")
_ERROR = "conversations: "


def load_files(
    settings: Settings,
    files: tuple[str, ...],
    *,
    processes: int,
    rejects: Path,
    checkpoint: Path,
    resume: bool,
    advance: Callable[[int], None],
) -> dict[str, int]:
    """The sums of what each `conversations load` tells; their rejects end in one file, in the order of the inputs.

    Raises ConversationsError with what the first of them said that could not do its work, when all have ended.
    """
    own = [
        (file, rejects.with_name(f"{rejects.name}.{number}"), checkpoint.with_name(f"{checkpoint.name}.{number}"))
        for number, file in enumerate(files, start=1)
    ]

    def load(file: str, rejected: Path, reached: Path) -> dict[str, int] | str:
        command = [sys.executable, "-m", "service", "load", file, "--data", str(settings.data)]
        command += ["--rejects", str(rejected), "--checkpoint", str(reached)]
        command += ["--opensearch-url", settings.opensearch_url] if settings.opensearch_url else []
        command += ["--resume"] if resume and reached.exists() else []
        return _run(command, advance)

    with ThreadPoolExecutor(processes) as pool:
        told = list(pool.map(lambda parts: load(*parts), own))
    _merge([rejected for _file, rejected, _reached in own], rejects)
    failures = [one for one in told if isinstance(one, str)]
    if failures:
        raise ConversationsError(failures[0])
    done = [one for one in told if isinstance(one, dict)]
    return {name: sum(one[name] for one in done) for name in ("written", "unchanged", "rejected")}


def _run(command: list[str], advance: Callable[[int], None]) -> dict[str, int] | str:
    """The record that the command prints, or its last line where it has none."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        shown, last = 0, ""
        for line in process.stderr:
            if found := _PROGRESS.match(line):
                bytes_read = int(found[1].replace(",", ""))
                advance(bytes_read - shown)
                shown = bytes_read
            elif line.startswith(_ERROR) or not last:  # what follows an error tells how to go on
                last = line.strip().removeprefix(_ERROR)
        out = process.stdout.read()
    try:
        record: dict[str, int] = json.loads(out)
    except ValueError:
        return last or "a load ended without a word"
    return record


def _merge(parts: list[Path], whole: Path) -> None:
    there = [part for part in parts if part.exists()]
    if there:
        with whole.open("wb") as file:
            for part in there:
                file.write(part.read_bytes())
                part.unlink()
