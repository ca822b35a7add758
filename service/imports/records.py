"""Reads and writes what the cluster knows of conversations for imports: the conversation and its import record."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
from pydantic import ValidationError

from service.client import Client
from service.client.responses import Json
from service.conversation import Conversation, ImportRecord
from service.errors import IndexUnusable
from service.index import refreshing
from service.index.write_targets import writes_alias
from service.reindex import comparison, documents
from service.sources.facts import Fact, Memory, unpacked
from service.sources.groups import Rule
from service.sources.unite import Known, Part
from service.stored_documents import NOT_IN_ITEM, document_id, record_id
from service.times import epoch_milliseconds, parse_time

MOST_KEYS = 20_000  # in one search; OpenSearch allows 65,536 (index.max_terms_count)
PAGE = 5_000  # records of one search
_ORDER = ("order.uid_1", "order.uid_2", "order.uid_3")

_parts = msgspec.msgpack.Decoder(tuple[Part, ...])
_encoder = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Entry:
    """One uid as the index has it. `version` and `record_version` are -1 for documents that do not exist.

    `deleted_on` is the version of the deletion if the conversation was deleted, in milliseconds.
    """

    uid: UUID
    item: Conversation | None = None
    version: int = -1
    deleted_on: int | None = None
    parts: tuple[Part, ...] = ()
    facts: tuple[Fact, ...] = ()
    written: dict[str, int] = field(default_factory=dict)
    record_version: int = -1
    moved_to: UUID | None = None

    @property
    def is_deleted(self) -> bool:
        """Whether somebody deleted it: the messages of its record must not come back.

        `prune --tombstones` leaves a record without a conversation, which counts as deleted too.
        """
        return self.item is None and self.moved_to is None and (self.deleted_on is not None or bool(self.facts))

    @property
    def known(self) -> Known:
        assert self.item is not None
        unseen = max(0, (self.item.message_count or 0) - len({fact.id for fact in self.facts}))
        return Known(self.uid, self.item, self.facts, self.written, self.parts, unseen)


async def find(client: Client, alias: str, organization_uid: UUID, keys: Collection[str]) -> set[UUID]:
    """The conversations whose records hold any of the keys, as of the last refresh."""
    found: set[UUID] = set()
    ordered = sorted(keys)
    for start in range(0, len(ordered), MOST_KEYS):
        after: list[object] | None = None
        while True:
            filters: list[object] = [
                {"term": {"record.organization_uid": str(organization_uid)}},
                {"terms": {"record.keys": ordered[start : start + MOST_KEYS]}},
            ]
            body: dict[str, object] = {
                "size": PAGE,
                "query": {"bool": {"filter": filters}},
                "sort": [{name: "asc"} for name in _ORDER],
                "_source": False,
                "track_total_hits": False,
                **({"search_after": after} if after else {}),
            }
            request: dict[str, object] = {"index": alias, "body": body, "routing": str(organization_uid)}
            hits = documents.hits_of(await documents.search(client, request))
            found |= {UUID(hit["_id"].split(":")[1]) for hit in hits}
            if len(hits) < PAGE:
                break
            after = hits[-1]["sort"]
    return found


async def get(client: Client, alias: str, organization_uid: UUID, uids: Iterable[UUID]) -> dict[UUID, Entry]:
    """The current documents of these uids, even if searches do not find them yet."""
    wanted = list(uids)
    ids = [make(organization_uid, uid) for uid in wanted for make in (document_id, record_id)]
    found = {name: document async for name, document in comparison.stored(client, alias, ids)}
    return {
        uid: _entry(uid, found[document_id(organization_uid, uid)], found[record_id(organization_uid, uid)])
        for uid in wanted
    }


def _entry(uid: UUID, document: documents.Hit | None, record: documents.Hit | None) -> Entry:
    values: Json = {}
    if document is not None:
        source: Json = document["_source"]
        values["version"] = document["_version"]
        if "tombstone" in source:
            values["deleted_on"] = epoch_milliseconds(parse_time(source["tombstone"]["deleted_on"]))
        else:
            values["item"] = _conversation(uid, source)
            values["parts"] = _unpacked_parts(source["parts"]) if source.get("parts") else ()
    if record is not None:
        held = ImportRecord.model_validate(record["_source"]["record"])
        values |= {"record_version": record["_version"], "moved_to": held.moved_to}
        if held.data:
            memory = unpacked(held.data)
            values |= {"facts": memory.facts, "written": memory.written}
    return Entry(uid, **values)


def _unpacked_parts(text: str) -> tuple[Part, ...]:
    try:
        return _parts.decode(base64.b64decode(text))
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        raise IndexUnusable(
            "the parts of a stored conversation cannot be read, because another version of this service wrote them: "
            "import with that version"
        ) from None


def _conversation(uid: UUID, source: dict[str, object]) -> Conversation:
    try:
        return Conversation.model_validate({name: value for name, value in source.items() if name not in NOT_IN_ITEM})
    except ValidationError:
        raise IndexUnusable(f"the stored conversation {uid} is not valid: see 'conversations verify'") from None


async def refresh(client: Client, alias: str) -> None:
    """Makes what was written so far visible to `find`. Raises SearchUnavailable."""
    await refreshing.refresh(client, f"{alias},{writes_alias(alias)}", alias=alias, may_lack=True)


def packed_parts(parts: Sequence[Part]) -> str:
    return base64.b64encode(_encoder.encode(tuple(parts))).decode() if parts else ""


def record(organization_uid: UUID, uid: UUID, memory: Memory, rule: Rule, version: int) -> ImportRecord:
    """The import record of these messages."""
    keys = sorted({key for fact in memory.facts for key in rule.stored_keys(fact)})
    return ImportRecord(uid=uid, organization_uid=organization_uid, version=version, keys=keys, data=memory.packed())


def moved(organization_uid: UUID, uid: UUID, moved_to: UUID, version: int) -> ImportRecord:
    """The record of a conversation that was merged into another: it only says into which."""
    return ImportRecord(uid=uid, organization_uid=organization_uid, version=version, moved_to=moved_to)
