"""Commands that turn messages into conversations: import-mail and import-sms."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Generic, TypeVar, cast
from uuid import UUID

import click

from service import progress
from service.cli.options import INPUT, Duration, Pair, Uuid, act, cluster_options, create_option, rejects_option
from service.cli.transfer import index, max_ahead, summary
from service.client import Client
from service.conversation import STATUSES, Conversation, Status
from service.errors import Misconfigured
from service.files import STANDARD_STREAM, replacing, require_distinct
from service.imports.importer import Importer
from service.index import loader
from service.message_texts import counted
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
    "--organization", type=Uuid(), required=True, help="The organization that the messages belong to."
)
_output = click.option(
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Write NDJSON there (- is standard output) and load nothing. FILE is replaced when the new one is whole.",
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
@click.option("--own-address", "own_addresses", multiple=True, help="An address of the organization's. Repeatable.")
@click.option("--own-domain", "own_domains", multiple=True, help="A mail domain of the organization's. Repeatable.")
@click.option("--label-status", "statuses", type=Pair(), multiple=True, help="LABEL=STATUS, such as Done=closed.")
@click.option("--label-category", "categories", type=Pair(), multiple=True, help="LABEL=CATEGORY. Repeatable.")
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
    output: str | None,
    rejects: Path,
    create: bool,
    restores: bool,
) -> None:
    """Turn mailboxes into conversations, one a thread, and load them.

    PATH is an mbox file (of any kind, Mailman's and Google Takeout's too), a Maildir, an .eml file, a folder of these,
    or a .gz, .zst, .zip or .tar of them. The parts of an archive may come in any order and any number of times: what is
    there already is united with what is new. Every message is accounted for in the summary, which adds up.
    """
    own = mail.Own(frozenset(map(str.lower, own_addresses)), frozenset(map(str.lower, own_domains)))
    for _label, status in statuses:
        if status not in STATUSES:
            raise Misconfigured(f"--label-status: {status} must be one of {', '.join(STATUSES)}")
    rules = mail.Rules({label: cast(Status, status) for label, status in statuses}, dict(categories))
    kind = mail.Mail(Hasher(organization), own, rules)

    def fill(spool: Spool[Mail], reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> None:
        spool.fill(
            *mail.read(paths, kind, reject=reject, counts=counts, advance=advance, max_ahead=max_ahead(settings))
        )

    source = _Source(paths, organization, kind, lambda: mail.spool(kind), fill)
    _import(settings, source, rejects, output, create=create, restores=restores)


@click.command("import-sms")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@_organization
@click.option(
    "--column", "columns", type=Pair(), multiple=True,
    help=f"NAME=COLUMN of a CSV file: {', '.join(COLUMNS)}; such as peer=phone. Repeatable.",
)  # fmt: skip
@click.option("--gap", type=Duration(), help="A silence of so long begins a new conversation, such as 30d.")
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
    gap: timedelta | None,
    output: str | None,
    rejects: Path,
    create: bool,
    restores: bool,
) -> None:
    """Turn SMS into conversations, one a peer number, and load them.

    FILE is CSV with a line of column names (peer, date and text must be there; direction, read and name may), or the
    XML of Android's "SMS Backup & Restore"; or a .gz, .zst, .zip or .tar of these. An SMS has no subject: the first
    message's text stands for it, so that it can be searched.
    """
    for name, _column in columns:
        if name not in COLUMNS:
            raise Misconfigured(f"--column: {name} must be one of {', '.join(COLUMNS)}")

    kind = sms.Texts(Hasher(organization), sms.SmsRule(gap))

    def fill(spool: Spool[Sms], reject: mail.Reject, counts: mail.Counts, advance: progress.Advance) -> None:
        spool.fill(
            *sms.read(
                paths, kind, reject=reject, columns=dict(columns), counts=counts, advance=advance,
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
            tally = _write(
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
        await index(client, settings, create=create)
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

        async with load_progress.published(client, settings.alias, now):
            await asyncio.to_thread(self.fill)
            await importer.run(self.spool.conversations)
        counts.in_conversations, counts.there = outcome.in_conversations, outcome.there
        counts.deleted, counts.shortened = outcome.deleted, outcome.shortened
        return outcome.tally


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


COMMANDS: tuple[click.Command, ...] = (import_mail_command, import_sms_command)
