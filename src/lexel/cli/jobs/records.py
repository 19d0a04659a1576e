"""Reads records from files: checks the files, chooses formats, and keeps the place of each record for messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from lexel.cli.jobs.outputs import grown, replaced
from lexel.cli.options.groups import InputOptions
from lexel.cli.terminal.progress import InputFiles
from lexel.data import FORMATS, Faults, Format, Losses, format_of_file
from lexel.data.annotated import is_brat_folder
from lexel.data.files import Source, name_of
from lexel.data.following import GrowingFile
from lexel.data.records import Record, RecordColumns, open_records
from lexel.document import Document
from lexel.errors import DataError

_LINE_A_RECORD = ("segmented",)


class Placed(NamedTuple):
    """A record and its place."""

    where: str
    record: Record

    @property
    def document(self) -> Document:
        """The record's text and annotation."""
        return self.record.as_document


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files of records.

    Attributes:
        sources: The files, each with its format.
        options: How they are read.
        keep: The other columns of a record to copy to the output.
        follows: Whether to keep reading a file as it grows.
    """

    sources: tuple[tuple[str, Format], ...]
    options: InputOptions
    keep: str | tuple[str, ...] = "none"
    follows: bool = False

    @property
    def places(self) -> tuple[str, ...]:
        """The files; ``-`` is standard input."""
        return tuple(place for place, _ in self.sources)

    def read(self, files: InputFiles, losses: Losses, faults: Faults) -> Iterator[Placed]:
        """The records of all files, in order.

        Raises:
            DataError: If one cannot be read, or is too long.
        """
        for place, format in self.sources:
            yield from self.read_file(place, format, files=files, losses=losses, faults=faults)

    def read_file(
        self, place: str, format: Format, *, files: InputFiles, losses: Losses, faults: Faults
    ) -> Iterator[Placed]:
        """The records of one of the files."""
        with self._opened(place, format, files) as source:
            if format.records is None:
                yield from self._documents(place, source, format, losses=losses, faults=faults)
                return
            columns = RecordColumns(self.options.text_column, self.options.id_column, self.keep)
            encoding, name = self.options.encoding, format.name
            for record in open_records(source, format=name, columns=columns, encoding=encoding, faults=faults):
                where = f"{name_of(place)}:{record.place}"
                if is_short_enough(len(record.text), faults, where=where, limit=self.options.max_chars):
                    yield Placed(where, record)

    def _opened(self, place: str, format: Format, files: InputFiles) -> AbstractContextManager[Source]:
        if format.by_path:
            return nullcontext(place)
        return (
            closing(cast(IO[Any], GrowingFile(place, encoding=self.options.encoding)))
            if self.follows
            else files.open(place)
        )

    def _documents(
        self, place: str, source: Source, format: Format, *, losses: Losses, faults: Faults
    ) -> Iterator[Placed]:
        if format.reader is None:
            return
        reader: Any = format.reader
        options = {"repair": True} if format.has_tags else {}  # tags of the input are dropped
        at = name_of(place) + (":" if format.name in _LINE_A_RECORD else ": record ")
        before, n_long = faults.count, 0  # the reader also skips records, which have their own numbers
        documents = reader(source, encoding=self.options.encoding, losses=losses, faults=faults, **options)
        for n_read, document in enumerate(documents, 1):
            number = n_read + faults.count - before - n_long
            where = f"{at}{number}"
            if is_short_enough(len(document.text), faults, where=where, limit=self.options.max_chars):
                yield Placed(where, Record(document.text, document.id, document, place=number))
            else:
                n_long += 1


def find_inputs(
    files: Sequence[str] | None, input: InputOptions, *, out: str | None = None, keep: str = "none"
) -> Inputs:
    """The input files of a command, and their formats.

    Args:
        files: The files to read; ``-`` or no file means standard input.
        input: How they are read.
        out: The file to write; ``-`` or ``None`` is standard output.
        keep: The other columns to copy to the output: ``all``, ``none``, or names separated by commas.

    Raises:
        DataError: If a file cannot be read or written.
    """
    places = tuple(files or ("-",))
    check_places(places, out)
    kept = keep if keep in ("all", "none") else tuple(name.strip() for name in keep.split(","))
    return Inputs(tuple((place, _format_of(place, input)) for place in places), input, kept)


def _format_of(place: str, input: InputOptions) -> Format:
    if input.from_ is not None:
        return FORMATS[input.from_]
    if place == "-":
        return FORMATS["text"]
    try:
        format = format_of_file(place)
    except DataError:  # any other ending means text
        return FORMATS["text"]
    if format.reader is None:
        raise DataError(f"{place}: {format.name} is only written; expected text, or name the format with --from")
    return format


def check_places(places: Sequence[str], out: str | None) -> None:
    """Check the inputs and the output; all problems are reported together.

    Args:
        places: The files to read; ``-`` is standard input.
        out: The file to write; ``-`` or ``None`` is standard output.

    Raises:
        DataError: If one of them cannot be read or written.
    """
    problems = [problem for place in places if (problem := _unreadable(place))]
    if out in (None, "-"):
        if sys.stdout is None:
            problems.append("standard output is closed; expected somewhere to write, or --out FILE")
        problems += [problem for place in places if place != "-" and (problem := grown(place))]
    else:
        target = Path(str(out))
        if target.is_dir():
            problems.append(f"{target}: is a folder; expected the name of a file to write")
        elif not target.parent.is_dir():
            problems.append(f"{target}: there is no folder {str(target.parent)!r}; create it first")
        problems += [problem for place in places if (problem := replaced(place, target))]
    if problems:
        raise DataError("; ".join(problems))


_ENDING = re.compile(r"\.[A-Za-z0-9]{1,10}$")
"""The ending of a file's name: an argument with an ending was not meant as a text."""


def _unreadable(place: str) -> str | None:
    if place == "-":
        return "standard input is closed; expected text" if sys.stdin is None else None
    if not Path(place).exists():
        is_text = any(char.isspace() or not char.isascii() for char in place) and not _ENDING.search(place)
        return f"{place}: no such file" + ("; to read a text, use: echo TEXT | lexel COMMAND" if is_text else "")
    is_folder = Path(place).is_dir() and not is_brat_folder(place)
    return f"{place}: is a folder; expected files" if is_folder else None


def is_short_enough(n_chars: int, faults: Faults, *, where: str, limit: int | None) -> bool:
    """Whether a record is within ``--max-chars``; a longer one counts as a bad record.

    Raises:
        DataError: If reading stops at bad records; the message has the place.
    """
    if limit is None or n_chars <= limit:
        return True
    faults.take(DataError(f"{where}: {n_chars:,} characters; expected at most {limit:,} (--max-chars)"))
    return False
