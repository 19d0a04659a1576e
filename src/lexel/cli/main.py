"""The command ``lexel``."""

from __future__ import annotations

from lexel.cli.terminal.statuses import INTERRUPTED


def run() -> int:
    """Run the command line; gives its exit status.

    Importing the commands takes a tenth of a second, in which Ctrl-C is to end them as quietly as later.
    """
    try:
        from lexel.cli.app import run_app

        return run_app()
    except KeyboardInterrupt:
        return INTERRUPTED
