"""The metrics of this process, and its traces by OpenTelemetry if they are on.

No label and no attribute contains an organization, a user, an address or a search text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from service.errors import Misconfigured

if TYPE_CHECKING:  # OpenTelemetry is optional
    from opentelemetry.trace import Tracer

disable_created_metrics()  # type: ignore[no-untyped-call]  # avoids an additional series for each metric
REGISTRY = CollectorRegistry()
SECONDS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SUM: Literal["livesum"] = "livesum"  # with several workers, the sum over the live ones
TRACER = "conversations"
Fact = str | int

requests = Histogram(
    "conversations_request_seconds",
    "Seconds from the first byte of a request to the last of its response; status 499: the client disconnected",
    ("method", "route", "status"),
    buckets=SECONDS,
    registry=REGISTRY,
)
under_way = Gauge(
    "conversations_requests_under_way",
    "Requests that are being processed",
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
tasks = Gauge("conversations_tasks", "Tasks of the process's event loop", registry=REGISTRY, multiprocess_mode=SUM)
calls = Histogram(
    "conversations_opensearch_seconds",
    "Seconds of calls to OpenSearch, including the network, by kind of call",
    ("call",),
    buckets=SECONDS,
    registry=REGISTRY,
)
failures = Counter(
    "conversations_opensearch_failures",
    "Failed calls to OpenSearch, by kind of call and status; status 0: no response",
    ("call", "status"),
    registry=REGISTRY,
)
pool = Gauge(
    "conversations_opensearch_connections",
    "Running calls to OpenSearch (in_use), and the maximum of all clients of the process (size)",
    ("state",),
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
nodes = Gauge(
    "conversations_opensearch_nodes",
    "Nodes of OPENSEARCH_URL by state: ready, resting (failed, so others are asked first), dead (only probed); with "
    "several workers the largest number that one sees, so the states need not add up",
    ("state",),
    registry=REGISTRY,
    multiprocess_mode="livemax",  # the largest value that a worker sees
)
retried = Counter(
    "conversations_opensearch_retried",
    "Reads that were also sent to another node; reason: failed (the first did not answer) or slow (it was late)",
    ("reason",),
    registry=REGISTRY,
)
for _reason in ("failed", "slow"):
    retried.labels(_reason)
circuits_opened = Counter(
    "conversations_opensearch_circuits_opened",
    "Times that a process found a node to be dead; each worker finds it by itself",
    registry=REGISTRY,
)
unsent = Counter(
    "conversations_opensearch_unsent", "Calls that failed at once because all nodes were dead", registry=REGISTRY
)
pages = Counter(
    "conversations_pages",
    "Pages answered, by plan: plain (from/size), hinted and counted (rank descent), walk (cursor)",
    ("plan",),
    registry=REGISTRY,
)
lines = Counter("conversations_lines", "Lines of bulk requests, by outcome", ("outcome",), registry=REGISTRY)
refused = Counter(
    "conversations_refused",
    "Requests and connections that a limit refused; reason: own (what the client, its caller or its organization did), "
    "all (others use everything) or idle (an idle connection, closed so that a new one has room)",
    ("limit", "reason"),
    registry=REGISTRY,
)


def refuses(limit: str) -> None:
    """Begins to count the refusals of a limit at 0, so that a rate shows the first one."""
    for reason in ("own", "all"):
        refused.labels(limit, reason)


limit_in_use = Gauge(
    "conversations_limit_in_use",
    "Units of a limit that are in use, such as searches",
    ("limit",),
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
limit_waiting = Gauge(
    "conversations_limit_waiting",
    "Requests that wait for units of a limit",
    ("limit",),
    registry=REGISTRY,
    multiprocess_mode=SUM,
)
limit_size = Gauge(
    "conversations_limit_size", "Total units of a limit", ("limit",), registry=REGISTRY, multiprocess_mode=SUM
)
key_fetches = Counter(
    "conversations_issuer_key_fetches",
    "Fetches of the keys of tokens' issuers, by outcome",
    ("outcome",),
    registry=REGISTRY,
)
pushed_back = Counter(
    "conversations_pushed_back", "Bulk writes that OpenSearch refused with 429 and that were retried", registry=REGISTRY
)
sent_again = Counter(
    "conversations_bulk_sent_again",
    "Bulk writes that were retried for another reason than 429: a lost connection, a timeout, or changed write targets",
    registry=REGISTRY,
)


def call_of(url: str) -> str:
    """The kind of a call from its path, such as _search. It never contains the name of an index."""
    return next((part for part in reversed(url.split("/")) if part.startswith("_")), "index" if url != "/" else "info")


class Tracing:
    """Makes spans with OpenTelemetry after `switch_on`. Before, `span` does nothing."""

    def __init__(self) -> None:
        self._tracer: Tracer | None = None

    @property
    def is_on(self) -> bool:
        return self._tracer is not None

    def switch_on(self, service: str) -> None:
        """Starts to export traces by OTLP over HTTP, configured by the OTEL_ variables.

        `service` is the default service name. Raises Misconfigured if OpenTelemetry is not installed.
        """
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise Misconfigured(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: "
                "run pip install 'conversation-search[otel]'"
            ) from None
        resource = Resource.create()
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # neither OTEL_ variable names it
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        provider = TracerProvider(resource=resource)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
        self._tracer = provider.get_tracer(TRACER)
        self._provider = provider

    def switch_off(self) -> None:
        """Exports the remaining spans and stops tracing."""
        if self._tracer is not None:
            self._provider.shutdown()
            self._tracer = None

    @contextmanager
    def span(self, name: str, kind: str, *, headers: Mapping[str, str] | None = None) -> Iterator[dict[str, Fact]]:
        """Makes a span around the block. `kind` is server or client. Entries of the yielded dict become its attributes.

        `headers` are those of a request, with lower-case names. A `traceparent` header (W3C Trace Context) sets the
        span's parent. No other header is read: `tracestate` is any text, and would be exported with the span. The
        entry `name` replaces the span's name.
        """
        facts: dict[str, Fact] = {}
        if self._tracer is None:
            yield facts
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        with self._tracer.start_as_current_span(
            name,
            context=extract({name: headers[name] for name in ("traceparent",) if name in headers}) if headers else None,
            kind=SpanKind.SERVER if kind == "server" else SpanKind.CLIENT,
            record_exception=False,  # its text could contain a search text
            set_status_on_exception=False,
        ) as span:
            try:
                yield facts
            except BaseException as error:
                facts["error.type"] = type(error).__name__
                raise
            finally:
                if "name" in facts:
                    span.update_name(str(facts.pop("name")))
                span.set_attributes(facts)


tracing = Tracing()
