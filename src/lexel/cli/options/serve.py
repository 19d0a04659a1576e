"""Options of ``lexel serve``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option

_LISTENING, _LIMITS = "Listening", "Limits"


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """The address of the server, and access to it."""

    host: Annotated[
        str, option("--host", panel=_LISTENING, value="ADDRESS", help="Default: 127.0.0.1 (this machine only).")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        option("--port", panel=_LISTENING, value="N", min=0, max=65535, help="Default: 8000. 0: any free port."),
    ] = 8000
    workers: Annotated[
        int,
        option(
            "--workers",
            panel=_LISTENING,
            value="N",
            min=1,
            help="Number of processes; each loads the models. Default: 1.",
        ),
    ] = 1
    api_key_file: Annotated[
        str | None,
        option(
            "--api-key-file",
            panel=_LISTENING,
            value="FILE",
            help="File of accepted API keys, one per line. SIGHUP reads it again.",
        ),
    ] = None
    cors: Annotated[
        list[str] | None,
        option("--cors", panel=_LISTENING, value="ORIGIN", help="Allowed CORS origin. Can be repeated."),
    ] = None
    page: Annotated[bool, option("--page/--no-page", panel=_LISTENING, help="Serve a page at /. Default: on.")] = True
    access_log: Annotated[
        bool,
        option("--access-log/--no-access-log", panel=_LISTENING, help="Log requests as JSON lines. Default: on."),
    ] = True
    tracing: Annotated[
        bool,
        option(
            "--tracing",
            panel=_LISTENING,
            help="Send a span of each request to OpenTelemetry; OTEL_ variables configure it.",
        ),
    ] = False
    tls_certificate: Annotated[
        str | None, option("--tls-certificate", panel=_LISTENING, value="FILE", help="Certificate for HTTPS.")
    ] = None
    tls_key: Annotated[
        str | None, option("--tls-key", panel=_LISTENING, value="FILE", help="Private key of the certificate.")
    ] = None
    offline: Annotated[
        bool,
        option("--offline", panel=_LISTENING, help="Never use the network. Models must be folders or in the cache."),
    ] = False


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """The limits of the server."""

    max_body: Annotated[
        int,
        option(
            "--max-body", panel=_LIMITS, value="BYTES", min=1, help="Maximum size of a request. Default: 8,388,608."
        ),
    ] = 8 << 20
    max_queue: Annotated[
        int,
        option(
            "--max-queue",
            panel=_LIMITS,
            value="PIECES",
            min=1,
            help="Maximum number of queued pieces. Default: 400,000.",
        ),
    ] = 400_000
    timeout: Annotated[
        float,
        option("--timeout", panel=_LIMITS, value="SECONDS", min=0.1, help="Time limit of a request. Default: 60."),
    ] = 60.0
    drain: Annotated[
        float,
        option(
            "--drain",
            panel=_LIMITS,
            value="SECONDS",
            min=0,
            help="Time to finish accepted requests when stopped. Default: 30.",
        ),
    ] = 30.0
