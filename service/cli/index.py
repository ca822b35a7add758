"""Commands about the index: create, status."""

from __future__ import annotations

import click

from service.cli.options import act, cluster_options, show
from service.errors import ConversationsError
from service.index import lifecycle, mapping
from service.settings import Settings


@click.command("create")
@cluster_options
def create_command(settings: Settings) -> None:
    """Create the index and its alias, if they are not there."""
    name, made = act(settings, lambda client: lifecycle.ensure(client, settings.alias, mapping.load()))
    show({"index": name, "created": made})


@click.command("status")
@cluster_options
def status_command(settings: Settings) -> None:
    """Print cluster, index, alias, counts and mapping as JSON. Exits 1 if the service could not serve this index."""
    found = act(settings, lambda client: lifecycle.status(client, settings.alias, mapping.load()))
    show(found.record())
    if found.problem is not None:
        raise ConversationsError(found.problem)


COMMANDS = (create_command, status_command)
