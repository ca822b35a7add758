"""API keys: `key create`, `key list` and `key revoke`."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click

from service import progress
from service.cli import output
from service.cli.options import (
    Duration,
    Uuid,
    act,
    agents_option,
    check_default,
    cluster_options,
    default_option,
    parties_option,
    recorded,
    show,
)
from service.cli.output import Form
from service.cli.query_options import form_option
from service.client import Client
from service.errors import Misconfigured
from service.identity.api_keys import ApiKey, Known, Store, new
from service.identity.claims import MOST_UIDS
from service.settings import Settings
from service.times import format_time
from service.token_settings import SCOPES, WRITE

LONGEST_NAME = 100


@click.group("key")
def key_group() -> None:
    """Make, list and revoke API keys, for machines that cannot get tokens."""


@key_group.command("create")
@click.option("--name", required=True, help=f"What the key is for, in at most {LONGEST_NAME} characters.")
@click.option(
    "--organization",
    "organizations",
    type=Uuid(),
    multiple=True,
    required=True,
    help="An organization that the key covers. Repeatable.",
)
@default_option
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="A right of the key. Repeatable. A key has no rights by default.",
)
@agents_option
@parties_option
@click.option(
    "--expires", type=Duration(), default="90d", show_default=True, help="How long it is valid, such as 12h or 365d."
)
@cluster_options
def create_command(
    settings: Settings,
    name: str,
    organizations: tuple[UUID, ...],
    default: UUID | None,
    scopes: tuple[str, ...],
    agents: tuple[UUID, ...],
    parties: tuple[UUID, ...],
    expires: timedelta,
) -> None:
    """Make an API key and print it, once: only its hash is kept.

    Send it like a token: 'Authorization: Bearer ck_...'.
    """
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Misconfigured(f"--name must have 1 to {LONGEST_NAME} characters")
    check_default(default, organizations)
    if (agents or parties) and WRITE in scopes:
        raise Misconfigured(f"--agent and --party restrict reading: leave out --scope {WRITE}, or them")
    if max(map(len, (organizations, agents, parties))) > MOST_UIDS:
        raise Misconfigured(f"--organization, --agent and --party may each be given at most {MOST_UIDS:,} times")
    key = new(
        name, list(organizations), default=default, scopes=list(scopes), agents=list(agents) or None,
        parties=list(parties) or None, lifetime=expires,
    )  # fmt: skip

    def create(client: Client) -> Awaitable[tuple[str, str]]:
        return Store(client, settings.alias).create(key)

    key_id, text = act(settings, create)
    progress.say(f"Made the key {key_id}. It is not shown again; 'conversations key revoke {key_id}' ends it.")
    print(text)
    recorded(settings, "key_create", organizations, key=key_id, scopes=list(scopes), until=format_time(key.expires_on))


@key_group.command("list")
@form_option("table", "json", "name")
@cluster_options
def list_command(settings: Settings, form: Form | None) -> None:
    """List the API keys, the newest first. A key itself is never shown."""

    def all_keys(client: Client) -> Awaitable[Known]:
        return Store(client, settings.alias).all()

    now = datetime.now(UTC)
    known = act(settings, all_keys)
    for key_id in known.unusable:
        progress.complain(f"The API key {key_id} has another shape than this version writes, and is not accepted.")
    found = sorted(known.keys.items(), key=lambda pair: pair[1].created_on, reverse=True)
    chosen = output.form_of(form)
    if chosen == "json":
        output.print_json([key.record(key_id, now) for key_id, key in found])
    elif chosen == "name":
        output.print_names([key_id for key_id, _key in found])
    else:
        rows = [
            (key_id, key.name, " ".join(key.scopes), f"{key.expires_on:%Y-%m-%d}", _state(key, now))
            for key_id, key in found
        ]
        output.print_table(("ID", "NAME", "SCOPES", "EXPIRES", "STATE"), rows)


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_on is not None:
        return "revoked"
    return "active" if key.ended(now) is None else "expired"


@key_group.command("revoke")
@click.argument("key_id", metavar="ID")
@cluster_options
def revoke_command(settings: Settings, key_id: str) -> None:
    """Revoke the API key with this ID. Within 60 seconds, no process of the service accepts it any more."""

    def revoke(client: Client) -> Awaitable[tuple[ApiKey, bool]]:
        return Store(client, settings.alias).revoke(key_id, datetime.now(UTC))

    ended, revoked = act(settings, revoke)
    show({"id": key_id, "revoked": revoked})
    recorded(settings, "key_revoke", ended.organizations, key=key_id, revoked=revoked)


COMMANDS = (key_group,)
