"""A client for conversation search: typed items, iterators over walks and exports, retries, and errors with details.

    from conversation_search import Client

    with Client("http://127.0.0.1:8000", token=token) as client:
        for conversation in client.walk(search="invoice", status="active"):
            print(conversation.sent_at, conversation.subject)

`AsyncClient` has the same methods as coroutines and asynchronous iterators.
"""

from conversation_search._async_client import AsyncClient
from conversation_search._client import Client
from conversation_search._errors import (
    ConnectionFailed,
    ConversationSearchError,
    Forbidden,
    IncompleteExport,
    InvalidRequest,
    NotFound,
    Problem,
    ServiceError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
)
from conversation_search._models import (
    Alternatives,
    BulkResult,
    Caller,
    Conversation,
    Count,
    Deletion,
    DidYouMean,
    Facet,
    Metadata,
    Page,
    QueryWarning,
    Suggestion,
    Suggestions,
    WriteResult,
)
from conversation_search._parameters import Filters
from conversation_search._retries import Retries

__version__ = "0.1.0"

__all__ = [
    "Alternatives",
    "AsyncClient",
    "BulkResult",
    "Caller",
    "Client",
    "ConnectionFailed",
    "Conversation",
    "ConversationSearchError",
    "Count",
    "Deletion",
    "DidYouMean",
    "Facet",
    "Filters",
    "Forbidden",
    "IncompleteExport",
    "InvalidRequest",
    "Metadata",
    "NotFound",
    "Page",
    "Problem",
    "QueryWarning",
    "Retries",
    "ServiceError",
    "Suggestion",
    "Suggestions",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "WriteResult",
]
