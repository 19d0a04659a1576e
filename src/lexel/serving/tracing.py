"""Sends spans of requests, without texts, to OpenTelemetry collectors; the ``OTEL_`` variables configure it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lexel.errors import MissingExtra


def add_tracing(put_in_front: Callable[..., Any]) -> Callable[[], None]:
    """Add a layer to an application that sends a span for each request, by OTLP over HTTP.

    Args:
        put_in_front: Adds the layer; see ``lexel.serving.app.Application``.

    Returns:
        A function that sends the remaining spans.

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
