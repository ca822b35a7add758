"""Commands about the index: create, status, doctor, reindex, rollback, prune, verify, dashboards."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import click

from service import progress, urls, variables
from service.cli import connectivity, dry_run, exit_codes, global_options, status_view
from service.cli.options import (
    INPUT,
    Duration,
    Url,
    act,
    cluster_options,
    cluster_url,
    index_options,
    local_options,
    rejects_option,
    show,
    typed_index_options,
)
from service.cli.output import Form
from service.cli.query_options import form_option
from service.client import Client
from service.errors import ConversationsError, Misconfigured, SourceUnreadable
from service.files import require_distinct
from service.index import mapping, writer
from service.index.index_settings import chosen
from service.index.writer import Write
from service.message_texts import counted
from service.operations import dashboards, doctor, status
from service.operations.doctor_check import Check, Deployment
from service.reindex import commands, drift, first_index, plan, pruning
from service.reindex.context import Ended, Invalid, Job
from service.rejects import Rejects, is_rejects
from service.settings import Settings
from service.sources import ndjson
from service.terminal import json_text, printable


@click.command("create")
@index_options
def create_command(settings: Settings) -> None:
    """Create the index and its alias, if they do not exist.

    Without options and variables, the index has one shard, a refresh interval of 1s, and one replica if several nodes
    of the cluster hold data, else none. With --routing-partition 3, the conversations of each organization are spread
    over three shards, for organizations that are too large for one. An index that exists already is not changed;
    'conversations reindex' makes one with other settings.
    """

    def create(client: Client) -> Awaitable[tuple[str, bool]]:
        return first_index.ensure(client, settings.alias, mapping.load(), settings=chosen(settings))

    name, made = act(settings, create)
    show({"index": name, "created": made})
    if not made and (typed := typed_index_options()):
        given = " and ".join(typed)
        progress.say(
            f"{name} exists already, so {given} changed nothing; 'conversations reindex' takes the same options"
        )


@click.command("status")
@form_option("table", "json")
@click.option("--watch", is_flag=True, help="Repeat it until ctrl-C; as JSON, one line each time.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.5),
    default=2.0,
    show_default=True,
    help="Seconds between two outputs of --watch.",
)
@cluster_options
def status_command(settings: Settings, form: Form | None, watch: bool, interval: float) -> None:
    """Print the cluster, the indices, their counts, and unfinished loads and reindexes.

    It prints a table on a terminal, and JSON elsewhere. The exit code is 1 if the service could not serve this index.
    """
    if global_options.is_typed("interval") and not watch:
        raise Misconfigured("--interval is for --watch: add --watch, or leave --interval out")

    def look() -> status.Status:
        return act(settings, lambda client: status.status(client, settings.alias, mapping.load(), is_watched=not watch))

    if watch:
        status_view.watch(look, form, interval)
    found = look()
    status_view.show(found, form)
    if found.problem is not None:
        raise ConversationsError(found.problem)


@click.command("reindex")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=INPUT)
@click.option("--files-only", is_flag=True, help="Ignore the running index, with its deletions and newer writes.")
@click.option(
    "--and-index", is_flag=True, hidden=True, help="The default: the files, and newer documents of the running index."
)
@click.option("--throttle", type=click.FloatRange(min=0.1), help="Copy at most this many documents a second.")
@click.option("--resume", "way", flag_value="resume", help="Continue an interrupted reindex, rollback or prune.")
@click.option(
    "--abandon",
    "way",
    flag_value="abandon",
    help="Give up an interrupted reindex, rollback or prune. An unfinished new index is removed; "
    "finished steps are not undone.",
)
@click.option("--skip-invalid", is_flag=True, help="Leave out documents that the new index cannot take.")
@dry_run.option("Print the indices, documents, size and lease of a new reindex. Nothing is written.")
@rejects_option
@index_options
def reindex_command(
    settings: Settings,
    files: tuple[str, ...],
    files_only: bool,
    and_index: bool,
    throttle: float | None,
    way: str | None,
    skip_invalid: bool,
    is_dry_run: bool,
    rejects: Path,
) -> None:
    """Make a new index while the service runs, from the running index and from NDJSON files, if any are given.

    The steps are: create, write to both, backfill, verify (by hashes of uid and version), swap. Readers notice nothing,
    and writers find the new index by themselves. On a busy cluster, they may be slow or get 503 meanwhile: --throttle
    leaves room for them. A reindex may be killed at any moment; --resume continues it with its options, and --abandon
    gives it up. The new index has the shards, replicas and other such settings of the running one, unless an option or
    a variable sets others. Writes also go to the old index, for 'conversations rollback', until 'conversations prune'
    removes it.

    With files, the newest copy of each conversation wins, whether it is in the files or in the running index, and
    deletions stay. With --files-only, the new index holds only what the files hold. The command first prints what that
    leaves out.

    Documents that the new index cannot take go to the rejects file, and the reindex stops before the swap.
    """
    if (files_only or and_index) and not files:
        option = "--files-only" if files_only else "--and-index"
        raise Misconfigured(f"{option} needs files: without files, the running index is the only source")
    if files_only and and_index:
        raise Misconfigured("--files-only and --and-index contradict each other: give one of them")
    if way is not None and files:
        raise Misconfigured(f"--{way} takes no files: the interrupted reindex remembers its files")
    if way is not None and (typed := typed_index_options()):
        raise Misconfigured(f"--{way} uses the settings of the interrupted reindex: leave out {' and '.join(typed)}")
    if is_dry_run and way is not None:
        raise Misconfigured(f"--dry-run prints what a new reindex would do: leave out --{way}")
    require_distinct(files, {"--rejects": [rejects]})
    if is_dry_run:
        show(_with_job(settings, lambda job: plan.plan(job, files=files, from_index=not files_only)))
        return
    actions: dict[str | None, Callable[[Job], Awaitable[dict[str, object]]]] = {
        None: lambda job: commands.begin(job, files=files, from_index=not files_only),
        "resume": commands.resume,
        "abandon": commands.abandon,
    }
    with Rejects(rejects) as rejected:
        invalid = Invalid(lambda document, why, text: rejected.add(document, 0, why, text))
        record = _with_job(settings, actions[way], throttle=throttle, invalid=invalid, skip_invalid=skip_invalid)
    show(record)
    if not rejected.count and is_rejects(rejects):
        progress.say(f"nothing was rejected; {rejects} is from an earlier run")
    if isinstance(skipped := record.get("skipped"), int) and skipped:
        left_out = counted(skipped, "document")
        progress.say(f"{left_out} left out; the previous index still has them: see {rejects}")


@click.command("rollback")
@click.option("--again", is_flag=True, help="Go forward to the newer index, after a rollback.")
@cluster_options
def rollback_command(settings: Settings, again: bool) -> None:
    """Return to the index that was read before the last reindex. It has received every write since.

    The command first prints from which index to which it goes. A second rollback would go forward to the newer index;
    it is refused without --again.
    """
    show(_with_job(settings, lambda job: commands.rollback(job, again=again)))


@click.command("prune")
@click.option("--keep", type=click.IntRange(min=0), default=0, show_default=True, help="Keep this many of the newest.")
@click.option("--tombstones", type=Duration(), help="Also remove the traces of deletions older than this, such as 90d.")
@click.option("--dry-run", is_flag=True, help="Print which indices would be removed, and remove nothing.")
@cluster_options
def prune_command(settings: Settings, keep: int, tombstones: timedelta | None, dry_run: bool) -> None:
    """Remove this service's indices that are not read any more, except the newest --keep of them.

    The command first prints which indices these are, and how much they hold. 'conversations rollback' cannot return to
    a removed index. Indices of another alias, or that this service did not make, are never touched.
    """
    if dry_run and tombstones is not None:
        raise Misconfigured("--dry-run does not count tombstones: leave out --tombstones")

    async def prune(job: Job) -> dict[str, object]:
        return await pruning.prune(job, keep=keep, tombstones=tombstones, dry_run=dry_run)

    show(_with_job(settings, prune))


@click.command("verify")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=INPUT)
@click.option("--against", metavar="INDEX", help="Compare INDEX with the index that is read.")
@click.option("--repair", is_flag=True, help="Write what is missing or stale.")
@click.option("--delete-extra", is_flag=True, help="With --repair: also delete extra conversations.")
@click.option("--whole", is_flag=True, help="With --delete-extra: the files are complete.")
@cluster_options
def verify_command(
    settings: Settings, files: tuple[str, ...], against: str | None, repair: bool, delete_extra: bool, whole: bool
) -> None:
    """Compare an index with files or with another index, by hashes of uid and version.

    It prints how many conversations are missing, stale or extra. The exit code is 1 if there are any. With files, it
    checks the index that is read against the files, for the organizations in the files. With --against, it checks INDEX
    against the index that is read.

    --repair writes missing and stale conversations, and deletes nothing. --delete-extra also deletes extra ones: with
    files, these are conversations that the files do not have, and that are not newer than the newest one of their
    organization in the files. The files must be exports without filters, as their last lines say; for other files,
    --whole states that they are complete.
    """
    if bool(files) == (against is not None):
        raise Misconfigured("give either files to compare the index with, or an index with --against")
    if delete_extra and not repair:
        raise Misconfigured("--delete-extra needs --repair")
    if whole and not (delete_extra and files):
        raise Misconfigured("--whole needs --delete-extra and files")

    async def compare(job: Job) -> drift.Finding:
        if against is not None:
            return await drift.compare_index(job, against, repair=repair, delete_extra=delete_extra)
        return await drift.files(job, files, repair=repair, delete_extra=delete_extra, whole=whole)

    found = _with_job(settings, compare)
    show(found.record())
    if not found.is_consistent:
        raise ConversationsError(_what_remains(found, repair=repair, delete_extra=delete_extra))


def _what_remains(found: drift.Finding, *, repair: bool, delete_extra: bool) -> str:
    left = found.remaining
    if left.extra and not delete_extra and not (left.missing or left.stale):
        return f"there are extra documents ({len(left.extra):,}): --repair --delete-extra deletes them"
    if not repair:
        return "differences were found: --repair writes what is missing or stale"
    return "differences remain"


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each check, on a line.")
@cluster_options
def doctor_command(settings: Settings, as_json: bool) -> None:
    """Check a deployment, and say what to do about each problem.

    It checks the token settings, the audit file, the cluster, each of its nodes, the version and the ICU plugin, the
    alias, whether writes are accepted, the mapping's checksum, the version of derived fields, replicas, disk watermarks
    and clocks. It changes nothing. The exit code is 0 if all is well, 1 if a check failed, and 3 if there are only
    warnings.
    """
    verdicts: list[str] = []

    async def examine(client: Client) -> None:
        deployment = Deployment(settings, cluster_url(settings), client, mapping.load())
        problems, shared = await asyncio.gather(
            connectivity.problems_at(settings, deployment.url), connectivity.shared_nodes(settings, deployment.url)
        )
        is_reachable = len(problems) < len(urls.nodes(deployment.url))
        unreachable = None if is_reachable else "; ".join(problems)
        deployment = dataclasses.replace(deployment, problems=tuple(problems), shared=tuple(shared))
        async for check in doctor.examine(deployment, unreachable=unreachable):
            verdicts.append(check.verdict)
            print(json_text(check.record(), sys.stdout, indent=None) if as_json else _line(check), flush=True)

    if settings.token_secret is None and settings.opensearch_url is None:
        from service.run import with_token_secret

        settings = with_token_secret(settings)
    variables.warn()
    act(settings, examine, must_answer=False)
    if "failed" in verdicts:
        raise ConversationsError(f"{verdicts.count('failed')} of {counted(len(verdicts), 'check')} failed")
    if "warning" in verdicts:
        raise exit_codes.DoneInPart(
            f"{verdicts.count('warning')} of {counted(len(verdicts), 'check')} ended with a warning"
        )


def _line(check: Check) -> str:
    advice = f"\n{'':18}-> {check.advice}" if check.advice else ""
    return f"{check.verdict:8}{check.name + ':':<16}{printable(check.found)}{advice}"


@click.command("dashboards")
@click.option(
    "--url", type=Url(), required=True, help="Where OpenSearch Dashboards answers, such as http://127.0.0.1:5601."
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds to wait until Dashboards is ready.",
)
@local_options
def dashboards_command(settings: Settings, url: str, wait: float) -> None:
    """Import the ready-made views into OpenSearch Dashboards. A second import is safe.

    For a first visit, it also sets the default index pattern, the time zone UTC, and a time range that begins with the
    oldest conversation, unless somebody has set them. If Dashboards needs a user, it is the one of OPENSEARCH_USER and
    OPENSEARCH_PASSWORD. A user who is refused is tried again for up to 60 s, because the security plugin refuses all
    users while it starts.
    """
    try:
        since = act(settings, lambda client: dashboards.oldest(client, settings.alias))
    except (ConversationsError, OSError):
        since = None  # the views can be imported before an index or a cluster exists
    show(asyncio.run(dashboards.send(settings, url, wait=wait, since=since)).record())


Result = TypeVar("Result")


def _with_job(
    settings: Settings,
    action: Callable[[Job], Awaitable[Result]],
    *,
    throttle: float | None = None,
    invalid: Invalid | None = None,
    skip_invalid: bool = False,
) -> Result:
    def run(client: Client) -> Awaitable[Result]:
        lease = settings.write_lease
        max_ahead = timedelta(seconds=settings.max_ahead)

        def read_files(files: tuple[str, ...], *, ended: Ended = lambda _organization, _where: None) -> Iterator[Write]:
            return _read_files(files, max_ahead=max_ahead, ended=ended)

        job = Job(
            client,
            settings.alias,
            mapping.load(),
            lease=lease,
            read_files=read_files,
            index_settings=chosen(settings),
            throttle=throttle,
            invalid=invalid or Invalid(),
            skip_invalid=skip_invalid,
        )
        return action(job)

    return act(settings, run)


def _read_files(files: tuple[str, ...], *, max_ahead: timedelta, ended: Ended) -> Iterator[Write]:
    """The writes in the files. Raises SourceUnreadable for a line that is not a valid conversation."""
    for file in files:
        for line in ndjson.read(file, max_ahead=max_ahead, ended=lambda end: ended(end.organization_uid, end.where)):
            if line.conversation is None:
                raise SourceUnreadable(f"{file}, line {line.number}: {line.reason}")
            yield writer.write_of(line.conversation)
        ended(None, None)


COMMANDS = (
    create_command,
    status_command,
    doctor_command,
    reindex_command,
    rollback_command,
    prune_command,
    verify_command,
    dashboards_command,
)
