"""Builds OpenSearch clients and translates their errors. No other module does either.

opensearch-py's own retries are off, because it repeats a request within milliseconds, bulk writes included; the callers
decide what to retry. JSON is decoded by msgspec, and the documents of a search stay bytes. Redirects are not followed,
because they could send documents and credentials to another server. Every response is checked against the shape that
its call must have (service.client.responses).
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from opensearchpy import AsyncOpenSearch, AsyncTransport, JSONSerializer
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import (
    ConnectionTimeout,
    TransportError,
)
from opensearchpy.serializer import Deserializer

from service import telemetry
from service.client import error_types, responses
from service.client.connection import Connection
from service.errors import AnswerUnusable, Misconfigured, SearchTimeout
from service.settings import Settings

Client = AsyncOpenSearch

EXPECTED = (404, 409)  # normal outcomes, not failures: no such document, or a newer version exists
SLOW_SECONDS = 3600.0  # timeout of calls that work on a whole index: a refresh, a deletion by query


class _Json(JSONSerializer):
    """A serializer for opensearch-py that uses msgspec. Strings and bytes are sent unchanged."""

    def __init__(self, answer: type[object] = object) -> None:
        self._decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(answer if answer is not object else Any)
        self._encoder = msgspec.json.Encoder()

    def loads(self, s: Any) -> object:
        """Decodes a response. Raises AnswerUnusable if it is not JSON, or JSON of another shape."""
        try:
            return self._decoder.decode(s)
        except msgspec.ValidationError as error:
            raise responses.unusable("a field is missing or has the wrong type") from error
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise responses.unusable("it is not complete, valid JSON") from error

    def dumps(self, data: object) -> object:
        return data if isinstance(data, (str, bytes)) else self._encoder.encode(data)


class _Deserializer(Deserializer):
    """Decodes every response as JSON, whatever its content type, so that HTML raises the same error as broken JSON."""

    def loads(self, s: str, mimetype: str | None = None) -> object:
        return self.default.loads(s)


class _Transport(AsyncTransport):
    """opensearch-py's transport, which also counts and traces calls and checks their responses."""

    def __init__(self, hosts: object, **options: Any) -> None:
        super().__init__(hosts, **options)
        self.deserializer = _Deserializer({JSONSerializer.mimetype: self.serializer})

    async def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the base class has it)
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> object:
        call = telemetry.call_of(url)
        started = time.perf_counter()
        in_use = telemetry.pool.labels("in_use")
        in_use.inc()
        try:
            with telemetry.tracing.span(f"opensearch {call}", "client") as facts:
                facts |= {"db.system.name": "opensearch", "db.operation.name": call, "http.request.method": method}
                answer: object = await super().perform_request(method, url, params, body, timeout, ignore, headers)
                if method != "HEAD":
                    responses.check_shape(method, url, answer, body)
                return answer
        except TransportError as error:
            status = error.status_code if isinstance(error.status_code, int) else 0
            is_its_own = _is_opensearchs(error)
            if status not in EXPECTED or not is_its_own:
                telemetry.failures.labels(call, str(status)).inc()
            if status in EXPECTED and not is_its_own:
                raise AnswerUnusable(
                    f"a server that is not OpenSearch responded with {status}: "
                    "check OPENSEARCH_URL, and any proxy between the service and OpenSearch"
                ) from error
            raise
        except AnswerUnusable:
            telemetry.failures.labels(call, "unusable").inc()
            raise
        finally:
            in_use.dec()
            telemetry.calls.labels(call).observe(time.perf_counter() - started)


def _is_opensearchs(error: TransportError) -> bool:
    """Whether the error came from OpenSearch itself, not from a proxy in between."""
    info = error.info
    if not isinstance(info, dict):
        return False
    has_error = isinstance(info.get("error"), dict | str) and isinstance(info.get("status"), int)
    return has_error or info.get("found") is False or info.get("result") == "not_found"


def connect(settings: Settings, url: str, *, answer: type[object] = object, timeout: float = 60.0) -> Client:
    """A client of the cluster at `url`. `answer` is the type that responses are decoded to, `timeout` is in seconds.

    Raises Misconfigured if OPENSEARCH_CA_FILE cannot be read.
    """
    options: dict[str, Any] = {}
    if settings.authorization is not None:
        options["headers"] = {"authorization": settings.authorization}
    if url.startswith("https://"):
        options["verify_certs"] = settings.opensearch_verify_certs
        options["ssl_show_warn"] = False
        if settings.opensearch_ca_file is not None:
            options["ca_certs"] = str(_readable_authority(settings.opensearch_ca_file))
    return AsyncOpenSearch(
        hosts=[url],
        timeout=timeout,
        max_retries=0,
        retry_on_status=(),
        retry_on_timeout=False,
        pool_maxsize=settings.opensearch_connections,
        serializer=_Json(answer),
        transport_class=_Transport,
        connection_class=Connection,
        **options,
    )


def _readable_authority(path: Path) -> Path:
    """The path, once its certificates were read. opensearch-py would fail only at the first request."""
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
