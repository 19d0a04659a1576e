"""The command ``lexel``."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

from lexel.cli.terminal.statuses import FAILED, INTERRUPTED


def run() -> int:
    """Run the command line; returns its exit status.

    Importing the commands takes a tenth of a second; Ctrl-C must end the program quietly in this time too.
    """
    status = _run()
    if any(thread.name == READER for thread in threading.enumerate()):
        _leave(status)
    return status


READER = "lexel-source"
"""The thread that waits for the next record of a live source (``lexel.tasks.gathering``)."""


def _run() -> int:
    try:
        from lexel.cli.app import run_app

        return run_app()
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as ending:  # a signal
        return ending.code if isinstance(ending.code, int) else FAILED


def _leave(status: int) -> None:
    """End the process at once.

    A thread that waits for standard input holds its lock. Python's own exit would want that lock, and abort.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)
