"""Where tables go: standard output."""

from __future__ import annotations

import sys

from rich.console import Console

from lexel.cli.terminal.messages import is_terminal


class _Output(Console):
    """rich ends the program by itself when nobody reads on; here that is one of the command's own endings."""

    def on_broken_pipe(self) -> None:
        raise  # rich calls it while it handles the error


def output_console(*, width: int | None = None) -> Console:
    """A console on standard output.

    Args:
        width: Columns where no terminal says how many there are.
    """
    return _Output(width=None if is_terminal(sys.stdout) else width)
