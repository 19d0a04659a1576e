"""Runs the server from command-line options."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lexel.cli.options.groups import ComputeOptions
from lexel.cli.options.serve import LimitOptions, ListenOptions
from lexel.engines.choose import EngineOptions
from lexel.errors import MissingExtra, OptionError

if TYPE_CHECKING:
    from lexel.serving.options import ModelSpec


def run_server(
    models: Sequence[str],
    listen: ListenOptions,
    *,
    expects: Sequence[str],
    limits: LimitOptions,
    compute: ComputeOptions,
    is_quiet: bool,
) -> None:
    """Serve until asked to stop.

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
    serve(
        _expecting([ModelSpec.parse(model) for model in models] or [ModelSpec("zh", None)], expects),
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
            has_tracing=listen.tracing,
            logs_access=listen.access_log,
        ),
        engine=EngineOptions(**compute.loading),
        prepare=partial(log_to_stderr, is_quiet=is_quiet),
    )


def _expecting(specs: Sequence[ModelSpec], expects: Sequence[str]) -> list[ModelSpec]:
    """The models with their expected labels: ``NAME=LABELS`` for one, or ``LABELS`` for all."""
    for said in expects:
        name, equals, labels = said.partition("=")
        if equals and all(spec.name != name for spec in specs):
            raise OptionError(f"--expect: no model {name!r}; expected one of {', '.join(spec.name for spec in specs)}")
        specs = [
            replace(spec, expects=labels if equals else said) if not equals or spec.name == name else spec
            for spec in specs
        ]
    return list(specs)


def log_to_stderr(*, is_quiet: bool) -> None:
    """Log one line per message to standard error; requests are lines of JSON."""
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
