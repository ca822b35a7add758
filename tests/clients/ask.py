"""Asks a service through the client that openapi-python-client made of its document; prints the findings as JSON.

Arguments: the address, a token with the scope to write, an organization. tests/node/test_clients.py runs it, and has
mypy check it together with the generated code.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from uuid import UUID

from conversations_client import AuthenticatedClient
from conversations_client.api.conversations import (
    count_conversations,
    delete_conversation,
    export_conversations,
    get_conversation,
    list_conversations,
    suggest_conversations,
    write_conversations,
)
from conversations_client.models import (
    BulkAnswer,
    ConversationAnswer,
    ConversationStatus,
    ConversationWrite,
    CountAnswer,
    DeletionAnswer,
    ErrorAnswer,
    FacetField,
    PageAnswer,
    SortKey,
    StatusFilter,
    SuggestAnswer,
)
from conversations_client.models.write_conversations_refresh import WriteConversationsRefresh
from conversations_client.types import Unset

NEW, GONE = UUID(int=1), UUID(int=2)


def listed(client: AuthenticatedClient) -> list[str]:
    """By lists, and by parameters with brackets in their names."""
    found = list_conversations.sync(
        client=client,
        status=[StatusFilter.ACTIVE, StatusFilter.CLOSED],
        statusnin=[ConversationStatus.ACTIVE],
        category=["Questions", '"Docs, translations"'],
        created_ongte="2003-05-01",
        created_onlt="2003-06",
        sort=[SortKey.CREATED_ON_DESCENDING, SortKey.SUBJECT],
        per_page=100,
    )
    assert isinstance(found, PageAnswer), found
    return [str(item.uid) for item in found.data.items]


def walked(client: AuthenticatedClient) -> list[str]:
    """Everything, by a cursor."""
    uids: list[str] = []
    cursor: str | Unset | None = "*"
    while isinstance(cursor, str):
        found = list_conversations.sync(client=client, cursor=cursor, per_page=100)
        assert isinstance(found, PageAnswer), found
        uids += [str(item.uid) for item in found.data.items]
        cursor = found.data.pagination.next_cursor
    return uids


def exported(client: AuthenticatedClient) -> tuple[list[str], int]:
    """The uids, and the number in the last line."""
    answer = export_conversations.sync_detailed(client=client, status=[StatusFilter.CLOSED, StatusFilter.DRAFT])
    *lines, last = answer.content.splitlines()
    return [json.loads(line)["uid"] for line in lines], json.loads(last)["export"]["conversations"]


def counted(client: AuthenticatedClient) -> dict[str, int]:
    found = count_conversations.sync(client=client, facets=[FacetField.STATUS])
    assert isinstance(found, CountAnswer), found
    assert not isinstance(found.data.facets, Unset)
    assert not isinstance(found.data.facets.status, Unset)
    return {"total": found.data.total} | {value.value: value.count for value in found.data.facets.status.values}


def suggested(client: AuthenticatedClient) -> list[str]:
    found = suggest_conversations.sync(client=client, q="twis")
    assert isinstance(found, SuggestAnswer), found
    return [word.text for word in found.data.words]


def written(client: AuthenticatedClient, organization: UUID) -> list[str]:
    now = datetime.now(UTC)
    found = write_conversations.sync(
        client=client,
        refresh=WriteConversationsRefresh.WAIT_FOR,
        body=[
            ConversationWrite(
                NEW, organization, subject="Written by a client", updated_on=now, status=ConversationStatus.ACTIVE
            ),
            ConversationWrite(GONE, organization, deleted_on=now),
            ConversationWrite(UUID(int=3), organization),
        ],
    )
    assert isinstance(found, BulkAnswer), found
    return [item.outcome.value for item in found.data.items]


def read(client: AuthenticatedClient) -> str | None:
    found = get_conversation.sync(NEW, client=client)
    assert isinstance(found, ConversationAnswer), found
    return found.data.subject


def deleted(client: AuthenticatedClient) -> str:
    found = delete_conversation.sync(NEW, client=client)
    assert isinstance(found, DeletionAnswer), found
    return found.data.items[0].outcome.value


def failures(client: AuthenticatedClient, address: str) -> list[str]:
    """The codes of errors, and what is wrong with the first parameter."""
    stranger = AuthenticatedClient(base_url=address, token="nonsense")
    answers = (
        list_conversations.sync(client=client, per_page=500),
        list_conversations.sync(client=client, organization_uid=UUID(int=9)),
        list_conversations.sync(client=stranger),
        get_conversation.sync(NEW, client=client),
    )
    found: list[str] = []
    for answer in answers:
        assert isinstance(answer, ErrorAnswer), answer
        found += [answer.error.code, *(detail.parameter for detail in answer.error.details)]
    return found


def main(address: str, token: str, organization: str) -> None:
    client = AuthenticatedClient(base_url=address, token=token)
    print(
        json.dumps(
            {
                "listed": listed(client),
                "walked": walked(client),
                "exported": exported(client),
                "counted": counted(client),
                "suggested": suggested(client),
                "written": written(client, UUID(organization)),
                "read": read(client),
                "deleted": deleted(client),
                "failures": failures(client, address),
            }
        )
    )


main(*sys.argv[1:])
