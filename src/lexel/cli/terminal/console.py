"""The console for tables: standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lexel.cli.terminal.messages import is_terminal
from lexel.visible import for_terminal


class _Output(Console):
    """A console that makes control characters visible, and lets the command handle a closed pipe."""

    def on_broken_pipe(self) -> None:
        raise  # rich calls it while it handles the error

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The output, with control characters of texts, labels and cards made visible."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else for_terminal(segment.text)
            yield Segment(text, segment.style, segment.control)


def output_console(*, width: int | None = None) -> Console:
    """A console on standard output.

    Args:
        width: Number of columns without a terminal.
    """
    return _Output(width=None if is_terminal(sys.stdout) else width)
