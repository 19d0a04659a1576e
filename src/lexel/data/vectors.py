"""Reads and writes vectors with their source texts: a folder for NumPy, a table (Parquet, LanceDB), or JSON lines.

    news-vectors/               a folder: any name without an ending
        vectors.npy             float32 [rows, dims]; np.load(..., mmap_mode="r") opens it at once
        records.jsonl           line n is the source of row n: {"id", "text"}, and "start", "end", "label" for a part
        vectors.json            how they were made
    news.parquet                columns id, text, start, end, label, vector; how they were made is in the metadata
    news.lancedb/               a LanceDB database with the table ``vectors`` of the same columns
    news.jsonl                  {"id", "text", "vector"}: for other programs; it cannot be searched

Everything is streamed to disk, under a temporary name until it is complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from lexel.data.files import Target, ending_of, name_of, open_output, write_errors
from lexel.data.jsonl import json_line
from lexel.data.vector_records import Batch, Floats, VectorRecord
from lexel.data.vector_tables import TABLE, read_table, records_of_table, write_database, write_parquet
from lexel.data.vector_tables import holds_vectors as holds_vectors_column
from lexel.disk import Part, follow_umask, new_folder_like, refused, sync
from lexel.errors import DataError

__all__ = [
    "Batch",
    "VectorFormat",
    "VectorRecord",
    "Vectors",
    "holds_vectors",
    "open_vectors",
    "vector_format",
    "write_vectors",
]

VectorFormat = Literal["npy", "parquet", "lancedb", "jsonl"]
VECTORS, RECORDS, MADE = "vectors.npy", "records.jsonl", "vectors.json"
_DIGITS = 9  # enough to distinguish any two float32


def vector_format(out: Target) -> VectorFormat:
    """The format for a target's ending; without an ending it is a folder.

    Raises:
        DataError: If the ending is unknown.
    """
    name = name_of(out, standard="<stdout>")
    if not isinstance(out, str | os.PathLike) or out == "-":
        return "jsonl"
    ending = ending_of(name)
    if ending in (".jsonl", ".ndjson", ".json"):
        return "jsonl"
    if ending in ("", ".parquet", ".lancedb"):
        return "parquet" if ending == ".parquet" else "lancedb" if ending else "npy"
    advice = "vectors go with their texts: a folder (a name without an ending), .parquet, .lancedb or .jsonl"
    raise DataError(f"{name}: ending {ending!r}; {advice}")


def write_vectors(
    batches: Iterable[Batch], out: Target, *, dims: int, made: Mapping[str, Any], format: VectorFormat | None = None
) -> int:
    """Write vectors with their records; returns their number.

    Args:
        batches: The vectors to write, in order, with their records.
        out: A path, ``"-"`` or an open stream; a folder must be new, or written by this function.
        dims: Width of a vector.
        made: How they were made, for readers; JSON lines do not hold it.
        format: By default, the format for the ending.

    Raises:
        DataError: If it cannot be written there.
        MissingExtra: If the library of a table is not installed.
    """
    format = vector_format(out) if format is None else format
    if format in ("npy", "lancedb"):
        if not isinstance(out, str | os.PathLike) or out == "-":
            raise DataError("<stdout>: a folder cannot be written there; give its name with --out")
        write = _write_folder if format == "npy" else _write_database
        return write(batches, Path(out), dims=dims, made=made)
    if format == "parquet":
        return write_parquet(batches, out, dims=dims, made=made)
    return _write_lines(batches, out)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors from a file.

    Attributes:
        path: Where they are.
        values: ``[rows, dims]``; for a folder, memory-mapped.
        made: How they were made.
    """

    path: Path
    values: Floats
    made: Mapping[str, Any]

    def records(self, rows: Iterable[int]) -> dict[int, VectorRecord]:
        """The records of some rows."""
        wanted = set(rows)
        if _is_table(self.path):
            return records_of_table(self.path, sorted(wanted))
        return _records_of_lines(self.path / RECORDS, wanted)


def open_vectors(path: str | os.PathLike[str]) -> Vectors:
    """Open a folder or a table that ``write_vectors`` wrote.

    Raises:
        DataError: If it is something else, or incomplete.
        MissingExtra: If the library of a table is not installed.
    """
    place = Path(path)
    if _is_table(place):
        return Vectors(place, *read_table(place))
    if place.is_dir():
        return _open_folder(place)
    found = "no such folder or file" if not place.exists() else "not a folder, and not .parquet"
    raise DataError(f"{place}: {found}; expected vectors that lexel embed wrote")


def holds_vectors(path: str | os.PathLike[str]) -> bool:
    """Whether this looks like stored vectors: a folder, or a Parquet file with a column of vectors."""
    place = Path(path)
    if place.suffix.lower() != ".parquet" or not place.is_file():
        return place.is_dir()
    return holds_vectors_column(place)


def _is_table(place: Path) -> bool:
    """Whether this is a Parquet file or a database, by its name."""
    ending = place.suffix.lower()
    return (ending == ".parquet" and place.is_file()) or (ending == ".lancedb" and place.is_dir())


# A folder ------------------------------------------------------------------------------------------------------------


def _write_folder(batches: Iterable[Batch], folder: Path, *, dims: int, made: Mapping[str, Any]) -> int:
    n = 0
    with _whole_folder(folder) as part:
        with open(part / VECTORS, "xb") as array, open_output(part / RECORDS) as records:
            _write_header(array, 0, dims)
            for lines, vectors in batches:
                with write_errors(str(folder)):
                    array.write(np.ascontiguousarray(vectors, "<f4").data)
                records.write("".join(json_line(record.to_json()) for record in lines))
                n += len(vectors)
            array.seek(0)
            _write_header(array, n, dims)
        (part / MADE).write_text(json.dumps({**made, "count": n}, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return n


def _write_database(batches: Iterable[Batch], folder: Path, *, dims: int, made: Mapping[str, Any]) -> int:
    marker = f"{TABLE}.lance"
    others = [path.name for path in folder.iterdir() if path.name != marker] if folder.is_dir() else []
    if others:
        raise DataError(f"{folder}: also has {others[0]}; nothing was overwritten; choose another name")
    with _whole_folder(folder, marker=marker) as part:
        return write_database(batches, part, dims=dims, made=made, name=str(folder))


def _write_header(array: BinaryIO, n: int, dims: int) -> None:
    """The header of an array of ``n`` rows; its length is the same for every ``n``."""
    np.lib.format.write_array_header_1_0(
        array, {"descr": "<f4", "fortran_order": False, "shape": (n, dims)}
    )  # leaves room for the first number to grow


@contextmanager
def _whole_folder(folder: Path, *, marker: str = MADE) -> Iterator[Path]:
    """A folder to write to, which gets its name only on success; an existing folder of vectors is replaced.

    Raises:
        DataError: If something else has the name, or writing fails.
    """
    if folder.exists() and not (folder / marker).exists():
        raise DataError(f"{folder}: exists and has no vectors; nothing was overwritten; choose another name")
    final = Path(os.path.realpath(folder))
    with write_errors(str(folder)):
        part = Part(final, new_folder_like(final))
    with part:
        os.close(part.descriptor)
        yield part.path
        with write_errors(str(folder)):
            follow_umask(part.path)
            sync(path for path in part.path.rglob("*") if path.is_file())
            old = part.path.with_suffix(".old")
            if final.exists():
                final.rename(old)
            part.path.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _open_folder(folder: Path) -> Vectors:
    try:
        made = json.loads((folder / MADE).read_text("utf-8"))
        values = np.load(folder / VECTORS, mmap_mode="r" if made["count"] else None, allow_pickle=False)
    except OSError as error:
        raise DataError(
            f"{error.filename or folder}: {refused(error, doing='read')}; expected in a folder that lexel embed wrote"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder}: cannot be read ({error}); expected a folder that lexel embed wrote") from error
    if values.ndim != 2 or len(values) != made["count"] or values.dtype != np.float32:
        raise DataError(
            f"{folder / VECTORS}: {values.dtype} of shape {values.shape}; {MADE} says {made['count']} rows of float32"
        )
    return Vectors(folder, values, made)


def _records_of_lines(path: Path, wanted: set[int]) -> dict[int, VectorRecord]:
    found: dict[int, VectorRecord] = {}
    try:
        with open(path, encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines):
                if number in wanted:
                    found[number] = VectorRecord(**json.loads(line))
                    if len(found) == len(wanted):
                        break
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: {refused(error, doing='read')}; expected one record per line") from error
    if len(found) < len(wanted):
        raise DataError(f"{path}: ends before line {min(wanted - found.keys()) + 1}; expected one record per vector")
    return found


# JSON lines ----------------------------------------------------------------------------------------------------------


def _write_lines(batches: Iterable[Batch], out: Target) -> int:
    n = 0
    with open_output(out) as output:
        for records, vectors in batches:
            for record, vector in zip(records, vectors, strict=True):
                output.write(json_line({**record.to_json(), "vector": _numbers(vector)}))
            n += len(vectors)
    return n


def _numbers(vector: Floats) -> list[float]:
    """Numbers in their written form, with as many digits as float32 holds."""
    return [float(f"{value:.{_DIGITS}g}") for value in vector.tolist()]
