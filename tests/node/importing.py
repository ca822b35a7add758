"""Imports mail into a node, and reads what the node then holds."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.client import Client
from service.conversation import Conversation
from service.imports.importer import Importer, Outcome
from service.index import mapping
from service.reindex import first_index
from service.sources import mail
from service.sources.facts import Hasher
from service.sources.mailbox import RawMessage
from service.sources.message import parse
from service.stored_documents import NOT_IN_ITEM
from tests.node.clusters import Cluster


async def import_into(
    client: Client, cluster: Cluster, organization: UUID, messages: list[RawMessage], *, restores: bool = False
) -> Outcome:
    if not await client.indices.exists_alias(name=cluster.settings.alias):
        await first_index.ensure(client, cluster.settings.alias, mapping.load(), settings={})
    kind = mail.Mail(Hasher(organization), mail.Own(), mail.Rules())
    rejected: list[str] = []
    importer = Importer(
        client, cluster.settings.alias, organization, kind,
        reject=lambda _pieces, why: rejected.append(why), restores=restores,
    )  # fmt: skip
    with mail.spool(kind) as spool:
        spool.fill(((kind.fact(one), one) for one in map(parse, messages)), lambda _message: None)
        outcome = await importer.run(spool.conversations)
    assert rejected == []
    return outcome


async def documents(client: Client, cluster: Cluster, organization: UUID, kind: str) -> list[dict[str, Any]]:
    field = {"live": "organization_uid", "record": "record.organization_uid"}[kind]
    body = {"size": 5000, "query": {"term": {field: str(organization)}}}
    answer = await client.search(index=cluster.settings.alias, body=body)
    return [hit["_source"] for hit in answer["hits"]["hits"]]


async def items(client: Client, cluster: Cluster, organization: UUID) -> list[Conversation]:
    found = await documents(client, cluster, organization, "live")
    return [Conversation.model_validate({k: v for k, v in one.items() if k not in NOT_IN_ITEM}) for one in found]
