"""Options of ``lexel serve``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option

_LISTENING, _LIMITS = "Listening", "Limits"


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Where the server listens, and to whom."""

    host: Annotated[
        str, option("--host", panel=_LISTENING, value="ADDRESS", help="127.0.0.1 (this machine only) if not given.")
    ] = "127.0.0.1"
    port: Annotated[
        int,
        option("--port", panel=_LISTENING, value="N", min=0, max=65535, help="8000 if not given; 0 is any free one."),
    ] = 8000
    workers: Annotated[
        int,
        option(
            "--workers", panel=_LISTENING, value="N", min=1, help="Processes, each with the models; 1 if not given."
        ),
    ] = 1
    api_key_file: Annotated[
        str | None,
        option(
            "--api-key-file",
            panel=_LISTENING,
            value="FILE",
            help="Keys that are let in, one a line; SIGHUP reads it again.",
        ),
    ] = None
    cors: Annotated[
        list[str] | None,
        option("--cors", panel=_LISTENING, value="ORIGIN", help="An origin whose pages may call; also several."),
    ] = None
    page: Annotated[
        bool, option("--page/--no-page", panel=_LISTENING, help="Show a page at /; shown if not given.")
    ] = True
    access_log: Annotated[
        bool,
        option(
            "--access-log/--no-access-log", panel=_LISTENING, help="Log requests as JSON lines; logged if not given."
        ),
    ] = True
    tls_certificate: Annotated[
        str | None, option("--tls-certificate", panel=_LISTENING, value="FILE", help="A certificate, for HTTPS.")
    ] = None
    tls_key: Annotated[
        str | None, option("--tls-key", panel=_LISTENING, value="FILE", help="The certificate's key.")
    ] = None
    offline: Annotated[
        bool, option("--offline", panel=_LISTENING, help="Never ask the hub; models must be folders or in the cache.")
    ] = False


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """How much the server takes on."""

    max_body: Annotated[
        int, option("--max-body", panel=_LIMITS, value="BYTES", min=1, help="Longest request; 8,388,608 if not given.")
    ] = 8 << 20
    max_queue: Annotated[
        int,
        option(
            "--max-queue", panel=_LIMITS, value="PIECES", min=1, help="Most pieces that wait; 400,000 if not given."
        ),
    ] = 400_000
    timeout: Annotated[
        float,
        option(
            "--timeout", panel=_LIMITS, value="SECONDS", min=0.1, help="Give a request up after this; 60 if not given."
        ),
    ] = 60.0
    drain: Annotated[
        float,
        option(
            "--drain",
            panel=_LIMITS,
            value="SECONDS",
            min=0,
            help="Time to answer the rest when stopped; 30 if not given.",
        ),
    ] = 30.0
