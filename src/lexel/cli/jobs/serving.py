"""From options to a running server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lexel.cli.options.groups import ComputeOptions
from lexel.cli.options.serve import LimitOptions, ListenOptions
from lexel.engines.choose import EngineOptions
from lexel.errors import MissingExtra


def run_server(
    models: Sequence[str], listen: ListenOptions, *, limits: LimitOptions, compute: ComputeOptions, is_quiet: bool
) -> None:
    """Serve until told to stop.

    Raises:
        MissingExtra: If the server's libraries are not installed.
    """
    if listen.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        from lexel.serving.options import ModelSpec, ServerOptions
        from lexel.serving.run import Listening, serve
    except ModuleNotFoundError as error:
        raise MissingExtra(f'serving needs {error.name}: pip install "lexel[serve]"') from error
    _log_to_stderr(is_quiet=is_quiet)
    serve(
        [ModelSpec.parse(model) for model in models] or [ModelSpec("zh", None)],
        listening=Listening(
            listen.host,
            listen.port,
            workers=listen.workers,
            tls_certificate=listen.tls_certificate,
            tls_key=listen.tls_key,
        ),
        options=ServerOptions(
            max_body_bytes=limits.max_body,
            max_queued_pieces=limits.max_queue,
            timeout_s=limits.timeout,
            drain_s=limits.drain,
            api_key_file=None if listen.api_key_file is None else Path(listen.api_key_file),
            cors_origins=tuple(listen.cors or ()),
            has_page=listen.page,
            logs_access=listen.access_log,
        ),
        engine=EngineOptions(**compute.loading),
    )


def _log_to_stderr(*, is_quiet: bool) -> None:
    """One line a message on standard error; requests are lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name, level in (
        ("lexel.serving", logging.WARNING if is_quiet else logging.INFO),
        ("uvicorn.error", logging.ERROR),
    ):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = False
        logger.addHandler(handler)
