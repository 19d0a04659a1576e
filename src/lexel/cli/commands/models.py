"""``lexel models``: list the models that load without a download."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from lexel.cli.options.groups import MessageOptions, grouped
from lexel.cli.terminal.messages import is_terminal, note, reported

if TYPE_CHECKING:
    from lexel.checkpoint.available import AvailableModel

_WIDE_COLUMNS, _SHORT_COMMIT = 118, 10


@grouped
def models(*, messages: MessageOptions) -> None:
    """List the models that are available without a download.

    These are the bundled models and the BERT-family models in the hub
    cache. Prints a table on a terminal, and JSON lines with the full commit
    and the folder into a pipe.

    [dim]Get the commits to pin:[/]
    [bold]lexel models | jq -r '[.id, .commit] | @tsv'[/]
    """
    with reported(messages):
        from lexel.checkpoint.available import list_models
        from lexel.checkpoint.hub_cache import cache_folder

        listed, n_others = list_models()
        if is_terminal(sys.stdout):
            _show_table(listed)
        else:
            for model in listed:
                print(json.dumps(asdict(model), ensure_ascii=False))
        are = "other in it is" if n_others == 1 else "others in it are"
        others = f"; {n_others} {are} not of the BERT family" if n_others else ""
        note(f"cache: {cache_folder()}{others}")


def _show_table(listed: list[AvailableModel]) -> None:
    from rich.table import Table

    from lexel.cli.terminal.console import output_console

    console = output_console()
    commit_columns = 40 if console.width >= _WIDE_COLUMNS else _SHORT_COMMIT
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("model", "left"), ("commit", "left"), ("size", "right"), ("licence", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=name != "licence")
    table.add_column("heads")
    for model in listed:
        commit = "bundled" if model.commit is None else model.commit[:commit_columns]
        size = _megabytes(model.bytes) + (", int8" if model.int8 else "")
        table.add_row(model.id, commit, size, model.licence or "not stated", _heads(model))
    console.print(table)


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"


def _heads(model: AvailableModel) -> str:
    if model.problem:
        return "labels unclear: see --scheme, --labels"
    return ", ".join(model.heads) or "none"
