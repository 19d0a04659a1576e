"""Where tables go: standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lexel.cli.terminal.messages import is_terminal
from lexel.visible import for_terminal


class _Output(Console):
    """A console that shows control characters, and leaves it to the command how it ends when nobody reads on."""

    def on_broken_pipe(self) -> None:
        raise  # rich calls it while it handles the error

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """What is drawn, with control characters of texts, labels and cards made visible."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else for_terminal(segment.text)
            yield Segment(text, segment.style, segment.control)


def output_console(*, width: int | None = None) -> Console:
    """A console on standard output.

    Args:
        width: Columns where no terminal says how many there are.
    """
    return _Output(width=None if is_terminal(sys.stdout) else width)
