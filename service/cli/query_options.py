"""Options of search, get, count and delete, the query string made of them, and the completion of their values."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, quote

import click
from click.shell_completion import CompletionItem

from service.cli import global_options
from service.cli.options import Command, Uuid, opensearch_options
from service.errors import Misconfigured
from service.query.conditions import DEFAULT_MATCH, LOOSE_MATCHES, MATCHES
from service.query.fields import FIELDS, SORT_FIELDS, shown_words, states_of
from service.query.parameters import COUNT_PARAMETERS, LIST_PARAMETERS
from service.query.search_fields import SEARCH_FIELDS
from service.settings import Settings, variable_of

FILTERS = ("status", "channel", "category", "direction", "agent_uid", "party_uid", "from_email", "label", "is_read")
_VALUES: dict[str, tuple[str, ...]] = {
    row.name: row.choices or ("true", "false") for row in FIELDS if row.kind in ("choice", "boolean")
}
_BOX_VALUES: dict[str, tuple[str, ...]] = {
    **{row.syntax.name: row.choices for row in FIELDS if row.syntax is not None},
    **{prefix: shown_words(words, prefix) for prefix, words in states_of(FIELDS).items()},
}


def form_option(*forms: str, default: str = "table on a terminal, else json") -> Callable[[Command], Command]:
    """Adds -o and --json. Passes `form` to the command: None if neither was used."""

    def decorate(command: Command) -> Command:
        @click.option(
            "-o",
            "--output",
            "form",
            type=click.Choice(forms),
            help=f"How to print it. [default: {default}]",
        )
        @click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
        @functools.wraps(command)
        def wrapped(*arguments: object, form: str | None, as_json: bool, **options: object) -> None:
            if as_json and form not in (None, "json"):
                raise Misconfigured(f"--json and -o {form} contradict each other: give one of them")
            command(*arguments, form="json" if as_json else form, **options)

        return wrapped

    return decorate


def service_options(command: Command) -> Command:
    """Adds the options that choose a running service or the cluster.

    Passes `settings` and `prefers_cluster` to the command.
    """

    @click.option("--url", envvar=variable_of("url"), show_envvar=True, help="The URL of a running service to ask.")
    @click.option(
        "--token",
        envvar=variable_of("token"),
        show_envvar=True,
        help="The token for the service. Other users can see it in the list of processes: --token-file is safer.",
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar=variable_of("token_file"),
        show_envvar=True,
        help="The file that holds the token.",
    )
    @click.option(
        "--organization",
        type=Uuid(),
        envvar=variable_of("organization"),
        show_envvar=True,
        help="The organization of the conversations. Needed without --url. [default: the token's]",
    )
    @opensearch_options
    @functools.wraps(command)
    def wrapped(*arguments: object, data: object, opensearch_url: str | None, **options: object) -> None:
        own = {name: options.pop(name) for name in ("url", "token", "token_file", "organization")}
        if global_options.is_typed("url") and global_options.is_typed("opensearch_url"):
            raise Misconfigured("--url asks a running service, --opensearch-url the cluster: give one of them")
        settings = global_options.settings(**own, data=data, opensearch_url=opensearch_url)
        uses_service = settings.url is not None and not global_options.is_typed("opensearch_url")
        for name in ("token", "token_file"):
            if global_options.is_typed(name) and not uses_service:
                option = f"--{name.replace('_', '-')}"
                raise Misconfigured(f"{option} is for a running service: add --url, or leave {option} out")
        if global_options.rank("token_file") < global_options.rank("token"):
            settings = settings.model_copy(update={"token": None})
        command(*arguments, settings=settings, prefers_cluster=global_options.is_typed("opensearch_url"), **options)

    return wrapped


def filter_options(command: Command) -> Command:
    """Adds filters by name, --where, and --strict. Passes `filters`, `where` and `strict` to the command."""

    @click.option(
        "--where",
        multiple=True,
        metavar="QUERY",
        shell_complete=complete_where,
        help="Parameters as in the API, such as 'status!=closed&created_on[gte]=2024-07'. Repeatable.",
    )
    @click.option(
        "--match",
        type=click.Choice(MATCHES),
        help="Which words must match. words (the default): all. any: at least one. auto: all, or at least one if "
        "nothing has all. The other values need --where 'search=TEXT' instead of QUERY.",
    )
    @click.option(
        "--strict",
        is_flag=True,
        help="Refuse a QUERY with a part that cannot be parsed, instead of searching for it as text.",
    )
    @functools.wraps(command)
    def wrapped(*arguments: object, **options: object) -> None:
        filters = {name: options.pop(name) for name in (*FILTERS, "match")}
        command(*arguments, filters={name: value for name, value in filters.items() if value is not None}, **options)

    described = {parameter.name: parameter.description for parameter in LIST_PARAMETERS}
    for name in reversed(FILTERS):
        meaning = described[name].partition("; a name")[0]
        option = click.option(
            f"--{name.replace('_', '-')}", name, metavar=_metavar(name), help=f"{meaning}.",
            shell_complete=functools.partial(_complete_values, _VALUES.get(name, ())),
        )  # fmt: skip
        wrapped = option(wrapped)
    return wrapped


def _metavar(name: str) -> str:
    return "true|false" if _VALUES.get(name) == ("true", "false") else "VALUES"


def refuse_options(words: Sequence[str]) -> None:
    """Raises Misconfigured if a word of the QUERY looks like an option: after --, it would be searched for."""
    command = click.get_current_context().command
    known = {name for param in command.params for name in param.opts if isinstance(param, click.Option)}
    for word in words:
        if word.partition("=")[0] in known or re.match(r"--[a-z]", word):
            raise Misconfigured(
                f"{word} comes after --, so it would be searched for: write options before --; "
                "to search for such a word, put it in quotes together with another word"
            )


def _has_search(where: str) -> bool:
    return any(name == "search" for name, _value in parse_qsl(where, keep_blank_values=True))


def query_of(
    settings: Settings, words: Sequence[str], where: Sequence[str], filters: dict[str, str], **more: object
) -> bytes:
    """The query string: the words as `q`, the filters, the organization, and the text of --where, unchanged.

    Raises Misconfigured for words with a --match that is for the parameter `search` only.
    """
    match = filters.get("match", DEFAULT_MATCH)
    if words and match not in (DEFAULT_MATCH, *LOOSE_MATCHES) and not any(map(_has_search, where)):
        raise Misconfigured(f"--match {match} is not for QUERY: write the words as --where 'search=TEXT' instead")
    given = {"q": " ".join(words) or None, **filters, "organization_uid": settings.organization, **more}
    parts = [f"{name}={quote(str(value), safe='')}" for name, value in given.items() if value is not None]
    return "&".join([*parts, *filter(None, where)]).encode("utf-8", "surrogateescape")


def _complete_values(
    values: tuple[str, ...], _ctx: click.Context, _param: click.Parameter, begun: str
) -> list[CompletionItem[str]]:
    before, comma, last = begun.rpartition(",")
    return [CompletionItem(f"{before}{comma}{value}") for value in values if value.startswith(last)]


def complete_query(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Fields of the search box, and the values of fields with fixed values."""
    before, space, word = begun.rpartition(" ")
    start = f"{before}{space}"
    sign = "-" if word.startswith("-") else ""
    name, colon, value = word.removeprefix("-").partition(":")
    if colon:
        values = [one for one in _BOX_VALUES.get(name, ()) if one.startswith(value)]
        return [CompletionItem(f"{start}{sign}{name}:{one}") for one in values]
    return [
        CompletionItem(f"{start}{sign}{field.name}:", help=field.description)
        for field in SEARCH_FIELDS
        if field.name.startswith(name)
    ]


def complete_sort(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Sort keys, after those that are typed already."""
    before, comma, last = begun.rpartition(",")
    sign = "-" if last.startswith("-") else ""
    keys = [key for key in SORT_FIELDS if key.startswith(last.removeprefix("-"))]
    return [CompletionItem(f"{before}{comma}{sign}{key}") for key in keys]


def complete_where(ctx: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Names of the API's parameters, and the values of parameters with fixed values."""
    known = COUNT_PARAMETERS if ctx.info_name == "count" else LIST_PARAMETERS
    before, ampersand, last = begun.rpartition("&")
    name, equals, value = last.partition("=")
    start = f"{before}{ampersand}"
    if equals:
        return [CompletionItem(f"{start}{name}={one}") for one in _VALUES.get(name, ()) if one.startswith(value)]
    return [CompletionItem(f"{start}{one.name}=", help=one.description) for one in known if one.name.startswith(name)]
