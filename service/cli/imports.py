"""Commands that turn messages into conversations: import-mail and import-sms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Generic, TypeVar, cast
from uuid import UUID

import click

from service import progress
from service.cli.export_file import write_ndjson
from service.cli.options import (
    INPUT,
    Duration,
    Pair,
    Uuid,
    act,
    cluster_options,
    create_option,
    recorded,
    recorded_at_the_end,
    rejects_option,
)
from service.cli.transfer import max_ahead, require_index, summary
from service.client import Client
from service.conversation import STATUSES, Status
from service.errors import Misconfigured
from service.files import STANDARD_STREAM, require_distinct
from service.imports.importer import Importer
from service.index import loader
from service.message_texts import counted, nearest
from service.operations import load_progress
from service.rejects import Rejects
from service.settings import Settings
from service.sources import mail, mailbox, sms
from service.sources.facts import Hasher
from service.sources.message import Message as Mail
from service.sources.sms_files import COLUMNS, Sms
from service.sources.spool import Spool
from service.sources.unite import Kind

Message = TypeVar("Message")

_organization = click.option(
    "--organization", type=Uuid(), required=True, help="The organization to which the messages belong."
)
_output = click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write NDJSON to FILE (- is standard output), and load nothing. FILE is replaced when it is complete.",
)


_restore = click.option(
    "--restore",
    "restores",
    is_flag=True,
    help="Also import messages whose conversations were deleted; without it, they stay deleted.",
)


@click.command("import-mail")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@_organization
@click.option(
    "--own-address", "own_addresses", multiple=True, help="An e-mail address of the organization. Repeatable."
)
@click.option("--own-domain", "own_domains", multiple=True, help="An e-mail domain of the organization. Repeatable.")
@click.option(
    "--label-status",
    "statuses",
    type=Pair(),
    multiple=True,
    help="LABEL=STATUS: the status of conversations with this label, such as Done=closed. Repeatable.",
)
@click.option(
    "--label-category",
    "categories",
    type=Pair(),
    multiple=True,
    help="LABEL=CATEGORY: the category of conversations with this label, such as Work=Projects. Repeatable.",
)
@click.option("--include-trash", "asked_for", flag_value="trash", multiple=True, help="Import deleted messages, too.")
@click.option("--include-junk", "asked_for", flag_value="junk", multiple=True, help="Import junk (spam), too.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Number of processes that parse the messages. Without it, one process does everything.",
)
@_output
@_restore
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
    workers: int | None,
    output: str | None,
    rejects: Path,
    create: bool,
    restores: bool,
) -> None:
    """Turn mailboxes into conversations, one for each thread, and load them.

    PATH is an mbox file (also from Mailman or Google Takeout), a Maildir, an .eml file, a folder of these, or a .gz,
    .zst, .zip or .tar of them. Import the parts of an archive in any order and any number of times: new messages are
    united with those that are there.

    \b
    The summary counts messages, then conversations:
      messages = in_conversations + already_there + duplicates + left_out
                 + deleted + rejected_messages
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
    kind = mail.Mail(Hasher(organization), own, rules)

    def fill(spool: Spool[Mail], reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> None:
        spool.fill(
            *mail.read(
                paths, kind, reject=reject, counts=counts, advance=advance, max_ahead=max_ahead(settings),
                asked_for=asked_for, workers=workers,
            )
        )  # fmt: skip

    source = _Source(paths, organization, kind, lambda: mail.spool(kind), fill)
    _import(settings, source, rejects, output, create=create, restores=restores)


@click.command("import-sms")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@_organization
@click.option(
    "--column", "columns", type=Pair(), multiple=True,
    help=f"NAME=COLUMN: the column of the CSV file that holds NAME, such as peer=phone. "
    f"The names are {', '.join(COLUMNS)}. Repeatable.",
)  # fmt: skip
@click.option("--region", help="The country of numbers without a country code, such as DE: 0170… is then +49170….")
@click.option("--gap", type=Duration(), help="Begin a new conversation after a silence of this length, such as 30d.")
@_output
@_restore
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
    restores: bool,
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
        if name not in COLUMNS:
            raise Misconfigured(f"--column: {name} must be one of {', '.join(COLUMNS)}{nearest(name, COLUMNS)}")

    kind = sms.Texts(Hasher(organization), sms.SmsRule(gap))

    def fill(spool: Spool[Sms], reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> None:
        spool.fill(
            *sms.read(
                paths, kind, reject=reject, columns=dict(columns), region=region, counts=counts, advance=advance,
                max_ahead=max_ahead(settings),
            )
        )  # fmt: skip

    source = _Source(paths, organization, kind, lambda: sms.spool(kind), fill)
    _import(settings, source, rejects, output, create=create, restores=restores)


@dataclass(frozen=True, slots=True)
class _Source(Generic[Message]):
    """What an import reads. `fill` puts the messages into the spool."""

    paths: tuple[str, ...]
    organization: UUID
    kind: Kind[Message]
    spool: Callable[[], Spool[Message]]
    fill: Callable[[Spool[Message], mail.Reject, mail.Counts, progress.Advance], None]


def _import(
    settings: Settings, source: _Source[Message], rejects: Path, output: str | None, *, create: bool, restores: bool
) -> None:
    if output is not None and (create or restores):
        raise Misconfigured(f"--output loads nothing: leave out {'--create' if create else '--restore'}")
    own = {"--output": [Path(output)]} if output not in (None, STANDARD_STREAM) else {}
    require_distinct(source.paths, {"--rejects": [rejects], **own})
    counts = mail.Counts()
    reading = progress.Reading(sum(mailbox.size(path) for path in source.paths))
    with (
        source.spool() as spool,
        Rejects(rejects) as rejected,
        progress.track("Reading", reading.bytes, "byte") as advance,
    ):

        def fill() -> None:
            source.fill(spool, rejected.add, counts, reading.along(advance))

        if output is not None:
            fill()
            groups = spool.conversations()
            tally = write_ndjson(
                mail.made(source.kind, source.organization, groups, reject=rejected.add, counts=counts), output
            )
        else:
            importing = _Import(settings, source, spool, fill, rejected, counts, reading)
            tally = act(settings, lambda client: importing.run(client, create=create, restores=restores))
    if counts.shortened:
        progress.say(f"shortened to the limits of a document: {counted(counts.shortened, 'conversation')}")
    if counts.dates_ahead:
        progress.say(
            f"dated ahead of the clock: {counted(counts.dates_ahead, 'message')}, "
            "given the time of receipt or of this import"
        )
    if counts.same_ids:
        progress.say(
            f"not shown, because another message has the same Message-ID: {counted(counts.same_ids, 'message')}"
        )
    if counts.deleted:
        progress.say(
            f"not imported, because their conversations were deleted: {counted(counts.deleted, 'message')}; "
            "--restore brings them back"
        )
    summary(tally, rejected, counts.record(), output=output)


@dataclass(frozen=True, slots=True)
class _Import(Generic[Message]):
    """An import into the cluster: reads everything, then unites it with what is there."""

    settings: Settings
    source: _Source[Message]
    spool: Spool[Message]
    fill: Callable[[], None]
    rejected: Rejects
    counts: mail.Counts
    reading: progress.Reading

    async def run(self, client: Client, *, create: bool, restores: bool) -> loader.Tally:
        settings, counts = self.settings, self.counts
        await require_index(client, settings, create=create)
        importer = Importer(
            client,
            settings.alias,
            self.source.organization,
            self.source.kind,
            reject=lambda pieces, why: mail.reject_all(pieces, why, self.rejected.add, counts),
            restores=restores,
            lease_seconds=settings.write_lease,
        )
        outcome = importer.outcome

        def now() -> dict[str, int]:
            return {"bytes_done": self.reading.done, "bytes": self.reading.bytes or 0, **outcome.tally.record()}

        def written() -> str:
            return f"{counted(sum(outcome.tally.record().values()), 'conversation')} written or compared so far"

        def record(complete: bool) -> None:
            recorded(settings, "import", (self.source.organization,), **outcome.tally.record(), complete=complete)

        with recorded_at_the_end(record):
            async with load_progress.published(client, settings.alias, now):
                await asyncio.to_thread(self.fill)
                async with progress.waiting(written):
                    await importer.run(self.spool.conversations)
        counts.in_conversations, counts.there = outcome.in_conversations, outcome.there
        counts.left_out -= outcome.trashed  # they are counted in `there`
        counts.deleted, counts.shortened = outcome.deleted, outcome.shortened
        counts.same_ids = outcome.same_ids
        return outcome.tally


COMMANDS: tuple[click.Command, ...] = (import_mail_command, import_sms_command)
