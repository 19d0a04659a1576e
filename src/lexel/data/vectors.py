"""Vectors in files, each with what it is of: a folder for NumPy, Parquet (needs ``lexel[parquet]``), or JSON lines.

    news-vectors/               a folder: any name without an ending
        vectors.npy             float32 [rows, dims]; np.load(..., mmap_mode="r") opens it at once
        records.jsonl           line n says what row n is of: {"id", "text"}, of a part also "start", "end", "label"
        vectors.json            how they were made
    news.parquet                columns id, text, start, end, label, vector; how they were made is in the metadata
    news.jsonl                  {"id", "text", "vector"}: for other programs; it cannot be searched

Everything is written as it comes, under another name until it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.data.files import Target, name_of, open_binary, open_output, write_errors
from lexel.data.jsonl import json_line
from lexel.data.parquet import load_pyarrow
from lexel.disk import Part, new_folder_like, sync
from lexel.errors import DataError

VectorFormat = Literal["npy", "parquet", "jsonl"]
VECTORS, RECORDS, MADE = "vectors.npy", "records.jsonl", "vectors.json"
_MADE_KEY = b"lexel.vectors"
_GROUP_BYTES = 8 << 20
_DIGITS = 9  # as many as tell any two float32 apart

Floats = NDArray[np.float32]


class VectorRecord(NamedTuple):
    """What a vector is of: a text, or the part ``[start, end)`` of one, with its label if it has one."""

    id: str | None
    text: str
    start: int | None = None
    end: int | None = None
    label: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is written: a whole text has neither offsets nor label."""
        parts = {} if self.start is None else {"start": self.start, "end": self.end, "label": self.label}
        return {"id": self.id, "text": self.text, **parts}


Batch = tuple[Sequence[VectorRecord], Floats]
"""Records and their vectors, ``[records, dims]``."""


def vector_format(out: Target) -> VectorFormat:
    """The format that a target's ending says: none is a folder.

    Raises:
        DataError: If it is another.
    """
    name = name_of(out, standard="<stdout>")
    if not isinstance(out, str | os.PathLike) or out == "-":
        return "jsonl"
    ending = Path(name.removesuffix(".gz").removesuffix(".xz")).suffix.lower()
    if ending in (".jsonl", ".ndjson", ".json"):
        return "jsonl"
    if ending in ("", ".parquet"):
        return "parquet" if ending else "npy"
    advice = "vectors go with their texts: a folder (a name without an ending), .parquet or .jsonl"
    raise DataError(f"{name}: ending {ending!r}; {advice}")


def write_vectors(
    batches: Iterable[Batch], out: Target, *, dims: int, made: Mapping[str, Any], format: VectorFormat | None = None
) -> int:
    """Write vectors with their records; gives how many.

    Args:
        batches: What to write, in order.
        out: A path, ``"-"`` or an open stream; a folder must be new, or one that this function wrote.
        dims: Width of a vector.
        made: How they were made, for whoever reads them; JSON lines do not hold it.
        format: By default what the ending says.

    Raises:
        DataError: If it cannot be written there.
        MissingExtra: If pyarrow is not installed, for Parquet.
    """
    format = vector_format(out) if format is None else format
    if format == "npy":
        if not isinstance(out, str | os.PathLike) or out == "-":
            raise DataError("<stdout>: a folder cannot be written there; give its name with --out")
        return _write_folder(batches, Path(out), dims=dims, made=made)
    if format == "parquet":
        return _write_parquet(batches, out, dims=dims, made=made)
    return _write_lines(batches, out)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Vectors from a file.

    Attributes:
        path: Where they are.
        values: ``[rows, dims]``; of a folder, mapped from the disk.
        made: How they were made.
    """

    path: Path
    values: Floats
    made: Mapping[str, Any]

    def records(self, rows: Iterable[int]) -> dict[int, VectorRecord]:
        """What some rows are of."""
        wanted = set(rows)
        if self.path.is_dir():
            return _records_of_lines(self.path / RECORDS, wanted)
        return _records_of_parquet(self.path, sorted(wanted))


def open_vectors(path: str | os.PathLike[str]) -> Vectors:
    """Open what ``write_vectors`` wrote as a folder or as Parquet.

    Raises:
        DataError: If it is not that, or not whole.
        MissingExtra: If pyarrow is not installed, for Parquet.
    """
    place = Path(path)
    if place.is_dir():
        return _open_folder(place)
    if place.suffix.lower() == ".parquet" and place.is_file():
        return _open_parquet(place)
    found = "no such folder or file" if not place.exists() else "not a folder, and not .parquet"
    raise DataError(f"{place}: {found}; expected vectors that lexel embed wrote")


def holds_vectors(path: str | os.PathLike[str]) -> bool:
    """Whether this is the name of vectors, by its looks: a folder, or a Parquet file with a column of them."""
    place = Path(path)
    if place.suffix.lower() != ".parquet" or not place.is_file():
        return place.is_dir()
    return _MADE_KEY in (_schema_of(place).metadata or {})


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


def _write_header(array: BinaryIO, n: int, dims: int) -> None:
    """The header of an array of ``n`` rows; it has the same length for every ``n``."""
    np.lib.format.write_array_header_1_0(
        array, {"descr": "<f4", "fortran_order": False, "shape": (n, dims)}
    )  # which leaves room for the first number to grow


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write in that appears under its name when all is well; one of vectors that was there is replaced.

    Raises:
        DataError: If something else has the name, or the disk refuses.
    """
    if folder.exists() and not (folder / MADE).is_file():
        raise DataError(f"{folder}: is there, and holds no vectors; nothing was overwritten; choose another name")
    final = Path(os.path.realpath(folder))
    with write_errors(str(folder)):
        part = Part(final, new_folder_like(final))
    with part:
        os.close(part.descriptor)
        yield part.path
        with write_errors(str(folder)):
            sync(part.path.iterdir())
            old = part.path.with_suffix(".old")
            if final.exists():
                final.rename(old)
            part.path.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _open_folder(folder: Path) -> Vectors:
    try:
        made = json.loads((folder / MADE).read_text("utf-8"))
        values = np.load(folder / VECTORS, mmap_mode="r" if made["count"] else None, allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
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
        raise DataError(f"{path}: cannot be read ({error}); expected one record a line") from error
    if len(found) < len(wanted):
        raise DataError(f"{path}: ends before line {min(wanted - found.keys()) + 1}; expected one record a vector")
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
    """Numbers as they are written: as many digits as float32 holds."""
    return [float(f"{value:.{_DIGITS}g}") for value in vector.tolist()]


# Parquet -------------------------------------------------------------------------------------------------------------


def _write_parquet(batches: Iterable[Batch], out: Target, *, dims: int, made: Mapping[str, Any]) -> int:
    arrow, parquet = load_pyarrow()
    schema = arrow.schema(
        [
            *((name, arrow.string()) for name in ("id", "text")),
            *((name, arrow.int32()) for name in ("start", "end")),
            ("label", arrow.string()),
            ("vector", arrow.list_(arrow.float32(), dims)),
        ],
        metadata={_MADE_KEY: json.dumps(dict(made), ensure_ascii=False).encode()},
    )
    n, name = 0, name_of(out, standard="<stdout>")
    with open_binary(out) as stream, parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for records, vectors in _grouped(batches, dims):
            with write_errors(name):
                writer.write_table(_table(arrow, records, vectors, schema, name=name))
            n += len(records)
    return n


def _grouped(batches: Iterable[Batch], dims: int) -> Iterator[tuple[list[VectorRecord], list[Floats]]]:
    """Batches put together until they are worth a row group: their records, and their arrays."""
    most = max(1, _GROUP_BYTES // (4 * dims))
    records: list[VectorRecord] = []
    vectors: list[Floats] = []
    for some, their_vectors in batches:
        records += some
        vectors.append(their_vectors)
        if len(records) >= most:
            yield records, vectors
            records, vectors = [], []
    if records:
        yield records, vectors


def _table(arrow: Any, records: list[VectorRecord], vectors: list[Floats], schema: Any, *, name: str) -> Any:
    columns = dict(zip(VectorRecord._fields, zip(*records, strict=True), strict=True))
    flat = arrow.array(np.concatenate(vectors).reshape(-1))
    try:
        arrays = [arrow.array(columns[field.name], field.type) for field in list(schema)[:-1]]
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise DataError(
            f"{name}: lone surrogate U+{code:04X} in a text; Parquet cannot hold it; write a folder, or JSON lines"
        ) from error
    arrays.append(arrow.FixedSizeListArray.from_arrays(flat, schema.field("vector").type.list_size))
    return arrow.Table.from_arrays(arrays, schema=schema)


def _open_parquet(path: Path) -> Vectors:
    _, parquet = load_pyarrow()
    metadata = _schema_of(path).metadata or {}
    if _MADE_KEY not in metadata:
        raise DataError(f"{path}: holds no vectors; expected Parquet that lexel embed wrote")
    column = parquet.read_table(path, columns=["vector"])["vector"]
    chunks = [chunk.flatten().to_numpy() for chunk in column.chunks]
    dims = column.type.list_size
    values = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return Vectors(path, values.reshape(-1, dims), json.loads(metadata[_MADE_KEY]))


def _records_of_parquet(path: Path, rows: list[int]) -> dict[int, VectorRecord]:
    _, parquet = load_pyarrow()
    table = parquet.read_table(path, columns=list(VectorRecord._fields)).take(rows)
    return {row: VectorRecord(**record) for row, record in zip(rows, table.to_pylist(), strict=True)}


def _schema_of(path: Path) -> Any:
    arrow, parquet = load_pyarrow()
    try:
        return parquet.read_schema(path)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({error}); expected a whole Parquet file") from error
