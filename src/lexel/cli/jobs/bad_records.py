"""``--on-error file``: writes bad records to ``OUT.errors.jsonl``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import typer

from lexel.data.faults import Faults
from lexel.data.files import TextOutput, open_output
from lexel.data.records.json import json_row
from lexel.names import OnErrorOrFile


def check_on_error(on_error: OnErrorOrFile, out: str | None) -> None:
    """Refuse ``--on-error file`` without an output file.

    Raises:
        typer.BadParameter: Naming the option to add.
    """
    if on_error == "file" and out in (None, "-"):
        raise typer.BadParameter("file: bad records go beside the results; add --out FILE", param_hint="--on-error")


@contextmanager
def counted_faults(on_error: OnErrorOrFile, *, out: str | None) -> Iterator[Faults]:
    """Count bad records, and with the rule ``file`` write them; without bad records, no file is written."""
    with ExitStack() as stack:
        opened: list[TextOutput] = []

        def take(fault: Mapping[str, Any]) -> None:
            if not opened:
                opened.append(stack.enter_context(open_output(f"{out}.errors.jsonl")))
            opened[0].write(json_row(fault))

        yield Faults(on_error, aside=take if on_error == "file" else None)
