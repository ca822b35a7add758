"""Commands that move conversations in and out: load, import-mail, import-sms, export."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, TypeVar, cast
from uuid import UUID

import click

from service import progress
from service.cli import dry_run, exit_codes
from service.cli.checkpoint import Checkpoint
from service.cli.export_file import export_file
from service.cli.options import (
    INPUT,
    INPUT_OR_STREAM,
    Duration,
    Pair,
    Uuid,
    act,
    cluster_options,
    create_option,
    rejects_option,
    show,
)
from service.cli.parallel import load_files, parallel_files
from service.client import Client
from service.client.responses import SearchAnswer
from service.conversation import STATUSES, Conversation, Status
from service.errors import IndexUnusable, Misconfigured
from service.files import STANDARD_STREAM, replacing, require_distinct
from service.index import aliases, loader, mapping, writer
from service.index.index_settings import chosen
from service.message_texts import counted
from service.operations import load_progress
from service.query.parameters import EXPORT_PARAMETERS
from service.query.parser import parse_query
from service.reindex import first_index
from service.rejects import Rejects, is_rejects
from service.settings import Settings
from service.sources import mail, mailbox, ndjson, sms, sms_files

Origin = TypeVar("Origin")


@click.command("load")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=INPUT_OR_STREAM)
@rejects_option
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("load.checkpoint"),
    show_default=True,
    help="Where it is kept how far the load came; removed at its end.",
)
@click.option("--resume", is_flag=True, help="Go on where an interrupted load of the same files stopped.")
@click.option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True, help="Files loaded at once.")
@create_option
@dry_run.option("Check every line, and write nothing: no conversations, no rejects file.")
@cluster_options
def load_command(
    settings: Settings,
    files: tuple[str, ...],
    rejects: Path,
    checkpoint: Path,
    resume: bool,
    parallel: int,
    create: bool,
    is_dry_run: bool,
) -> None:
    """Load conversations, and deletions, from NDJSON files (plain, gzip or zstandard); - is standard input.

    A line is an item, or {"uid":…,"organization_uid":…,"deleted_on":…}, as in a bulk request. Loading twice changes
    nothing, and an older copy never replaces a newer one: the version is updated_on, or deleted_on.
    Rejected lines go to the rejects file; all others are loaded, and the exit code is then 3. A load that was killed
    may be done again, or go on with --resume.
    """
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
        dry_run.load(files, max_ahead=_max_ahead(settings))
        return
    sizes = [ndjson.size(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    if is_parallel:
        if ndjson.STANDARD_INPUT in files:
            raise Misconfigured("--parallel needs files: standard input can be read by one process only")
        act(settings, lambda client: _index(client, settings, create=create))
        with exit_codes.hint(lambda: _go_on(files, True)), progress.track("Loading", total, "byte") as advance:
            sums = load_files(settings, own, processes=parallel, rejects=rejects, resume=resume, advance=advance)
        _finish(sums, rejects)
        return
    reading = progress.Reading(total)
    done = Checkpoint.resumed(checkpoint, files) if resume else Checkpoint(checkpoint, files)
    with (
        exit_codes.hint(lambda: _go_on(files, checkpoint.exists())),
        Rejects(rejects, kept=done.covers if resume else None) as rejected,
        progress.track("Loading", total, "byte") as advance,
    ):

        def writes() -> Iterator[tuple[ndjson.Line, writer.Write]]:
            for file in files:
                for line in ndjson.read(
                    file, after=done.lines[file], advance=reading.along(advance), max_ahead=_max_ahead(settings)
                ):
                    write = _write_of(line)
                    if write is None:
                        rejected.add(line.source, line.number, line.reason or "", line.text)
                    else:
                        yield line, write

        tally = _load(
            settings,
            writes(),
            lambda line, reason: rejected.add(line.source, line.number, reason, line.text),
            reading,
            create=create,
            settled=lambda line: done.reach(line.source, line.number),
        )
    done.remove()
    _summary(tally, rejected)


def _go_on(files: tuple[str, ...], can_resume: bool) -> str:
    """How a load goes on that was interrupted."""
    if can_resume and ndjson.STANDARD_INPUT not in files:
        return "What was loaded stays. Go on with the same command and --resume."
    return "What was loaded stays. Load the same again: nothing is loaded twice."


_organization = click.option(
    "--organization", type=Uuid(), required=True, help="The organization that the messages belong to."
)
_output = click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write NDJSON there (- is standard output) and load nothing. FILE is replaced when the new one is whole.",
)


@click.command("import-mail")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@_organization
@click.option("--own-address", "own_addresses", multiple=True, help="An address of the organization's. Repeatable.")
@click.option("--own-domain", "own_domains", multiple=True, help="A mail domain of the organization's. Repeatable.")
@click.option("--label-status", "statuses", type=Pair(), multiple=True, help="LABEL=STATUS, such as Done=closed.")
@click.option("--label-category", "categories", type=Pair(), multiple=True, help="LABEL=CATEGORY. Repeatable.")
@_output
@rejects_option
@create_option
@cluster_options
def import_mail_command(
    settings: Settings,
    paths: tuple[str, ...],
    organization: UUID,
    own_addresses: tuple[str, ...],
    own_domains: tuple[str, ...],
    statuses: tuple[tuple[str, str], ...],
    categories: tuple[tuple[str, str], ...],
    output: str | None,
    rejects: Path,
    create: bool,
) -> None:
    """Turn mailboxes into conversations, one a thread, and load them.

    PATH is an mbox file (of any kind, Mailman's and Google Takeout's too), a Maildir, an .eml file, a folder of these,
    or a .gz, .zst, .zip or .tar of them. Name all parts of an archive in one call, so that threads which cross them
    stay whole. Every message ends in a conversation or in the rejects file; the summary adds up.
    """
    own = mail.Own(frozenset(map(str.lower, own_addresses)), frozenset(map(str.lower, own_domains)))
    for _label, status in statuses:
        if status not in STATUSES:
            raise Misconfigured(f"--label-status: {status} must be one of {', '.join(STATUSES)}")
    rules = mail.Rules({label: cast(Status, status) for label, status in statuses}, dict(categories))

    def read(reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> Iterable[Conversation]:
        return mail.conversations(
            paths, organization, own,
            reject=reject, rules=rules, counts=counts, advance=advance, max_ahead=_max_ahead(settings),
        )  # fmt: skip

    _import(settings, paths, read, rejects, output, create=create)


@click.command("import-sms")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@_organization
@click.option(
    "--column", "columns", type=Pair(), multiple=True,
    help=f"NAME=COLUMN of a CSV file: {', '.join(sms_files.COLUMNS)}; such as peer=phone. Repeatable.",
)  # fmt: skip
@click.option("--gap", type=Duration(), help="A silence of so long begins a new conversation, such as 30d.")
@_output
@rejects_option
@create_option
@cluster_options
def import_sms_command(
    settings: Settings,
    paths: tuple[str, ...],
    organization: UUID,
    columns: tuple[tuple[str, str], ...],
    gap: timedelta | None,
    output: str | None,
    rejects: Path,
    create: bool,
) -> None:
    """Turn SMS into conversations, one a peer number, and load them.

    FILE is CSV with a line of column names (peer, date and text must be there; direction, read and name may), or the
    XML of Android's "SMS Backup & Restore"; or a .gz, .zst, .zip or .tar of these. An SMS has no subject: the first
    message's text stands for it, so that it can be searched.
    """
    for name, _column in columns:
        if name not in sms_files.COLUMNS:
            raise Misconfigured(f"--column: {name} must be one of {', '.join(sms_files.COLUMNS)}")

    def read(reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> Iterable[Conversation]:
        return sms.conversations(
            list(paths), organization,
            reject=reject, columns=dict(columns), gap=gap, counts=counts, advance=advance,
            max_ahead=_max_ahead(settings),
        )  # fmt: skip

    _import(settings, paths, read, rejects, output, create=create)


def _import(
    settings: Settings,
    paths: tuple[str, ...],
    read: Callable[[mail.Reject, mail.Counts, progress.Advance], Iterable[Conversation]],
    rejects: Path,
    output: str | None,
    *,
    create: bool,
) -> None:
    own = {"--output": [Path(output)]} if output not in (None, STANDARD_STREAM) else {}
    require_distinct(paths, {"--rejects": [rejects], **own})
    counts = mail.Counts()
    reading = progress.Reading(sum(mailbox.size(path) for path in paths))
    with Rejects(rejects) as rejected, progress.track("Reading", reading.bytes, "byte") as advance:
        found = read(rejected.add, counts, reading.along(advance))
        if output is not None:
            tally = _write(found, output)
        else:
            tally = _load(
                settings,
                ((conversation, writer.write_of(conversation)) for conversation in found),
                lambda conversation, reason: rejected.add(str(conversation.uid), 0, reason, b""),
                reading,
                create=create,
            )
    if counts.shortened:
        progress.say(f"shortened to the limits of a document: {counted(counts.shortened, 'conversation')}")
    if counts.dates_ahead:
        progress.say(
            f"dated ahead of the clock: {counted(counts.dates_ahead, 'message')}, "
            "given the time of receipt or of this import"
        )
    _summary(tally, rejected, counts.record(), output=output)


def _write(conversations: Iterable[Conversation], output: str) -> loader.Tally:
    """Writes NDJSON to the file, which is replaced once all of it is there, or to standard output."""
    tally = loader.Tally()

    def write(file: IO[bytes]) -> None:
        for conversation in conversations:
            file.write(conversation.model_dump_json().encode() + b"\n")
            tally.count("written")

    if output == STANDARD_STREAM:
        write(sys.stdout.buffer)
        return tally
    try:
        with replacing(output) as file:
            write(file)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Misconfigured(f"cannot write {output} ({error.strerror}): choose another file with --output") from None
    return tally


@click.command("export")
@click.argument("file", metavar="FILE")
@click.option("--organization", type=Uuid(), required=True, help="The organization to export.")
@click.option(
    "--where", default="", metavar="QUERY", help="Parameters as in the API, such as 'status=closed&sort=subject'."
)
@cluster_options
def export_command(settings: Settings, file: str, organization: UUID, where: str) -> None:
    """Write every conversation that matches to FILE as NDJSON (gzip if it ends in .gz; - is standard output).

    FILE appears when it is whole; its last line says so, and 'conversations load' reads it.
    """
    uid, query = parse_query(where.encode(), organization, known=EXPORT_PARAMETERS)

    def export(client: Client) -> Awaitable[int]:
        return export_file(client, settings, query, uid, file=file, where=where.encode())

    count = act(settings, export, answer=SearchAnswer)
    if count:
        progress.say(f"{counted(count, 'conversation')} exported")
    else:
        progress.say(f"no conversation of {uid} matches: {'what was written' if file == '-' else file} holds none")


def _load(
    settings: Settings,
    writes: Iterable[tuple[Origin, writer.Write]],
    reject: Callable[[Origin, str], None],
    reading: progress.Reading,
    *,
    create: bool,
    settled: Callable[[Origin], None] = lambda _origin: None,
) -> loader.Tally:
    tally = loader.Tally()

    def now() -> dict[str, int]:
        return {"bytes_done": reading.done, "bytes": reading.bytes or 0, **tally.record()}

    async def load(client: Client) -> loader.Tally:
        await _index(client, settings, create=create)
        async with load_progress.published(client, settings.alias, now):
            return await loader.load_writes(
                client,
                settings.alias,
                writes,
                reject=reject,
                settled=settled,
                lease=settings.write_lease,
                tally=tally,
            )

    return act(settings, load)


def _write_of(line: ndjson.Line) -> writer.Write | None:
    if line.conversation is not None:
        return writer.write_of(line.conversation)
    gone = line.deletion
    return None if gone is None else writer.deletion_of(gone.organization_uid, gone.uid, gone.deleted_on)


def _max_ahead(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.max_ahead)


async def _index(client: Client, settings: Settings, *, create: bool) -> None:
    """Sees to it that there is an index to write to. Makes one only if asked: the alias may have been mistyped."""
    if create:
        await first_index.ensure(client, settings.alias, mapping.load(), settings=chosen(settings))
    elif await aliases.current_index(client, settings.alias) is None:
        raise IndexUnusable(
            f"{settings.alias} does not exist in OpenSearch: check CONVERSATIONS_ALIAS, or create it with --create"
        )
    else:
        await aliases.check(client, settings.alias, mapping.load())


def _summary(
    tally: loader.Tally, rejected: Rejects, counts: dict[str, int] | None = None, *, output: str | None = None
) -> None:
    """What was put into a file is not called written: nothing was loaded."""
    done = tally.record() if output is None else {"in_output": tally.written}
    record = {**(counts or {}), **done, "rejected": rejected.count}
    _finish(record, rejected.path, to_error=output == STANDARD_STREAM)


def _finish(record: dict[str, int], rejects: Path, *, to_error: bool = False) -> None:
    """Prints the record, to standard error where standard output holds conversations."""
    show(record, to_error=to_error)
    if not record["rejected"] and is_rejects(rejects):
        progress.say(f"{rejects} is of an earlier run and stays: nothing was rejected in this one")
    if record["rejected"]:
        raise exit_codes.DoneInPart(
            f"{record['rejected']:,} rejected: see {rejects}; the numbers above tell of the others"
        )


COMMANDS = (load_command, import_mail_command, import_sms_command, export_command)
