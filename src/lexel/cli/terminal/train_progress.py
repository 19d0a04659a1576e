"""Progress of training: a bar with the loss, the rate and the remaining time, and the table of evaluations."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.cli.terminal.messages import is_terminal
from lexel.training.loop.progress import NoProgress, Progress
from lexel.training.outcome.tables import columns_of, lines_of
from lexel.visible import for_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


@contextmanager
def show_training(*, is_wanted: bool) -> Iterator[Progress]:
    """The receiver of training's progress.

    Args:
        is_wanted: Whether to print anything; the bar is drawn on a terminal only, the table always.
    """
    if not is_wanted:
        yield NoProgress()
    elif is_terminal(sys.stderr):
        with _bar() as bar:
            yield _Shown(bar)
    else:
        yield _Shown(None)


class _Shown:
    """Prints the table's rows, above the bar if there is one."""

    def __init__(self, bar: Bar | None) -> None:
        self._bar = bar
        self._columns: list[str] = []

    def on_start(self, total: int, *, done: int = 0) -> None:
        """Draw the bar."""
        if self._bar is not None:
            self._bar.add_task("", total=total, completed=done, loss=float("nan"), rate=0.0)
        elif done:
            self._print(f"resuming after step {done:,} of {total:,}")

    def on_step(self, step: int, loss: float, rate: float) -> None:
        """Move it."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step, loss=loss, rate=rate)

    def on_evaluation(self, row: Mapping[str, Any]) -> None:
        """Print a row; titles come before the first row, and before a row with other columns."""
        columns = columns_of([row], short=True)
        is_new = not set(columns) <= set(self._columns)
        if is_new:
            self._columns = columns
        titles, line = lines_of([row], self._columns)
        if is_new:
            self._print(titles)
        self._print(line.rstrip())

    def on_save(self, path: Path) -> None:
        """Nothing: the folder is printed at the end."""

    def _print(self, line: str) -> None:
        line = for_terminal(line)
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False, soft_wrap=True)
        elif sys.stderr is not None:
            print(line, file=sys.stderr, flush=True)


def _bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
    from rich.text import Text

    class Figures(ProgressColumn):
        """The loss of the last step, and the rate so far."""

        def render(self, task: Task) -> Text:
            loss: Any = task.fields["loss"]
            rate: Any = task.fields["rate"]
            return Text(f"loss {loss:.4f}  {rate:,.0f} examples/s")

    return Progress(
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        Figures(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
    )
