"""Options of a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Limits and features of a server.

    Attributes:
        max_body_bytes: Longest request body; a longer one is refused with 413.
        max_queued_pieces: Maximum number of pieces that wait or are read; beyond it, requests are refused with 429.
        max_queued_bytes: Maximum size of all request bodies in memory, in bytes; beyond it, 429.
        max_texts: Maximum number of texts in a request.
        timeout_s: Time limit of a request in seconds; after it, the answer is 504.
        drain_s: Time for accepted requests to finish when the server stops, in seconds.
        api_key_file: A file of API keys, one per line; without it, no key is needed.
        cors_origins: Origins whose pages may call the server from a browser; none by default.
        has_page: Whether ``/`` serves the web page.
        has_tracing: Whether to send a span for each request to an OpenTelemetry collector.
        logs_access: Whether to log each request, as a line of JSON on standard error.
    """

    max_body_bytes: int = 8 * MIB
    max_queued_pieces: int = 400_000
    max_queued_bytes: int = 64 * MIB
    max_texts: int = 1_000
    timeout_s: float = 60.0
    drain_s: float = 30.0
    api_key_file: Path | None = None
    cors_origins: tuple[str, ...] = ()
    has_page: bool = True
    has_tracing: bool = False
    logs_access: bool = True


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to serve.

    Attributes:
        name: Its name in requests.
        source: A folder, a hub id (also ``owner/name@revision``), or ``None`` for the bundled model.
        expects: The labels that its clients expect, or a mapping file; ``None``: any.
    """

    name: str
    source: str | None
    expects: str | None = None

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """Parse ``name=source``, or a source alone, whose name is then the source without its revision."""
        name, equals, source = text.partition("=")
        if equals and name and source:
            return cls(name, source)
        return cls(
            text.partition("@")[0].rstrip("/").rpartition("/")[2] if Path(text).is_dir() else text.partition("@")[0],
            text,
        )
