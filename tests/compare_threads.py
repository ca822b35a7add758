"""Compares the threads of `import-mail` with those of notmuch (https://notmuchmail.org), message pair by message pair.

A pair is two messages that are in one thread. Precision is the share of our pairs that notmuch has too. Recall is the
share of notmuch's pairs that we have. notmuch joins by references only, and never by subject.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from service.sources import mail, mailbox
from service.sources.facts import Hasher
from service.sources.message import Message
from tests.program_options import Parser, whole

Threads = dict[str, str]
"""The thread of each message id."""


def ours(paths: Iterable[str]) -> tuple[Threads, dict[str, Message]]:
    kind = mail.Mail(Hasher(uuid.UUID(int=1)), mail.Own(), mail.Rules())
    threads, messages = {}, {}
    with mail.spool(kind) as spool:
        spool.fill(*mail.read(paths, kind, reject=lambda *_what: None, counts=mail.Counts()))
        for number, pieces in enumerate(spool.conversations()):
            for piece in pieces:
                threads[piece.message.id] = str(number)
                messages[piece.message.id] = piece.message
    return threads, messages


def of_notmuch(paths: Iterable[str], folder: Path) -> Threads:
    """The threads of notmuch, which reads a folder with one file for each message."""
    mails = folder / "mail"
    mails.mkdir()
    for path in paths:
        for number, raw in enumerate(mailbox.read(path)):
            (mails / f"{Path(path).name}-{number}").write_bytes(raw.data)
    configuration = folder / "configuration"
    configuration.write_text(f"[database]\npath={mails}\n[user]\nname=x\nprimary_email=x@example.org\n[new]\ntags=\n")
    environment = os.environ | {"NOTMUCH_CONFIG": str(configuration)}
    subprocess.run(["notmuch", "new", "--quiet"], env=environment, check=True, stderr=subprocess.DEVNULL)
    show = ["notmuch", "show", "--format=json", "--body=false", "--entire-thread=true", "*"]
    found = json.loads(subprocess.run(show, env=environment, check=True, capture_output=True).stdout)
    return {name: str(number) for number, thread in enumerate(found) for name in _ids(thread)}


def _ids(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield node["id"]
    elif isinstance(node, list):
        for one in node:
            yield from _ids(one)


def pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def compared(left: Threads, right: Threads) -> dict[str, Any]:
    both = left.keys() & right.keys()
    common = pairs(Counter((left[name], right[name]) for name in both).values())
    of_left, of_right = (pairs(Counter(side[name] for name in both).values()) for side in (left, right))
    groups = [
        {frozenset(names) for names in _grouped({name: side[name] for name in both}).values()} for side in (left, right)
    ]
    return {
        "messages": len(both),
        "threads_of_notmuch": len(groups[1]),
        "equal_threads": len(groups[0] & groups[1]),
        "precision": round(common / max(1, of_left), 5),
        "recall": round(common / max(1, of_right), 5),
    }


def _grouped(threads: Threads) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name, thread in threads.items():
        found[thread].append(name)
    return found


def disagreements(left: Threads, right: Threads, messages: dict[str, Message]) -> Iterator[str]:
    """Threads of ours that notmuch splits, and threads of notmuch that we split, with their messages."""
    both = left.keys() & right.keys()
    for title, one, other in (("we join", left, right), ("notmuch joins", right, left)):
        for names in _grouped({name: one[name] for name in both}).values():
            if len({other[name] for name in names}) > 1:
                yield title
                for name in sorted(names, key=lambda name: messages[name].date):
                    message = messages[name]
                    refers = f"refers to {len(message.references)}" if message.references else ""
                    yield f"  {other[name]:>6} {message.date:%Y-%m-%d} {message.sender.email} {message.subject} {refers}"


def main() -> None:
    parser = Parser(prog="scripts/compare-threads", description=__doc__)
    parser.add_argument("mailboxes", nargs="+", metavar="MAILBOX")
    parser.add_argument("--show", type=whole(0), default=0, metavar="LINES", help="show this many lines of differences")
    chosen = parser.parse_args()
    left, messages = ours(chosen.mailboxes)
    with tempfile.TemporaryDirectory() as folder:
        right = of_notmuch(chosen.mailboxes, Path(folder))
    print(json.dumps(compared(left, right)))
    for line, _number in zip(disagreements(left, right, messages), range(chosen.show), strict=False):
        print(line)


if __name__ == "__main__":
    main()
