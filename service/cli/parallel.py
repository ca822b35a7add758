"""Loads several inputs at the same time, each in its own process, because validation takes a whole processor core."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from service import progress
from service.errors import ConversationsError, Misconfigured
from service.files import numbered, replacing
from service.rejects import is_rejects
from service.settings import Settings

_PROGRESS = re.compile(r"Loading: ([\d,]+)")
_ERROR = "conversations: "


@dataclass(frozen=True, slots=True)
class Part:
    """One input, with the files for the rejects and the checkpoint of its process."""

    file: str
    rejects: Path
    checkpoint: Path


def parallel_files(files: tuple[str, ...], rejects: Path, checkpoint: Path) -> list[Part]:
    """A part for each input; its rejects and checkpoint are numbered, such as rejects.ndjson.1."""
    own = (numbered(rejects, len(files)), numbered(checkpoint, len(files)))
    return [Part(*names) for names in zip(files, *own, strict=True)]


def load_files(
    settings: Settings,
    own: list[Part],
    *,
    processes: int,
    rejects: Path,
    resume: bool,
    advance: Callable[[int], None],
) -> dict[str, int]:
    """Runs a `conversations load` for each input, and adds up the counts that they print.

    Their rejects are put into one file, in the order of the inputs. If a load fails, ConversationsError is raised after
    all have ended, with the message of the first input whose load failed.
    """

    def load(part: Part) -> dict[str, int] | str:
        command = [sys.executable, "-m", "service", "load", part.file, "--data", str(settings.data)]
        command += ["--rejects", str(part.rejects), "--checkpoint", str(part.checkpoint)]
        if resume and part.checkpoint.exists():
            command += ["--resume"]
        elif is_rejects(part.rejects):  # left by an earlier run that is not resumed
            part.rejects.unlink()
        return _run(command, settings.child_environment(), advance, part.file)

    with ThreadPoolExecutor(processes) as pool:
        outcomes = list(pool.map(load, own))
    failures = [one for one in outcomes if isinstance(one, str)]
    _merge([part.rejects for part in own], rejects, keep=bool(failures))  # --resume needs the parts
    if failures:
        raise ConversationsError(failures[0])
    done = [one for one in outcomes if isinstance(one, dict)]
    return {name: sum(one[name] for one in done) for name in ("written", "unchanged", "rejected")}


def _run(
    command: list[str], environment: dict[str, str], advance: Callable[[int], None], file: str
) -> dict[str, int] | str:
    """The record that the command prints, or its last message if it prints none. Repeats its notes on waiting."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        shown, last = 0, ""
        for line in process.stderr:
            if found := _PROGRESS.match(line):
                bytes_read = int(found[1].replace(",", ""))
                advance(bytes_read - shown)
                shown = bytes_read
            elif line.startswith(progress.ALL_IS_READ):
                progress.say(f"{file}: {line.strip()}")
            elif line.startswith(_ERROR) or not last:  # after an error, only advice on how to continue follows
                last = line.strip().removeprefix(_ERROR)
        out = process.stdout.read()
    try:
        record: dict[str, int] = json.loads(out)
    except ValueError:
        return last or "a load ended without a message"
    return record


def _merge(parts: list[Path], whole: Path, *, keep: bool) -> None:
    """Joins the rejects into one file, then removes the parts unless `keep` is true."""
    there = [part for part in parts if part.exists()]
    if not there:
        return
    try:
        with replacing(whole) as file:
            for part in there:
                file.write(part.read_bytes())
    except OSError as error:
        raise Misconfigured(
            f"cannot write {whole} ({error.strerror}): the rejects are in {', '.join(map(str, there))}"
        ) from None
    for part in () if keep else there:
        part.unlink()
