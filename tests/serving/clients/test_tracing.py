"""Spans of requests arrive at an OpenTelemetry collector."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.serving.live import serving

pytest.importorskip("opentelemetry.instrumentation.asgi", reason="no OpenTelemetry; pip install lexel[otel]")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="no exporter; pip install lexel[otel]")

SECRET = "不可告人的文本"


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bytes]]]:
    """What a collector on this machine was sent: paths and bodies."""
    found: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.append((self.path, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "lexel-under-test")
        yield found
        server.shutdown()
        thread.join()


def test_a_request_is_a_span_without_its_text(collected: list[tuple[str, bytes]]) -> None:
    with serving("--tracing") as server:
        server.post("/v1/segment", {"text": SECRET})
        assert server.stop() == 0  # what is left is sent at the end
    ends = time.monotonic() + 10
    while not collected and time.monotonic() < ends:
        time.sleep(0.05)
    assert {path for path, _ in collected} == {"/v1/traces"}
    sent = b"".join(body for _, body in collected)
    assert b"/v1/segment" in sent
    assert b"lexel-under-test" in sent
    assert SECRET.encode() not in sent
