"""Progress of a command: a bar on stderr with the rate and the remaining time, on a terminal only."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from lexel.cli.terminal.messages import is_terminal
from lexel.data.files import COMPRESSED_ENDINGS, Source

if TYPE_CHECKING:
    from rich.progress import Progress, Task

_UNMEASURED_ENDINGS = (*COMPRESSED_ENDINGS, ".parquet")
_READ_BYTES = 1 << 16
_REDRAW_S = 0.1


class _File(io.FileIO):
    """A file that is read in small steps, so that its position shows the progress of the results."""

    def read(self, size: int | None = -1, /) -> bytes | None:  # type: ignore[override]
        return super().read(_READ_BYTES if size is None or size < 0 else min(size, _READ_BYTES))


class InputFiles:
    """The input files, and the number of bytes read.

    Attributes:
        total_bytes: Their total size; ``None`` if it is unknown or meaningless (pipes, compressed files).
    """

    def __init__(self, places: Sequence[str]) -> None:
        self._closed_bytes = 0
        self._file: _File | None = None
        measured = all(map(_is_measured, places))
        self.total_bytes = sum(Path(place).stat().st_size for place in places) if measured else None

    @property
    def read_bytes(self) -> int:
        """Bytes read so far."""
        return self._closed_bytes + (0 if self._file is None else self._file.tell())

    def open(self, place: str) -> AbstractContextManager[Source]:
        """The source for a reader; a file that cannot be measured or opened is passed on unchanged."""
        return self._opened(place) if self.total_bytes is not None else nullcontext(place)

    @contextmanager
    def _opened(self, place: str) -> Iterator[Source]:
        try:
            file = _File(place)
        except OSError:
            yield place  # the reader reports the error
            return
        with file:
            self._file = file
            yield file
            self._closed_bytes += file.tell()
            self._file = None


def _is_measured(place: str) -> bool:
    return place != "-" and Path(place).is_file() and not place.lower().endswith(_UNMEASURED_ENDINGS)


class _Read(Protocol):
    """Any result for a text."""

    @property
    def text(self) -> str: ...


R = TypeVar("R", bound=_Read)


class Watch(Protocol):
    """Passes results on, and draws the progress."""

    def __call__(self, results: Iterable[R], /) -> Iterator[R]: ...


@contextmanager
def show_progress(files: InputFiles, *, is_wanted: bool) -> Iterator[Watch]:
    """A function that passes results on and draws the progress.

    Args:
        files: The input.
        is_wanted: Whether to draw at all; nothing is drawn except on a terminal.
    """
    if not is_wanted or not is_terminal(sys.stderr):
        yield iter
        return
    with _bar() as bar:
        task = bar.add_task("", total=files.total_bytes, n_chars=0)

        def watch(results: Iterable[R], /) -> Iterator[R]:
            n_chars, due = 0, monotonic()
            for result in results:
                n_chars += len(result.text)
                if monotonic() >= due:
                    bar.update(task, completed=files.read_bytes, n_chars=n_chars)
                    due = monotonic() + _REDRAW_S
                yield result
            bar.update(task, completed=files.read_bytes, n_chars=n_chars)

        yield watch


@contextmanager
def show_count(total: int, *, what: str) -> Iterator[Callable[[int], None]]:
    """A function that draws how many of a known number are done, on a terminal only."""
    if not is_terminal(sys.stderr):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Number of characters, and characters per second."""

        def render(self, task: Task) -> Text:
            n_chars: Any = task.fields["n_chars"]
            rate = n_chars / task.elapsed if task.elapsed else 0
            return Text(f"{n_chars:,} chars  {rate:,.0f} chars/s")

    return Progress(
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        Rate(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        expand=True,
    )
