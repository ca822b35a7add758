"""`conversations status` for people and for programs, once or repeatedly."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NoReturn

from rich.console import Group, RenderableType
from rich.text import Text

from service import progress, terminal
from service.cli import output
from service.cli.output import Form
from service.client.responses import Json
from service.errors import ConversationsError, Misconfigured
from service.message_texts import counted
from service.operations.status import IndexStatus, Status
from service.reindex.lock import GO_ON
from service.terminal import printable

_UNITS = ("B", "kB", "MB", "GB", "TB")


def show(found: Status, form: Form | None) -> None:
    if output.form_of(form) == "json":
        output.print_json(found.record())
    else:
        output.print_rich(_page(found))


def watch(look: Callable[[], Status], form: Form | None, interval: float) -> NoReturn:
    """Prints the status repeatedly. If the cluster does not answer, prints the error and tries again."""
    as_json = output.form_of(form) == "json"
    console = terminal.console(sys.stdout)
    redraws = console.is_terminal and not console.is_dumb_terminal
    while True:
        try:
            found = look()
        except Misconfigured:
            raise
        except ConversationsError as error:
            progress.complain(f"conversations: {error}")
        else:
            if as_json:
                output.print_json(found.record(), indent=None)
            else:
                if redraws:
                    console.clear()
                output.print_rich(_page(found))
            sys.stdout.flush()
        time.sleep(interval)


def _page(found: Status) -> RenderableType:
    parts: list[RenderableType] = [output.record_of(_summary(found))]
    if found.indices:
        rows = [_row(index) for index in found.indices]
        titles = ("INDEX", "USED FOR", "CONVERSATIONS", "TOMBSTONES", "SIZE", "DIFFERS")
        parts += [Text(), output.table_or_records(titles, rows, right=("CONVERSATIONS", "TOMBSTONES", "SIZE"))]
    if found.loads:
        loads = [(one.owner, f"{one.written:,}", f"{one.unchanged:,}", f"{one.rejected:,}") for one in found.loads]
        titles_of_loads = ("LOAD", "WRITTEN", "UNCHANGED", "REJECTED")
        parts += [Text(), output.table_or_records(titles_of_loads, loads, right=titles_of_loads[1:])]
    return Group(*parts)


def _summary(found: Status) -> dict[str, str | None]:
    reindex = found.reindex
    return {
        "cluster": f"{found.cluster} (OpenSearch {found.version}), {found.health}, {counted(found.nodes, 'node')}",
        "alias": f"{found.alias} -> {found.index or 'nothing'}",
        "conversations": f"{found.conversations:,}",
        "newest write": None if found.newest_write is None else _ago(found),
        "unfinished": None if reindex is None else _unfinished(reindex),
        "problem": None if found.problem is None else printable(found.problem),
    }


def _unfinished(reindex: Json) -> str:
    """The state of a reindex, rollback or prune that has not ended."""
    action, step, is_running = reindex.get("action"), reindex.get("step"), reindex.get("is_running")
    if is_running is None:
        return f"{action}, at the step {step}"
    if is_running:
        return f"{action}, running, at the step {step}"
    return f"{action}, interrupted at the step {step}: {GO_ON}"


def _ago(found: Status) -> str:
    seconds = found.newest_write_age_seconds or 0.0
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{found.newest_write}, {counted(round(seconds / size), unit)} ago"
    return f"{found.newest_write}, {counted(round(seconds), 'second')} ago"


def _row(index: IndexStatus) -> tuple[str, ...]:
    used = " and ".join(word for word, is_so in (("reads", index.reads), ("writes", index.writes)) if is_so)
    differs = "" if not index.differing_ranges else f"in {index.differing_ranges} of 256 ranges"
    return (
        index.name, used or "nothing", f"{index.conversations:,}", f"{index.tombstones:,}", _size(index.bytes), differs,
    )  # fmt: skip


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
