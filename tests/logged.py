"""Collects in one folder what the service logs while the tests run, and searches it for what must not be logged.

tests/conftest.py calls `begin` in each process of a run, and `telling` in the one that ends last. Each file that
`new_file` names is searched, whichever process writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from tests.corpus import WORDS

MARK = "zqxj"  # in everything that tests/node/test_logs.py stores, asks and sends
ITS_OWN = {"running"}  # asyncio logs this word about each task
TELLING = [word for word in WORDS if (len(word) > 5 or not word.isascii()) and word not in ITS_OWN]
SEARCHED = ("secretword", "unmistakable")  # what other tests search for
PARTS = ("eyj", "@", MARK, *SEARCHED)  # the beginning of a token, and what each address has; in lower case
_KEY = re.compile(r"ck_[0-9a-f]{16}_[\w-]{8}")
_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, TELLING))})(?!\w)")

_folders: list[Path] = []  # that of this process, once `begin` has made it
_numbers = count(1)


def shared(base: Path, name: str) -> Path:
    """The path of this name for all processes of a run; `base` is the calling process's own temporary folder."""
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name


def begin(base: Path) -> Path:
    """Makes the folder of this process's logs in that of the run, and returns it."""
    folder = shared(base, "logs") / os.environ.get("PYTEST_XDIST_WORKER", "only")
    folder.mkdir(parents=True)
    _folders.append(folder)
    return folder


def new_file(name: str) -> Path:
    """A file in this process's folder that is not there yet. Needs `begin` before."""
    return _folders[0] / f"{name}-{next(_numbers)}"


def hide(*secrets: str) -> None:
    """Adds texts that no log of the run may hold, of any process. Needs `begin` before."""
    with _secrets(_folders[0].parent).open("a") as file:
        file.writelines(f"{secret}\n" for secret in secrets)


def hidden(folder: Path) -> list[str]:
    """The texts that were hidden in a run whose logs are in `folder`."""
    file = _secrets(folder)
    return file.read_text().splitlines() if file.exists() else []


def _secrets(folder: Path) -> Path:
    return folder.with_name("secrets-of-logs")


def telling(folder: Path, secrets: Iterable[str]) -> Iterator[str]:
    """Each line below `folder` that contains a token, a key, a secret, a subject, an address or a searched text.

    In the form file:line: what it contains.
    """
    parts = [*PARTS, *(secret.casefold() for secret in secrets)]
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = file.read_text("utf-8", "replace")
        lowered = text.casefold()
        if not (any(part in lowered for part in parts) or any(word in text for word in TELLING) or _KEY.search(text)):
            continue  # most files; a look at each line takes longer
        for number, line in enumerate(text.splitlines(), 1):
            lowered = line.casefold()
            leaks = [part for part in parts if part in lowered]
            leaks += [found[0] for pattern in (_WORD, _KEY) if (found := pattern.search(line))]
            if leaks:
                yield f"{file}:{number}: {', '.join(leaks)}"
