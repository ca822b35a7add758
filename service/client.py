"""The one place that builds an OpenSearch client and turns its errors into ours.

opensearch-py's own retries are off: it would send the same request again within milliseconds, bulk writes included.
Who calls decides what is worth another try. Its JSON goes through msgspec, and a search's documents stay bytes.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp.client_exceptions import ClientError, ClientSSLError
from opensearchpy import AsyncOpenSearch, AsyncTransport, JSONSerializer
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import (
    ConnectionTimeout,
    SSLError,
    TransportError,
)

from service import telemetry
from service.errors import IndexUnusable, Misconfigured, Overloaded, SearchTimeout, SearchUnavailable
from service.settings import Settings

Client = AsyncOpenSearch

BUSY = (429, 502, 503, 504)
EXPECTED = (404, 409)  # answers that a question may have: there is none, or there is a newer one
TIMEOUT_TYPES = ("timeout_exception", "task_cancelled_exception")


class Total(msgspec.Struct):
    value: int
    relation: str


class Hit(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))
    id: str = msgspec.field(name="_id", default="")
    fields: dict[str, list[Any]] | None = None
    sort: tuple[int | float | str | None, ...] = ()
    highlight: dict[str, list[str]] | None = None


class Hits(msgspec.Struct):
    hits: list[Hit]
    total: Total | None = None


class Shards(msgspec.Struct):
    total: int
    successful: int
    failed: int


class SearchAnswer(msgspec.Struct):
    """What a search, the opening of a point in time, or the get of a document answers; documents are bytes."""

    shards: Shards = msgspec.field(name="_shards", default_factory=lambda: Shards(0, 0, 0))
    took: int = 0
    timed_out: bool = False
    hits: Hits = msgspec.field(default_factory=lambda: Hits([]))
    aggregations: dict[str, Any] = {}
    pit_id: str | None = None
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b"{}"))


class _Json(JSONSerializer):
    """opensearch-py's serializer on msgspec. What is text or bytes already passes as it is."""

    def __init__(self, answer: type[Any] = object) -> None:
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(answer if answer is not object else Any)
        self._encoder = msgspec.json.Encoder()

    def loads(self, s: Any) -> Any:
        return self._decoder.decode(s)

    def dumps(self, data: Any) -> Any:
        return data if isinstance(data, (str, bytes)) else self._encoder.encode(data)


class _Transport(AsyncTransport):
    """opensearch-py's transport, which also counts and traces its calls."""

    async def perform_request(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        call = telemetry.call_of(url)
        started = time.perf_counter()
        in_use = telemetry.pool.labels("in_use")
        in_use.inc()
        try:
            with telemetry.tracing.span(f"opensearch {call}", "client") as facts:
                facts |= {"db.system.name": "opensearch", "db.operation.name": call, "http.request.method": method}
                return await super().perform_request(method, url, *arguments, **options)
        except TransportError as error:
            status = error.status_code if isinstance(error.status_code, int) else 0
            if status not in EXPECTED:
                telemetry.failures.labels(call, str(status)).inc()
            raise
        finally:
            in_use.dec()
            telemetry.calls.labels(call).observe(time.perf_counter() - started)


def connect(settings: Settings, url: str, *, answer: type[Any] = object, timeout: float = 60.0) -> Client:
    """A client of the cluster at `url`. `answer` is the msgspec type its JSON is decoded to, `timeout` in seconds.

    Raises Misconfigured where the certificates of the authority cannot be read.
    """
    options: dict[str, Any] = {}
    if settings.authorization is not None:
        options["headers"] = {"authorization": settings.authorization}
    if url.startswith("https://"):
        options["verify_certs"] = settings.opensearch_verify_certs
        options["ssl_show_warn"] = False
        if settings.opensearch_ca_file is not None:
            options["ca_certs"] = str(_readable_authority(settings.opensearch_ca_file))
    telemetry.pool.labels("size").set(settings.opensearch_connections)
    return AsyncOpenSearch(
        hosts=[url],
        timeout=timeout,
        max_retries=0,
        retry_on_status=(),
        retry_on_timeout=False,
        pool_maxsize=settings.opensearch_connections,
        serializer=_Json(answer),
        transport_class=_Transport,
        **options,
    )


def _readable_authority(path: Path) -> Path:
    """opensearch-py reads it with the first request, where it would be an error of that request."""
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
def translated(*, alias: str = "the alias") -> Iterator[None]:
    """Turns what opensearch-py raises into the errors of this package; what is a fault of ours passes unchanged."""
    try:
        yield
    except (ConnectionTimeout, TimeoutError) as error:
        raise SearchTimeout("OpenSearch did not answer in time: narrow the request, or try again") from error
    except Unreachable as error:
        raise _translate_unreachable(error) from error
    except TransportError as error:
        raise _translate(error, alias) from error


def _translate(error: TransportError, alias: str) -> Exception:
    kind = str(error.error)
    if error.status_code == 404 and kind in ("index_not_found_exception", "alias_not_found_exception"):
        return IndexUnusable(f"{alias} does not exist in OpenSearch: create it with 'conversations create'")
    if error.status_code in (401, 403) and kind != "cluster_block_exception":
        return SearchUnavailable("OpenSearch refuses the service's user: check OPENSEARCH_USER and its password")
    if _is_timeout(error):
        return SearchTimeout("the search took too long and was stopped: narrow the request, or try again")
    if error.status_code == 429:
        return Overloaded("OpenSearch has no room for this now: try again shortly")
    if error.status_code in BUSY or kind == "search_phase_execution_exception":
        return SearchUnavailable("OpenSearch cannot answer now: try again shortly")
    return error


def _translate_unreachable(error: Unreachable) -> Exception:
    """opensearch-py calls everything that is raised while it sends a connection error; only some of it is one."""
    cause = error.info
    if isinstance(error, SSLError) or isinstance(cause, ssl.SSLError | ClientSSLError):
        return SearchUnavailable(
            "OpenSearch's certificate is not trusted: name its authority's file in OPENSEARCH_CA_FILE"
        )
    if isinstance(cause, Exception) and not isinstance(cause, ClientError | OSError):
        return cause
    return SearchUnavailable("OpenSearch cannot be reached: try again shortly")


def _is_timeout(error: TransportError) -> bool:
    """OpenSearch reports "Time exceeded" as 500: it is a timeout all the same, unless the cause is another."""
    text = str(error.info)
    return "Time exceeded" in text or any(kind in text for kind in TIMEOUT_TYPES)
