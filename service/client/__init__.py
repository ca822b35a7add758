"""Builds OpenSearch clients and translates their errors. No other module does either.

opensearch-py's own retries are off, because it repeats any request within milliseconds, even a bulk write.
service.client.transport decides what is sent again, and to which node. JSON is decoded by msgspec, and the documents of
a search stay bytes. Redirects are not followed, because they could send documents and credentials to another server.
Every response is checked against the shape that its call must have (service.client.responses).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import AsyncOpenSearch, JSONSerializer
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import (
    ConnectionTimeout,
    TransportError,
)

from service import urls
from service.client import error_types, responses
from service.client.connection import Connection
from service.client.node_health import Answering
from service.client.transport import Policy, Transport
from service.errors import Misconfigured, SearchTimeout
from service.settings import Settings

Client = AsyncOpenSearch

SLOW_SECONDS = 3600.0  # timeout of calls that work on a whole index: a refresh, a deletion by query


class _Json(JSONSerializer):
    """A serializer for opensearch-py that uses msgspec. Strings and bytes are sent unchanged."""

    def __init__(self, answer: type[object] = object) -> None:
        self._decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(answer if answer is not object else Any)
        self._encoder = msgspec.json.Encoder()

    def loads(self, s: Any) -> object:
        """Decodes a response. Raises AnswerUnusable if it is not JSON, or JSON of another shape."""
        try:
            return self._decoded(s)
        except msgspec.ValidationError as error:
            raise responses.unusable("a field is missing or has the wrong type") from error
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise responses.unusable("it is not complete, valid JSON") from error

    def _decoded(self, s: Any) -> object:
        try:
            return self._decoder.decode(s)
        except msgspec.DecodeError:
            if isinstance(s, str) or (whole := responses.whole_characters(s)) == s:
                raise
            return self._decoder.decode(whole)

    def dumps(self, data: object) -> object:
        return data if isinstance(data, (str, bytes)) else self._encoder.encode(data)


def connect(
    settings: Settings,
    url: str,
    *,
    answer: type[object] = object,
    timeout: float = 60.0,
    same_cluster_as: Client | None = None,
    report: Callable[[str, str | None], None] = lambda _url, _problem: None,
) -> Client:
    """A client of the cluster at `url`. `answer` is the type that responses are decoded to, `timeout` is in seconds.

    `url` may be the URLs of several nodes, as in the settings. `same_cluster_as` is another client of the same cluster.
    The two share what they know of the nodes, so that client must not be closed before this one. `report` is called
    with the URL of a node and a reason when a probe of the node fails, and with None when the node is well again.
    With `same_cluster_as`, only the `report` of that client is called. Raises Misconfigured if OPENSEARCH_CA_FILE
    cannot be read.
    """
    options: dict[str, Any] = {}
    if settings.authorization is not None:
        options["headers"] = {"authorization": settings.authorization}
    if url.startswith("https://"):
        options["verify_certs"] = settings.opensearch_verify_certs
        options["ssl_show_warn"] = False
        if settings.opensearch_ca_file is not None:
            options["ca_certs"] = str(_readable_authority(settings.opensearch_ca_file))
    hosts = urls.nodes(url)
    return AsyncOpenSearch(
        hosts=hosts,
        timeout=timeout,
        max_retries=0,
        retry_on_status=(),
        retry_on_timeout=False,
        pool_maxsize=settings.opensearch_connections,
        serializer=_Json(answer),
        transport_class=Transport,
        policy=Policy(
            settings.alias,
            timeout,
            settings.opensearch_slow_share,
            settings.opensearch_failures,
            settings.opensearch_probe_seconds,
        ),
        connection_class=Connection,
        same_cluster_as=None if same_cluster_as is None else same_cluster_as.transport,
        report=lambda number, problem: report(hosts[number], problem),
        **options,
    )


def answering(client: Client) -> Answering:
    """How many nodes answered the last calls of this client."""
    transport = client.transport
    return transport.answering if isinstance(transport, Transport) else Answering(1, 1)


def _readable_authority(path: Path) -> Path:
    """The path, after a check that its certificates can be read. opensearch-py would fail later."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.is_dir():
            trusted.load_verify_locations(capath=str(path))
        else:
            trusted.load_verify_locations(cafile=str(path))
    except OSError as error:
        raise Misconfigured(f"OPENSEARCH_CA_FILE {path} cannot be used: {error.strerror or error}") from None
    return path


@contextlib.contextmanager
def translated(*, alias: str = "the alias", is_query: bool = False) -> Iterator[None]:
    """Translates opensearch-py's errors into this package's.

    Raises SearchTimeout, SearchUnavailable or one of its subclasses, or IndexUnusable. With `is_query`, the request
    contains a caller's query: if OpenSearch finds it too large, InvalidQuery is raised.
    """
    try:
        yield
    except (ConnectionTimeout, TimeoutError) as error:
        raise SearchTimeout("OpenSearch did not respond in time: narrow the request, or try again") from error
    except Unreachable as error:
        raise error_types.translate_unreachable(error) from error
    except TransportError as error:
        raise error_types.translate(error, alias, is_query=is_query) from error
