"""Commands on single conversations, through a running service or the cluster: search, get, count, delete."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from uuid import UUID

import click

from service import progress
from service.cli import output
from service.cli.answers import Count, Facet, Item, Page
from service.cli.backends import Source, source
from service.cli.exit_codes import DoneInPart, hint
from service.cli.options import Uuid
from service.cli.output import Form
from service.cli.query_options import (
    complete_query,
    complete_sort,
    filter_options,
    form_option,
    query_of,
    refuse_options,
    service_options,
)
from service.errors import ConversationsError, Misconfigured, NotFound
from service.message_texts import counted
from service.query.conversation_query import DEFAULT_PER_PAGE, MAX_PER_PAGE
from service.query.search_fields import SEARCH_FIELDS
from service.settings import Settings
from service.terminal import confirmed, is_terminal, printable

MOST_DELETED = 1000
MOST_CHARACTERS = 2**16  # of one line of standard input


@click.command("search")
@click.argument("words", nargs=-1, metavar="[QUERY]...", shell_complete=complete_query)
@filter_options
@click.option("--sort", metavar="FIELDS", shell_complete=complete_sort, help="Such as -updated_on, or status,subject.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_PER_PAGE), default=DEFAULT_PER_PAGE, show_default=True,
    help="Conversations on a page.",
)  # fmt: skip
@click.option("--page", type=click.IntRange(min=1), help="The page to show. [default: 1]")
@form_option("table", "json", "name")
@service_options
def search_command(
    settings: Settings, prefers_cluster: bool, words: tuple[str, ...], form: Form | None, strict: bool,
    where: tuple[str, ...], filters: dict[str, str], sort: str | None, limit: int, page: int | None,
) -> None:  # fmt: skip
    """Find conversations by QUERY, in the language of the search box: words, "phrases", -without, field:value, OR.

    It prints a table on a terminal, and the data of the API's answer as JSON elsewhere. -o name prints one uid on each
    line. --where takes every parameter of the API. Options come before --, and a QUERY that begins with - comes after
    it. 'conversations export' writes all conversations that match.
    """
    refuse_options(words)
    query_string = query_of(settings, words, where, filters, sort=sort, page=page, per_page=limit)
    data = source(settings, prefers_cluster=prefers_cluster).page(query_string, strict=strict)
    _warn(data)
    chosen = output.form_of(form)
    if chosen == "json":
        output.print_json(data)
    elif chosen == "name":
        output.print_names(str(item["uid"]) for item in data["items"])
        _say_if_cut(data)
    else:
        _show_page(data)


@click.command("count")
@click.argument("words", nargs=-1, metavar="[QUERY]...", shell_complete=complete_query)
@filter_options
@form_option("table", "json", default="table")
@service_options
def count_command(
    settings: Settings, prefers_cluster: bool, words: tuple[str, ...], form: Form | None, strict: bool,
    where: tuple[str, ...], filters: dict[str, str],
) -> None:  # fmt: skip
    """Count the conversations that match QUERY, exactly.

    It prints the number, also into a pipe; -o json prints the whole answer. With --where facets=status,channel it also
    counts by the values of these fields.
    """
    refuse_options(words)
    query_string = query_of(settings, words, where, filters)
    data = source(settings, prefers_cluster=prefers_cluster).count(query_string, strict=strict)
    _warn(data)
    if form == "json":
        output.print_json(data)
        return
    print(data["total"])
    for field, facet in (data.get("facets") or {}).items():
        output.print_table((printable(field).upper(), "COUNT"), _facet_rows(facet), right=("COUNT",))


@click.command("get")
@click.argument("uid", type=Uuid())
@form_option("table", "json", "name")
@service_options
def get_command(settings: Settings, prefers_cluster: bool, uid: UUID, form: Form | None) -> None:
    """Print the current state of one conversation.

    On a terminal, each field is on a line of its own. Elsewhere, the output is JSON.
    """
    item = source(settings, prefers_cluster=prefers_cluster).one(uid, settings.organization)
    chosen = output.form_of(form)
    if chosen == "json":
        output.print_json(item)
    elif chosen == "name":
        output.print_names([str(item["uid"])])
    else:
        output.print_rich(output.record_of(item))


@click.command("delete")
@click.argument("uids", nargs=-1, required=True, metavar="UID...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@form_option("table", "json", "name")
@service_options
def delete_command(
    settings: Settings, prefers_cluster: bool, uids: tuple[str, ...], yes: bool, dry_run: bool, form: Form | None
) -> None:
    """Delete conversations; - reads their uids from standard input, one on each line.

    If one of the conversations is missing, nothing is deleted. The command lists what it will delete, and asks for
    confirmation on a terminal; without a terminal it needs --yes. An older copy that is loaded later does not bring a
    deleted conversation back.
    """
    wanted = _uids(uids)
    if not wanted:
        progress.say("There were no uids: nothing was deleted.")
        _show_outcomes([], form)
        return
    if not (yes or dry_run or is_terminal(sys.stdin)):
        raise Misconfigured(
            "deleting needs --yes when standard input is not a terminal; --dry-run shows what would be deleted"
        )
    found = source(settings, prefers_cluster=prefers_cluster)
    items = [_looked_at(found, uid, settings.organization) for uid in wanted]
    for item in items:
        progress.say(f"{'would delete' if dry_run else 'to delete'}: {_line(item)}")
    if dry_run:
        _show_outcomes([(str(item["uid"]), "would be deleted") for item in items], form)
        return
    if not (yes or _is_confirmed(f"Delete {counted(len(items), 'conversation')} at {printable(found.name)}?")):
        raise ConversationsError(_NOTHING)
    outcomes = [(str(uid), _deleted(found, uid, settings.organization)) for uid in wanted]
    _show_outcomes(outcomes, form)
    left = [uid for uid, outcome in outcomes if outcome != "deleted"]
    if left:
        whole = counted(len(outcomes), "conversation")
        raise DoneInPart(f"not deleted: {len(left):,} of {whole} ({', '.join(left[:5])})")


_NOTHING = "nothing was deleted"


def _is_confirmed(question: str) -> bool:
    with hint(lambda: f"{_NOTHING.capitalize()}."):
        return confirmed(question)


def _uids(texts: tuple[str, ...]) -> list[UUID]:
    """The uids, each once, in their order. Raises UsageError for other texts, and Misconfigured for too many."""
    uids: dict[UUID, None] = {}
    for name in _names(texts):
        uids[_uid(name)] = None
        if len(uids) > MOST_DELETED:
            raise Misconfigured(f"more than {MOST_DELETED:,} uids: delete at most {MOST_DELETED:,} at once")
    return list(uids)


def _names(texts: tuple[str, ...]) -> Iterator[str]:
    """The texts, with the lines of standard input for `-`. They are read one by one, as the input may have no end."""
    for text in texts:
        if text != "-":
            yield text
            continue
        while line := sys.stdin.readline(MOST_CHARACTERS):
            yield from line.split()


def _uid(name: str) -> UUID:
    try:
        return Uuid().convert(name, None, None)
    except click.BadParameter as error:
        error.param_hint = "UID"
        raise


def _looked_at(found: Source, uid: UUID, organization: UUID | None) -> Item:
    try:
        return found.one(uid, organization)
    except NotFound as error:
        raise NotFound(f"{uid}: {error}; nothing was deleted") from None


def _deleted(found: Source, uid: UUID, organization: UUID | None) -> str:
    try:
        return "deleted" if found.delete(uid, organization) == "written" else "unchanged"
    except NotFound:
        return "was gone already"


def _show_outcomes(outcomes: list[tuple[str, str]], form: Form | None) -> None:
    chosen = output.form_of(form)
    if chosen == "json":
        output.print_json({"items": [{"uid": uid, "outcome": outcome} for uid, outcome in outcomes]})
    elif chosen == "name":
        output.print_names(uid for uid, _outcome in outcomes)
    elif outcomes:
        output.print_table(("UID", "OUTCOME"), outcomes)


def _line(item: Item) -> str:
    parts = (item["uid"], str(item["updated_on"])[:16].replace("T", " "), item["status"], item["subject"])
    return "  ".join(str(part) for part in parts if part)


def _show_page(data: Page) -> None:
    items, pagination = data["items"], data["pagination"]
    total = pagination["total"]
    if not items:
        progress.say(_past(total) if total else "No conversation matches.")
        return
    output.print_conversations(items)
    sys.stdout.flush()  # if the pipe is closed, the command ends here, without further notes
    if "page" not in pagination:
        progress.say(f"{len(items)} of {counted(total, 'conversation')}")
        return
    page, pages = pagination["page"], pagination["total_pages"]
    first = (page - 1) * pagination["per_page"] + 1
    more = f"; --page {page + 1} has more" if page < pages else ""
    progress.say(f"{first:,} to {first + len(items) - 1:,} of {counted(total, 'conversation')}{more}")


def _past(total: int) -> str:
    return f"This page is past the end of {counted(total, 'conversation')}."


def _say_if_cut(data: Page) -> None:
    """Prints a note if the page does not hold all the uids."""
    shown, total = len(data["items"]), data["pagination"]["total"]
    if total and not shown:
        progress.say(_past(total))
    elif shown < total:
        others = f"--limit (up to {MAX_PER_PAGE}) and --page give the others"
        progress.say(f"{shown:,} of {counted(total, 'conversation')}: {others}")


def _facet_rows(facet: Facet) -> list[tuple[str, str]]:
    """The values with their counts, then how many have no value, and how many have a value that is not listed."""
    rows = [(_word(one["value"]), f"{one['count']:,}") for one in facet["values"]]
    rest = {"(none)": facet["none"], "(other)": facet["other"]}
    return rows + [(name, f"{count:,}") for name, count in rest.items() if count]


def _word(value: str | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else value


def _warn(data: Page | Count) -> None:
    for warning in data.get("warnings") or ():
        progress.say(f"QUERY, at {warning['position']}: {warning['message']}")
    if data.get("matched") == "any":
        progress.say("No conversation has all of the words: these have any of them")


def _explain_query(command: click.Command) -> None:
    """Adds the fields of the search box to the help."""
    names = ", ".join(field.name for field in SEARCH_FIELDS)
    fields = f"The fields of QUERY: {names}. docs/search.md explains them, under 'The search box'."
    command.help = f"{inspect.cleandoc(command.help or '')}\n\n{fields}"


for _command in (search_command, count_command):
    _explain_query(_command)
COMMANDS: tuple[click.Command, ...] = (search_command, get_command, count_command, delete_command)
