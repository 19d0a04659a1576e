"""What an operator asks of a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Limits and habits of a server.

    Attributes:
        max_body_bytes: Longest request body; a longer one is refused with 413.
        max_queued_pieces: Pieces that may wait or be read at a time; beyond it, requests are refused with 429.
        max_queued_bytes: Bytes of request bodies that may be held at a time; beyond it, 429.
        max_texts: Most texts of one request.
        timeout_s: Seconds after which a request is given up with 504.
        drain_s: Seconds that accepted requests are given to finish once the server is told to stop.
        api_key_file: A file of API keys, one a line; without it everybody is let in.
        cors_origins: Origins whose pages may call the server from a browser; none by default.
        has_page: Whether ``/`` shows the page to people.
        has_tracing: Whether each request is sent as a span to an OpenTelemetry collector.
        logs_access: Whether each request is logged, as a line of JSON on standard error.
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
        name: What requests call it.
        source: A folder, a hub id (also ``owner/name@revision``), or ``None`` for the bundled model.
        expects: The labels that its clients expect, or a mapping file; ``None``: any.
    """

    name: str
    source: str | None
    expects: str | None = None

    @classmethod
    def parse(cls, text: str) -> ModelSpec:
        """``name=source``, or a source alone, which is then named by itself without its revision."""
        name, equals, source = text.partition("=")
        if equals and name and source:
            return cls(name, source)
        return cls(
            text.partition("@")[0].rstrip("/").rpartition("/")[2] if Path(text).is_dir() else text.partition("@")[0],
            text,
        )
