"""Commands that move conversations in and out: load and export."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import click

from service import audit, progress
from service.cli import dry_run, exit_codes
from service.cli.checkpoint import Checkpoint
from service.cli.export_file import export_file
from service.cli.options import (
    INPUT_OR_STREAM,
    Uuid,
    act,
    cluster_options,
    create_option,
    recorded,
    recorded_at_the_end,
    rejects_option,
    show,
)
from service.cli.parallel import Part, load_files, parallel_files
from service.client import Client
from service.client.responses import SearchAnswer
from service.errors import IndexMissing, Misconfigured
from service.files import STANDARD_STREAM, require_distinct
from service.index import aliases, loader, mapping, preparing, writer
from service.index.index_settings import chosen
from service.message_texts import counted
from service.operations import load_progress
from service.query.parameters import EXPORT_PARAMETERS
from service.query.parser import parse_query
from service.reindex import first_index
from service.rejects import Rejects, is_rejects
from service.settings import Settings
from service.sources import ndjson

Origin = TypeVar("Origin")


@click.command("load")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=INPUT_OR_STREAM)
@rejects_option
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("load.checkpoint"),
    show_default=True,
    help="The file that records the progress of the load. It is removed at the end.",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted load of the same files.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Number of files to load at the same time.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Number of processes that check and prepare the lines. Without it, one process does everything.",
)
@create_option
@dry_run.option("Check every line, and write neither conversations nor a rejects file.")
@cluster_options
def load_command(
    settings: Settings,
    files: tuple[str, ...],
    rejects: Path,
    checkpoint: Path,
    resume: bool,
    parallel: int,
    workers: int | None,
    create: bool,
    is_dry_run: bool,
) -> None:
    """Load conversations and deletions from NDJSON files: plain, gzip or zstandard.

    FILE - is standard input. A line is an item, or {"uid":…,"organization_uid":…,"deleted_on":…}, as in a bulk request.
    Loading the same file twice changes nothing, and an older copy never replaces a newer one: the version is updated_on
    or deleted_on. Rejected lines go to the rejects file; all others are loaded, and the exit code is 3. After an
    interruption, load the same files again, or continue with --resume.
    """
    if is_dry_run and (resume or create):
        raise Misconfigured(f"--dry-run writes nothing: leave out {'--resume' if resume else '--create'}")
    if parallel > 1 and workers is not None:
        raise Misconfigured("--parallel and --workers exclude each other: --parallel has a process for each file")
    is_parallel = parallel > 1 and len(files) > 1
    own = parallel_files(files, rejects, checkpoint) if is_parallel else []
    require_distinct(
        files,
        {
            "--rejects": [rejects, *(part.rejects for part in own)],
            "--checkpoint": [checkpoint, *(part.checkpoint for part in own)],
        },
    )
    if is_dry_run:
        dry_run.load(files, max_ahead=max_ahead(settings))
        return
    if is_parallel:
        _load_side_by_side(settings, files, own, parallel, rejects, resume=resume, create=create)
    else:
        _load_in_order(settings, files, rejects, checkpoint, workers, resume=resume, create=create)


def _load_side_by_side(
    settings: Settings,
    files: tuple[str, ...],
    parts: list[Part],
    processes: int,
    rejects: Path,
    *,
    resume: bool,
    create: bool,
) -> None:
    """Loads the files in `processes` processes at the same time, one file in each."""
    if ndjson.STANDARD_INPUT in files:
        raise Misconfigured("--parallel needs files: standard input can be read by one process only")
    total = _bytes(files)
    act(settings, lambda client: require_index(client, settings, create=create))
    with exit_codes.hint(lambda: _go_on(files, True)), progress.track("Loading", total, "byte") as advance:
        sums = load_files(settings, parts, processes=processes, rejects=rejects, resume=resume, advance=advance)
    _finish(sums, rejects)


def _load_in_order(
    settings: Settings,
    files: tuple[str, ...],
    rejects: Path,
    checkpoint: Path,
    workers: int | None,
    *,
    resume: bool,
    create: bool,
) -> None:
    """Loads one file after the other."""
    total = _bytes(files)
    reading = progress.Reading(total)
    done = Checkpoint.resumed(checkpoint, files) if resume else Checkpoint(checkpoint, files)
    with (
        exit_codes.hint(lambda: _go_on(files, checkpoint.exists())),
        Rejects(rejects, kept=done.covers if resume else None) as rejected,
        progress.track("Loading", total, "byte") as advance,
    ):

        def lines() -> Iterator[ndjson.Line]:
            for file in files:
                for line in ndjson.texts(file, after=done.lines[file], advance=reading.along(advance)):
                    reading.lines += 1
                    yield line
            reading.is_ended = True

        def reject(line: ndjson.Line) -> None:
            reading.refused += 1
            rejected.add(line.source, line.number, line.reason or "", line.text)

        with _recorded(settings) as tally:
            _load(
                settings,
                tally,
                _prepared(lines(), max_ahead(settings), reject, workers=workers),
                lambda line, reason: rejected.add(line.source, line.number, reason, line.text),
                reading,
                create=create,
                settled=lambda line: done.reach(line.source, line.number),
            )
    done.remove()
    summary(tally, rejected)


def _bytes(files: tuple[str, ...]) -> int | None:
    """The size of all files, or None if one of them has no size, as standard input."""
    sizes = [ndjson.size(file) for file in files]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _go_on(files: tuple[str, ...], can_resume: bool) -> str:
    """How to continue an interrupted load."""
    if can_resume and ndjson.STANDARD_INPUT not in files:
        return "What was loaded stays. To continue, run the same command with --resume."
    return "What was loaded stays. To continue, run the same command: nothing is loaded twice."


@click.command("export")
@click.argument("file", metavar="FILE")
@click.option("--organization", type=Uuid(), required=True, help="The organization to export.")
@click.option(
    "--where", default="", metavar="QUERY", help="Parameters as in the API, such as 'status=closed&sort=subject'."
)
@cluster_options
def export_command(settings: Settings, file: str, organization: UUID, where: str) -> None:
    """Write every conversation that matches to FILE as NDJSON, which 'conversations load' reads.

    FILE is compressed with gzip if its name ends in .gz; - is standard output. FILE appears when it is complete, and
    its last line says so.
    """
    uid, query = parse_query(where.encode(), organization, known=EXPORT_PARAMETERS)

    def export(client: Client) -> Awaitable[int]:
        return export_file(client, settings, query, uid, file=file, where=where.encode())

    count = act(settings, export, answer=SearchAnswer)
    recorded(settings, "export", (uid,), conversations=count)
    if count:
        progress.say(f"{counted(count, 'conversation')} exported")
    else:
        progress.say(f"no conversation of {uid} matches: {'the output' if file == '-' else file} holds none")


def _load(
    settings: Settings,
    tally: loader.Tally,
    prepared: AbstractAsyncContextManager[loader.Pairs[Origin]],
    reject: Callable[[Origin, str], None],
    reading: progress.Reading,
    *,
    create: bool,
    settled: Callable[[Origin], None] = lambda _origin: None,
) -> None:
    """Loads the writes, and counts them in `tally`."""

    def now() -> dict[str, int]:
        return {"bytes_done": reading.done, "bytes": reading.bytes or 0, **tally.record()}

    async def load(client: Client) -> None:
        await require_index(client, settings, create=create)
        async with (
            load_progress.published(client, settings.alias, now),
            progress.waiting(lambda: left(reading, tally)),
            prepared as writes,
        ):
            await loader.load_writes(
                client,
                settings.alias,
                writes,
                reject=reject,
                settled=settled,
                lease=settings.write_lease,
                tally=tally,
            )

    act(settings, load)


def left(reading: progress.Reading, tally: loader.Tally) -> str | None:
    """What a load waits for after it has read everything. None before that."""
    if not reading.is_ended:
        return None
    under_way = reading.lines - reading.refused - sum(tally.record().values())
    if under_way > 0:
        return f"{counted(under_way, 'conversation')} still on the way to OpenSearch"
    return "all is written, and is being made ready for searches"


@contextmanager
def _recorded(settings: Settings) -> Iterator[loader.Tally]:
    """Yields a tally. Adds it to the audit trail when the load has succeeded, or has failed after sending something."""
    tally = loader.Tally()

    def record(complete: bool) -> None:
        named, more = audit.some_of(tally.organizations)
        if complete or named:
            recorded(settings, "load", named, **more, **tally.record(), complete=complete)

    with recorded_at_the_end(record):
        yield tally


def _prepared(
    lines: Iterable[ndjson.Line], most_ahead: timedelta, reject: Callable[[ndjson.Line], None], *, workers: int | None
) -> AbstractAsyncContextManager[loader.Pairs[ndjson.Line]]:
    """The writes of the lines, made in other processes or here."""
    if workers is not None:
        return preparing.in_processes(lines, workers=workers, max_ahead=most_ahead, reject=reject)

    def writes() -> Iterator[tuple[ndjson.Line, writer.Write]]:
        for line in lines:
            prepared = preparing.write_or_reason(line, most_ahead)
            if isinstance(prepared, writer.Write):
                yield line, prepared
            else:
                reject(prepared)

    return nullcontext(writes())


def max_ahead(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.max_ahead)


async def require_index(client: Client, settings: Settings, *, create: bool) -> None:
    """Checks that there is an index to write to. With `create`, a missing index is created."""
    if create:
        await first_index.ensure(client, settings.alias, mapping.load(), settings=chosen(settings))
    elif await aliases.current_index(client, settings.alias) is None:
        raise IndexMissing(
            f"{settings.alias} does not exist in OpenSearch: check CONVERSATIONS_ALIAS, or create it with --create"
        )
    else:
        await aliases.check(client, settings.alias, mapping.load())


def summary(
    tally: loader.Tally, rejected: Rejects, counts: dict[str, int] | None = None, *, output: str | None = None
) -> None:
    """Prints the summary. Conversations in an output file do not count as written, because nothing was loaded."""
    done = tally.record() if output is None else {"in_output": tally.written}
    record = {**(counts or {}), **done, "rejected": rejected.count}
    _finish(record, rejected.path, to_error=output == STANDARD_STREAM)


def _finish(record: dict[str, int], rejects: Path, *, to_error: bool = False) -> None:
    """Prints the record: to standard error if standard output holds the conversations."""
    show(record, to_error=to_error)
    if not record["rejected"] and is_rejects(rejects):
        progress.say(f"nothing was rejected; {rejects} is from an earlier run")
    if record["rejected"]:
        raise exit_codes.DoneInPart(f"{record['rejected']:,} rejected, with the reasons in {rejects}")


COMMANDS = (load_command, export_command)
