"""Commands that move conversations in and out: load, import-mail, import-sms, export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, TypeVar, cast
from uuid import UUID

import click

from service import progress
from service.api.asked import parse_query
from service.api.parameters import EXPORT_PARAMETERS
from service.cli import dry_run, exits
from service.cli.checkpoint import Checkpoint
from service.cli.export_file import export_file
from service.cli.options import Duration, Pair, Uuid, act, cluster_options, rejects_option, show
from service.cli.parallel import load_files
from service.client import Client, SearchAnswer
from service.conversation import STATUSES, Conversation, Status
from service.errors import Misconfigured
from service.index import activity, bulk, lifecycle, mapping
from service.rejects import Rejects
from service.settings import Settings
from service.sources import mail, mailbox, ndjson, sms

Origin = TypeVar("Origin")


@click.command("load")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
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
@dry_run.option("Check every line, and write nothing: no conversations, no rejects file.")
@cluster_options
def load_command(
    settings: Settings,
    files: tuple[str, ...],
    rejects: Path,
    checkpoint: Path,
    resume: bool,
    parallel: int,
    is_dry_run: bool,
) -> None:
    """Load conversations from NDJSON files (plain, gzip or zstandard); - is standard input.

    Loading twice changes nothing, and an older copy never replaces a newer one: the version is updated_on.
    Rejected lines go to the rejects file; all others are loaded, and the exit code is then 3. A load that was killed
    may be done again, or go on with --resume.
    """
    if is_dry_run:
        dry_run.load(files)
        return
    sizes = [ndjson.size(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    if parallel > 1 and len(files) > 1:
        if ndjson.STANDARD_INPUT in files:
            raise Misconfigured("--parallel needs files: standard input can be read by one process only")
        with exits.hint(lambda: _go_on(files, True)), progress.track("Loading", total, "bytes") as advance:
            sums = load_files(
                settings, files,
                processes=parallel, rejects=rejects, checkpoint=checkpoint, resume=resume, advance=advance,
            )  # fmt: skip
        _finish(sums, rejects)
        return
    reading = progress.Reading(total)
    done = Checkpoint.resumed(checkpoint, files) if resume else Checkpoint(checkpoint, files)
    with (
        exits.hint(lambda: _go_on(files, checkpoint.exists())),
        Rejects(rejects, kept=done.covers if resume else None) as rejected,
        progress.track("Loading", total, "bytes") as advance,
    ):

        def conversations() -> Iterator[tuple[ndjson.Line, Conversation]]:
            for file in files:
                for line in ndjson.read(file, after=done.lines[file], advance=reading.along(advance)):
                    if line.conversation is None:
                        rejected.add(line.source, line.number, line.reason or "", line.text)
                    else:
                        yield line, line.conversation

        tally = _load(
            settings,
            conversations(),
            lambda line, reason: rejected.add(line.source, line.number, reason, line.text),
            reading,
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
    "--output", type=click.File("w"), help="Write NDJSON there (- is standard output) and load nothing."
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
@cluster_options
def import_mail_command(
    settings: Settings,
    paths: tuple[str, ...],
    organization: UUID,
    own_addresses: tuple[str, ...],
    own_domains: tuple[str, ...],
    statuses: tuple[tuple[str, str], ...],
    categories: tuple[tuple[str, str], ...],
    output: IO[str] | None,
    rejects: Path,
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
        return mail.conversations(paths, organization, own, reject=reject, rules=rules, counts=counts, advance=advance)

    _import(settings, paths, read, rejects, output)


@click.command("import-sms")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="FILE...")
@_organization
@click.option(
    "--column", "columns", type=Pair(), multiple=True,
    help=f"NAME=COLUMN of a CSV file: {', '.join(sms.COLUMNS)}; such as peer=phone. Repeatable.",
)  # fmt: skip
@click.option("--gap", type=Duration(), help="A silence of so long begins a new conversation, such as 30d.")
@_output
@rejects_option
@cluster_options
def import_sms_command(
    settings: Settings,
    paths: tuple[str, ...],
    organization: UUID,
    columns: tuple[tuple[str, str], ...],
    gap: timedelta | None,
    output: IO[str] | None,
    rejects: Path,
) -> None:
    """Turn SMS into conversations, one a peer number, and load them.

    FILE is CSV with a line of column names (peer, date and text must be there; direction, read and name may), or the
    XML of Android's "SMS Backup & Restore"; or a .gz, .zst, .zip or .tar of these. An SMS has no subject: the first
    message's text stands for it, so that it can be searched.
    """
    for name, _column in columns:
        if name not in sms.COLUMNS:
            raise Misconfigured(f"--column: {name} must be one of {', '.join(sms.COLUMNS)}")

    def read(reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> Iterable[Conversation]:
        return sms.conversations(
            list(paths), organization, reject=reject, columns=dict(columns), gap=gap, counts=counts, advance=advance
        )

    _import(settings, paths, read, rejects, output)


def _import(
    settings: Settings,
    paths: tuple[str, ...],
    read: Callable[[mail.Reject, mail.Counts, progress.Advance], Iterable[Conversation]],
    rejects: Path,
    output: IO[str] | None,
) -> None:
    counts = mail.Counts()
    reading = progress.Reading(sum(mailbox.size(path) for path in paths))
    with Rejects(rejects) as rejected, progress.track("Reading", reading.bytes, "bytes") as advance:
        found = read(rejected.add, counts, reading.along(advance))
        if output is not None:
            tally = bulk.Tally()
            for conversation in found:
                output.write(conversation.model_dump_json() + "\n")
                tally.count("written")
        else:
            tally = _load(
                settings,
                ((conversation, conversation) for conversation in found),
                lambda conversation, reason: rejected.add(str(conversation.uid), 0, reason, b""),
                reading,
            )
    _summary(tally, rejected, counts.record(), to_file=output is not None)


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
    count = act(settings, lambda client: export_file(client, settings, query, uid, file=file), answer=SearchAnswer)
    if count:
        progress.say(f"{count:,} conversations exported")
    else:
        progress.say(f"no conversation of {uid} matches: {'what was written' if file == '-' else file} holds none")


def _load(
    settings: Settings,
    conversations: Iterable[tuple[Origin, Conversation]],
    reject: Callable[[Origin, str], None],
    reading: progress.Reading,
    *,
    settled: Callable[[Origin], None] = lambda _origin: None,
) -> bulk.Tally:
    tally = bulk.Tally()

    def now() -> dict[str, int]:
        return {"bytes_done": reading.done, "bytes": reading.bytes or 0, **tally.record()}

    async def load(client: Client) -> bulk.Tally:
        await lifecycle.ensure(client, settings.alias, mapping.load())
        async with activity.told(client, settings.alias, now):
            return await bulk.load(
                client,
                settings.alias,
                conversations,
                reject=reject,
                settled=settled,
                lease=settings.write_lease,
                tally=tally,
            )

    return act(settings, load)


def _summary(
    tally: bulk.Tally, rejected: Rejects, counts: dict[str, int] | None = None, *, to_file: bool = False
) -> None:
    """What was put into a file is not called written: nothing was loaded."""
    done = {"in_output": tally.written} if to_file else tally.record()
    _finish({**(counts or {}), **done, "rejected": rejected.count}, rejected.path)


def _finish(record: dict[str, int], rejects: Path) -> None:
    show(record)
    if record["rejected"]:
        raise exits.DoneInPart(f"{record['rejected']:,} rejected: see {rejects}; the numbers above tell of the others")


COMMANDS = (load_command, import_mail_command, import_sms_command, export_command)
