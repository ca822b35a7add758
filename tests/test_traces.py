"""What is exported of the trace headers that a caller sends."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service.telemetry import TRACER, Tracing

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_of_a_callers_trace_only_its_numbers_are_exported() -> None:
    exported, provider, tracing = InMemorySpanExporter(), TracerProvider(), Tracing()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    tracing._tracer = provider.get_tracer(TRACER)
    sent = {"traceparent": PARENT, "tracestate": "x=secretword", "baggage": "y=secretword"}
    for headers in (sent, {"tracestate": "x=secretword"}, {}, None):
        with tracing.span("GET", "server", headers=headers):
            pass
    spans = exported.get_finished_spans()
    assert b"secretword" not in encode_spans(spans).SerializeToString()
    first = spans[0].parent
    assert first is not None
    assert (f"{first.trace_id:032x}", f"{first.span_id:016x}") == tuple(PARENT.split("-")[1:3])
    assert [span.parent for span in spans[1:]] == [None] * 3
