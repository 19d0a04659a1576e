"""Metrics for Prometheus, under Lexel's names and those of text-embeddings-inference."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lexel.serving.scheduler import Batch

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PIECES = (16, 64, 256, 512, 1024, 2048, 4096, 8192, 32768, 131072)


class Metrics:
    """Counters of a server, in a separate registry."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.requests = counter("lexel_requests", "Requests by route and status.", ("route", "status"))
        self.seconds = histogram("lexel_request_seconds", "Seconds to the answer.", ("route",), buckets=_SECONDS)
        self.refused = counter("lexel_refused", "Requests refused, by status.", ("status",))
        self.abandoned = counter("lexel_abandoned", "Requests whose client left before the answer.")
        self.batch_items = histogram("lexel_batch_items", "Items read together.", buckets=_ITEMS)
        self.batch_pieces = histogram("lexel_batch_pieces", "Pieces read together.", buckets=_PIECES)
        self.queue_seconds = histogram("lexel_queue_seconds", "Seconds that an item waited.", buckets=_SECONDS)
        self.read_seconds = histogram("lexel_read_seconds", "Seconds to read a batch.", buckets=_SECONDS)
        self._queued = gauge("lexel_queued_pieces", "Pieces that wait or are read.")
        self._te_single_count = counter("te_request_count", "Requests.", ("method",)).labels("single")
        success = counter("te_request_success", "Requests answered with 200.", ("method",))
        self._te_single_success = success.labels("single")
        self._te_failure = counter("te_request_failure", "Requests answered with an error.", ("err",))
        self._te_duration = histogram("te_request_duration", "Seconds from request to answer.", buckets=_SECONDS)
        self._te_queue = gauge("te_queue_size", "Requests that wait or are read.")
        self._te_batch_size = histogram("te_batch_next_size", "Items read together.", buckets=_ITEMS)
        self._te_batch_tokens = histogram("te_batch_next_tokens", "Pieces read together.", buckets=_PIECES)

    def follow(self, *, n_pieces: Callable[[], int], n_requests: Callable[[], int]) -> None:
        """Set the functions that the gauges call when they are scraped."""
        self._queued.set_function(n_pieces)
        self._te_queue.set_function(n_requests)

        self._of_request = lru_cache(maxsize=1024)(self._find_of_request)

    def _find_of_request(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(route, status), self.seconds.labels(route)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        requests, duration = self._of_request(route, status)
        requests.inc()
        duration.observe(seconds)
        self._te_single_count.inc()
        self._te_duration.observe(seconds)
        if status < 400:
            self._te_single_success.inc()
            return
        self._te_failure.labels(str(status)).inc()
        if status in (413, 429, 503):
            self.refused.labels(status).inc()

    def count_batch(self, batch: Batch) -> None:
        """Count a batch; called from reading threads."""
        self.batch_items.observe(batch.n_items)
        self.batch_pieces.observe(batch.n_pieces)
        self.queue_seconds.observe(batch.waited_s)
        self.read_seconds.observe(batch.took_s)
        self._te_batch_size.observe(batch.n_items)
        self._te_batch_tokens.observe(batch.n_pieces)

    def text(self) -> tuple[bytes, str]:
        """The metrics as text, and their content type."""
        return generate_latest(self.registry), "text/plain; version=0.0.4; charset=utf-8"
