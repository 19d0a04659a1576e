"""``lexel serve``: serve models over HTTP."""

from __future__ import annotations

from typing import Annotated

from lexel.cli.options.groups import ComputeOptions, Locked, MessageOptions, grouped, option
from lexel.cli.options.serve import LimitOptions, ListenOptions
from lexel.cli.terminal.messages import reported

_MODEL = "Model"


@grouped
def serve(
    *,
    models: Annotated[
        list[str] | None,
        option(
            "--model",
            "-m",
            panel=_MODEL,
            value="[NAME=]MODEL",
            help="Model folder, hub id or bundled model (zh, zh-fast, en). Can be repeated. Default: zh.",
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        option(
            "--expect",
            panel=_MODEL,
            value="[NAME=]A,B,...",
            help="Labels that clients expect, or a mapping file, for one model or for all.",
        ),
    ] = None,
    locked: Locked = False,
    listen: ListenOptions,
    limits: LimitOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> None:
    """Serve models over HTTP, with a page to try them.

    Listens on this machine only, unless you pass --host. On SIGTERM, it
    answers accepted requests and stops.

    [dim]The bundled model, with a page at http://127.0.0.1:8000/:[/]
    [bold]lexel serve[/]

    [dim]Two models, with API keys:[/]
    [bold]lexel serve -m ner=dslim/bert-base-NER -m zh --api-key-file keys[/]

    [dim]Send a request:[/]
    [bold]curl -s localhost:8000/v1/tag -d '{"text": "他在北京。"}' \\
        -H 'Content-Type: application/json'[/]
    """
    with reported(messages):
        from lexel.cli.jobs.serving import run_server

        run_server(models or [], listen, expects=expect or [], limits=limits, compute=compute, is_quiet=messages.quiet)
