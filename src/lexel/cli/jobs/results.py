"""Writes results: chooses the output and its format, and flushes each result if someone waits for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import typer

from lexel.cli.terminal.messages import flush_output, is_terminal, note
from lexel.cli.terminal.progress import InputFiles, Watch, show_progress
from lexel.data.files import TextOutput, ending_of, open_output
from lexel.data.jsonl import json_line
from lexel.tasks.with_inputs import with_inputs
from lexel.visible import for_terminal

Record = TypeVar("Record")
Found = TypeVar("Found")
Write = Callable[[Any], None]

BOLD, DIM = "\x1b[1m", "\x1b[2m"
_PLAIN = "\x1b[0m"
JSON_ENDINGS = {".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Route:
    """The inputs and the output of a command.

    Attributes:
        places: The files; ``-`` is standard input.
        out: The file to write; ``-`` or ``None`` is standard output.
        line_buffered: Whether each result is written before the next record is read.
        by_line: Whether a record is a line, so that you can type it.
    """

    places: tuple[str, ...]
    out: str | None
    line_buffered: bool = False
    by_line: bool = True

    @property
    def asks_a_person(self) -> bool:
        """Whether records are typed on a terminal."""
        return self.by_line and "-" in self.places and is_terminal(sys.stdin)

    @property
    def is_conversation(self) -> bool:
        """Whether someone waits for each result before sending the next record."""
        return self.line_buffered or self.asks_a_person

    @property
    def may_wait(self) -> bool:
        """Whether records may arrive slowly, from a pipe or a terminal. Files are always read in the same batches."""
        return not all(map(os.path.isfile, self.places))

    @property
    def leaves_stderr_free(self) -> bool:
        """Whether a progress bar on stderr would not get mixed with results or typed lines."""
        return not goes_to_terminal(self.out) and not self.is_conversation

    @contextmanager
    def in_sight(self, files: InputFiles, *, is_quiet: bool) -> Iterator[Watch]:
        """Print a hint if records are typed; otherwise draw the progress."""
        if self.asks_a_person:
            note("type one record per line; Ctrl-D ends the input")
        with show_progress(files, is_wanted=not is_quiet and self.leaves_stderr_free) as watched:
            yield watched

    def write(self, results: Iterable[Any], writer: Callable[[TextOutput], Write]) -> None:
        """Write results as they arrive; in interactive use, flush each one before the next record is read.

        Raises:
            DataError: If one cannot be written.
        """
        with open_output(self.out or "-") as output:
            write = writer(output)
            for result in results:
                write(result)
                if self.is_conversation:
                    flush_output()


@dataclass(frozen=True, slots=True)
class Result:
    """The result for a record.

    Attributes:
        id: The record's id, if it has one.
        text: Its text.
        found: The result.
    """

    id: str | None
    text: str
    found: Any


def stream_found(
    records: Iterable[Record], read: Callable[[Iterable[Record]], Iterable[Found]], *, one_by_one: bool
) -> Iterator[tuple[Record, Found]]:
    """Each record with its result.

    Args:
        records: The records, read lazily.
        read: Returns the results of records, in order.
        one_by_one: Whether to return each result before the next record is read.
    """
    if one_by_one:
        for record in records:
            yield from stream_found([record], read, one_by_one=False)
        return
    yield from with_inputs(records, read)


def choose_format(to: str | None, out: str | None, *, endings: Mapping[str, str] | None = None) -> str:
    """The format of results: the option, else the view for terminals, else by the file's ending, else JSON lines.

    Args:
        to: The option.
        out: The file to write; ``-`` or ``None`` is standard output.
        endings: The formats by ending; empty if every file gets JSON lines.

    Raises:
        typer.BadParameter: If the ending is unknown.
    """
    if to is not None:
        return to
    if out in (None, "-"):
        return "terminal" if goes_to_terminal(out) else "jsonl"
    if endings is None:
        return "jsonl"
    ending = ending_of(str(out))
    if ending not in endings:
        expected = f"expected one of {', '.join(endings)}; or name the format with --to"
        raise typer.BadParameter(f"{out}: ending {ending!r}; {expected}", param_hint="--out")
    return endings[ending]


def json_writer(record_of: Callable[[Any], Mapping[str, Any]]) -> Callable[[TextOutput], Write]:
    """Write results as JSON lines: the id of each record, and its result."""
    return lambda output: lambda result: output.write(json_line({"id": result.id, **record_of(result.found)}))


def goes_to_terminal(out: str | None) -> bool:
    """Whether the output is a terminal."""
    return out in (None, "-") and is_terminal(sys.stdout)


def styler(output: TextOutput) -> Callable[[str, str], str]:
    """A function that styles text, on a terminal and without ``NO_COLOR`` (https://no-color.org)."""
    styled = output.is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return lambda text, style: f"{style}{text}{_PLAIN}" if styled and text else text


def on_one_line(text: str) -> str:
    """A text for one line of a terminal."""
    return for_terminal(text.replace("\n", " ").replace("\t", " "))
