"""Spans of requests for OpenTelemetry collectors, configured by the standard ``OTEL_`` variables. They hold no text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lexel.errors import MissingExtra


def add_tracing(put_in_front: Callable[..., Any]) -> Callable[[], None]:
    """Have a layer in front of an application send a span for each request, by OTLP over HTTP.

    Args:
        put_in_front: Puts the layer there; see ``lexel.serving.app.Application``.

    Returns:
        A function that sends the spans that are left.

    Raises:
        MissingExtra: If OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise MissingExtra(f'tracing needs {error.name}: pip install "lexel[otel]"') from error
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    put_in_front(OpenTelemetryMiddleware, tracer_provider=provider, exclude_spans=["receive", "send"])
    shutdown: Callable[[], None] = provider.shutdown
    return shutdown
