"""Commands that move conversations in and out: load, import-mail, import-sms, export."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar, cast
from uuid import UUID

import click

from service import progress
from service.cli import dry_run, exit_codes
from service.cli.checkpoint import Checkpoint
from service.cli.export_file import export_file, write_ndjson
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
from service.files import STANDARD_STREAM, require_distinct
from service.index import aliases, loader, mapping, writer
from service.index.index_settings import chosen
from service.message_texts import counted, nearest
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
    help="The file that records the progress of the load. It is removed at the end.",
)
@click.option("--resume", is_flag=True, help="Continue an interrupted load of the same files.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="How many files are loaded at the same time.",
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
    """How to continue an interrupted load."""
    if can_resume and ndjson.STANDARD_INPUT not in files:
        return "What was loaded stays. To continue, run the same command with --resume."
    return "What was loaded stays. To continue, run the same command: nothing is loaded twice."


_organization = click.option(
    "--organization", type=Uuid(), required=True, help="The organization to which the messages belong."
)
_output = click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write NDJSON to FILE (- is standard output), and load nothing. FILE is replaced when it is complete.",
)


@click.command("import-mail")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@_organization
@click.option(
    "--own-address", "own_addresses", multiple=True, help="An e-mail address of the organization. Repeatable."
)
@click.option("--own-domain", "own_domains", multiple=True, help="An e-mail domain of the organization. Repeatable.")
@click.option("--label-status", "statuses", type=Pair(), multiple=True, help="LABEL=STATUS, such as Done=closed.")
@click.option("--label-category", "categories", type=Pair(), multiple=True, help="LABEL=CATEGORY. Repeatable.")
@click.option("--include-trash", "asked_for", flag_value="trash", multiple=True, help="Import deleted messages, too.")
@click.option("--include-junk", "asked_for", flag_value="junk", multiple=True, help="Import junk (spam), too.")
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
    asked_for: tuple[str, ...],
    output: str | None,
    rejects: Path,
    create: bool,
) -> None:
    """Turn mailboxes into conversations, one for each thread, and load them.

    PATH is an mbox file (also from Mailman or Google Takeout), a Maildir, an .eml file, a folder of these, or a .gz,
    .zst, .zip or .tar of them. Name all parts of an archive in one call, so that no thread is split between them.

    \b
    The summary counts messages, then conversations:
      messages = in_conversations + duplicates + rejected_messages
      rejected = lines in the rejects file: the rejected_messages, and
                 the conversations that OpenSearch did not take
    """
    own = mail.Own(frozenset(map(str.lower, own_addresses)), frozenset(map(str.lower, own_domains)))
    for _label, status in statuses:
        if status not in STATUSES:
            raise Misconfigured(
                f"--label-status: {status} must be one of {', '.join(STATUSES)}{nearest(status, STATUSES)}"
            )
    rules = mail.Rules({label: cast(Status, status) for label, status in statuses}, dict(categories))

    def read(reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> Iterable[Conversation]:
        return mail.conversations(
            paths, organization, own,
            reject=reject, rules=rules, counts=counts, advance=advance, max_ahead=_max_ahead(settings),
            asked_for=asked_for,
        )  # fmt: skip

    _import(settings, paths, read, rejects, output, create=create)


@click.command("import-sms")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@_organization
@click.option(
    "--column", "columns", type=Pair(), multiple=True,
    help=f"NAME=COLUMN: the column of the CSV file that holds NAME, such as peer=phone. "
    f"The names are {', '.join(sms_files.COLUMNS)}. Repeatable.",
)  # fmt: skip
@click.option("--region", help="The country of numbers without a country code, such as DE: 0170… is then +49170….")
@click.option("--gap", type=Duration(), help="Begin a new conversation after a silence of this length, such as 30d.")
@_output
@rejects_option
@create_option
@cluster_options
def import_sms_command(
    settings: Settings,
    paths: tuple[str, ...],
    organization: UUID,
    columns: tuple[tuple[str, str], ...],
    region: str | None,
    gap: timedelta | None,
    output: str | None,
    rejects: Path,
    create: bool,
) -> None:
    """Turn SMS into conversations, one for each phone number, and load them.

    FILE is the XML of Android's "SMS Backup & Restore", a CSV file, or a .gz, .zst, .zip or .tar of these. An SMS has
    no subject, so the text of the first message becomes the subject, and search finds it.

    \b
    The first line of a CSV file names its columns. Peer, date and text are required:
      peer,date,text,direction,read,name
      +49 151 123,2024-07-01 12:00:00,See you at eight,inbound,true,Ada
    A date is such a time in UTC, an RFC 3339 time (2024-07-01T14:00:00+02:00),
    or the seconds or milliseconds since 1970. A direction is inbound or outbound.

    In the summary, rejected counts the lines of the rejects file; rejected_messages of them are messages.
    """
    for name, _column in columns:
        if name not in sms_files.COLUMNS:
            known = ", ".join(sms_files.COLUMNS)
            raise Misconfigured(f"--column: {name} must be one of {known}{nearest(name, sms_files.COLUMNS)}")

    def read(reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> Iterable[Conversation]:
        return sms.conversations(
            list(paths), organization,
            reject=reject, columns=dict(columns), gap=gap, counts=counts, advance=advance,
            max_ahead=_max_ahead(settings), region=region,
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
    if output is not None and create:
        raise Misconfigured("--output loads nothing, so it needs no index: leave out --create")
    own = {"--output": [Path(output)]} if output not in (None, STANDARD_STREAM) else {}
    require_distinct(paths, {"--rejects": [rejects], **own})
    counts = mail.Counts()
    reading = progress.Reading(sum(mailbox.size(path) for path in paths))
    with Rejects(rejects) as rejected, progress.track("Reading", reading.bytes, "byte") as advance:
        found = read(rejected.add, counts, reading.along(advance))
        if output is not None:
            tally = write_ndjson(found, output)
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
    if count:
        progress.say(f"{counted(count, 'conversation')} exported")
    else:
        progress.say(f"no conversation of {uid} matches: {'the output' if file == '-' else file} holds none")


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
    """Checks that there is an index to write to. Creates one only with `create`: the alias may have been mistyped."""
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
        raise exit_codes.DoneInPart(
            f"{record['rejected']:,} rejected: see {rejects}; the printed summary counts the others"
        )


COMMANDS = (load_command, import_mail_command, import_sms_command, export_command)
