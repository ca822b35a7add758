"""Commands about the index: create, status, doctor, reindex, rollback, prune, verify, dashboards."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any

import click

from service.cli import exits, reach, status_view
from service.cli.asking_options import form_option
from service.cli.options import Duration, Url, act, cluster_options, cluster_url, local_options, show
from service.cli.views import Form
from service.client import Client
from service.errors import ConversationsError, Misconfigured, SourceUnreadable
from service.index import bulk, dashboards, doctor, lifecycle, mapping, reindex, status, verify
from service.index.bulk import Write
from service.index.job import Job
from service.run import with_token_secret
from service.settings import Settings
from service.sources import ndjson
from service.terminal import json_text, printable


@click.command("create")
@cluster_options
def create_command(settings: Settings) -> None:
    """Create the index and its alias, if they are not there."""
    name, made = act(settings, lambda client: lifecycle.ensure(client, settings.alias, mapping.load()))
    show({"index": name, "created": made})


@click.command("status")
@form_option("table", "json")
@click.option("--watch", is_flag=True, help="Print it again and again, until ctrl-C; as JSON, a line each time.")
@click.option(
    "--interval", type=click.FloatRange(min=0.5), default=2.0, show_default=True, help="With --watch: seconds between."
)
@cluster_options
def status_command(settings: Settings, form: Form | None, watch: bool, interval: float) -> None:
    """Print cluster, index, alias, counts and mapping. Exits 1 if the service could not serve this index.

    On a terminal it is a table, elsewhere JSON.
    """

    def look() -> status.Status:
        return act(settings, lambda client: status.status(client, settings.alias, mapping.load()))

    if watch:
        status_view.watch(look, form, interval)
    found = look()
    status_view.show(found, form)
    if found.problem is not None:
        raise ConversationsError(found.problem)


@click.command("reindex")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path(exists=True, dir_okay=False))
@click.option("--and-index", is_flag=True, help="With files: then also what the running index holds, where newer.")
@click.option("--throttle", type=click.FloatRange(min=1), help="At most so many documents a second.")
@click.option("--resume", "way", flag_value="resume", help="Go on with a reindex that was interrupted.")
@click.option("--abandon", "way", flag_value="abandon", help="Undo a reindex that was interrupted.")
@cluster_options
def reindex_command(
    settings: Settings, files: tuple[str, ...], and_index: bool, throttle: float | None, way: str | None
) -> None:
    """Make a new index under the running service: from the running index, or from NDJSON files.

    Steps: create, write to both, backfill, verify (by hashes of uid and version), swap. Readers notice nothing, and
    writers find out by themselves. It may be killed anywhere; then --resume or --abandon. The old index goes on being
    written, for 'conversations rollback', until 'conversations prune'.
    """
    if and_index and not files:
        raise Misconfigured("--and-index goes with files; without files, the running index is the source anyway")
    if way is not None and files:
        raise Misconfigured(f"--{way} takes no files: it knows them")
    actions: dict[str | None, Callable[[Job], Awaitable[str]]] = {
        None: lambda job: reindex.begin(job, files=files, from_index=not files or and_index),
        "resume": reindex.resume,
        "abandon": reindex.abandon,
    }
    with exits.hint(lambda: _GO_ON):
        name = _with_job(settings, actions[way], throttle=throttle)
    show({"removed": name} if way == "abandon" else {"index": name})


_GO_ON = "If a reindex was interrupted: 'conversations reindex --resume' goes on with it, --abandon undoes it."


@click.command("rollback")
@cluster_options
def rollback_command(settings: Settings) -> None:
    """Return to the index that was read before the last reindex, with all that was written since."""
    show({"index": _with_job(settings, reindex.rollback)})


@click.command("prune")
@click.option("--keep", type=click.IntRange(min=0), default=1, show_default=True, help="So many previous indices stay.")
@click.option("--tombstones", type=Duration(), help="Also remove what is left of deletions so long ago, such as 90d.")
@cluster_options
def prune_command(settings: Settings, keep: int, tombstones: timedelta | None) -> None:
    """Remove indices that are not read any more, but for the newest; never one in use."""
    show({"removed": _with_job(settings, lambda job: reindex.prune(job, keep=keep, tombstones=tombstones))})


@click.command("verify")
@click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path(exists=True, dir_okay=False))
@click.option("--against", metavar="INDEX", help="Compare INDEX with the index that is read.")
@click.option("--repair", is_flag=True, help="Mend what differs.")
@cluster_options
def verify_command(settings: Settings, files: tuple[str, ...], against: str | None, repair: bool) -> None:
    """Tell what is missing, stale or too much, by hashes of uid and version over ranges. Exits 1 if anything is.

    With files, these are right, in the organizations that they name, and the index is looked at (and mended): what is
    missing or stale is written, what is too much and not newer than the files is deleted. With --against, the index
    that is read is right, and INDEX is looked at.
    """
    if bool(files) == (against is not None):
        raise Misconfigured("name files to compare the index with, or an index in --against")

    async def compare(job: Job) -> verify.Finding:
        if against is not None:
            return await verify.index(job, against, repair=repair)
        return await verify.files(job, files, repair=repair)

    found = _with_job(settings, compare)
    show(found.record())
    if found.remaining:
        raise ConversationsError("differences remain" if repair else "differences were found: mend them with --repair")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a check, a line each.")
@cluster_options
def doctor_command(settings: Settings, as_json: bool) -> None:
    """Look a deployment over, and say what to do. Exits 0 if all is well, 1 if something failed, 3 on warnings only.

    It looks at the token settings, the cluster, its version and ICU plugin, the alias, the mapping's checksum,
    replicas, disk watermarks and clocks. It changes nothing.
    """
    verdicts: list[str] = []

    async def examine(client: Client) -> None:
        deployment = doctor.Deployment(settings, cluster_url(settings), client, mapping.load())
        unreachable = await reach.problem_at(settings, cluster_url(settings))
        async for check in doctor.examine(deployment, unreachable=unreachable):
            verdicts.append(check.verdict)
            print(json_text(check.record(), sys.stdout, indent=None) if as_json else _line(check), flush=True)

    if settings.token_secret is None and settings.opensearch_url is None:
        settings = with_token_secret(settings)
    act(settings, examine, must_answer=False)
    if "failed" in verdicts:
        raise ConversationsError(f"{verdicts.count('failed')} of {len(verdicts)} checks failed")
    if "warning" in verdicts:
        raise exits.DoneInPart(f"{verdicts.count('warning')} of {len(verdicts)} checks have warnings")


def _line(check: doctor.Check) -> str:
    advice = f"\n{'':18}-> {check.advice}" if check.advice else ""
    return f"{check.verdict:8}{check.name + ':':<16}{printable(check.found)}{advice}"


@click.command("dashboards")
@click.option(
    "--url", type=Url(), required=True, help="Where OpenSearch Dashboards answers, such as http://127.0.0.1:5601."
)
@click.option(
    "--wait", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait until it is ready."
)
@local_options
def dashboards_command(settings: Settings, url: str, wait: float) -> None:
    """Import the ready-made views into OpenSearch Dashboards; to do so again is safe.

    OPENSEARCH_USER and OPENSEARCH_PASSWORD are the user of Dashboards too, where it asks for one.
    """
    show(asyncio.run(dashboards.send(settings, url, wait=wait)).record())


def _with_job(settings: Settings, action: Callable[[Job], Awaitable[Any]], *, throttle: float | None = None) -> Any:
    def run(client: Client) -> Awaitable[Any]:
        return action(
            Job(
                client,
                settings.alias,
                mapping.load(),
                lease=settings.write_lease,
                throttle=throttle,
                read_files=_read_files,
            )
        )

    return act(settings, run)


def _read_files(files: tuple[str, ...]) -> Iterator[Write]:
    """The writes that the files hold. A line that holds none ends it: a file that is held to be right must be."""
    for file in files:
        for line in ndjson.read(file):
            if line.conversation is None:
                raise SourceUnreadable(f"{file}, line {line.number}: {line.reason}")
            yield bulk.write_of(line.conversation)


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
