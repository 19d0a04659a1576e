"""Vectors in tables: Parquet files (``lexel[parquet]``), and LanceDB databases (``lexel[lancedb]``).

Both have the columns ``id text start end label vector``; the schema's metadata describes how the vectors were made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lexel.data.files import Target, name_of, open_binary, write_errors
from lexel.data.parquet import first_line, load_pyarrow
from lexel.data.vector_records import Batch, Floats, VectorRecord
from lexel.errors import DataError, MissingExtra

TABLE = "vectors"
"""The table of a database."""

_MADE_KEY = b"lexel.vectors"
_GROUP_BYTES = 8 << 20


def write_parquet(batches: Iterable[Batch], out: Target, *, dims: int, made: Mapping[str, Any]) -> int:
    """Write vectors as a Parquet file; returns their number."""
    arrow, parquet = load_pyarrow()
    schema = _schema(arrow, dims, made)
    n, name = 0, name_of(out, standard="<stdout>")
    with open_binary(out) as stream, parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for records, vectors in _grouped(batches, dims):
            with write_errors(name):
                writer.write_table(_table(arrow, records, vectors, schema, name=name))
            n += len(records)
    return n


def write_database(batches: Iterable[Batch], folder: Path, *, dims: int, made: Mapping[str, Any], name: str) -> int:
    """Write vectors as the table ``vectors`` of a new LanceDB database; returns their number.

    Args:
        batches: The vectors to write, with their records.
        folder: An empty folder.
        dims: Width of a vector.
        made: How they were made.
        name: The final name of the database, for messages.
    """
    arrow, _ = load_pyarrow()
    schema = _schema(arrow, dims, made)
    tables = (_table(arrow, records, vectors, schema, name=name) for records, vectors in _grouped(batches, dims))
    rows = arrow.RecordBatchReader.from_batches(schema, (batch for table in tables for batch in table.to_batches()))
    n: int = _load_lancedb().connect(folder).create_table(TABLE, data=rows, schema=schema).count_rows()
    return n


def read_table(path: Path) -> tuple[Floats, Mapping[str, Any]]:
    """The vectors of a Parquet file or a database, and a description of how they were made.

    Raises:
        DataError: If it is neither.
    """
    schema = schema_of(path)
    metadata = schema.metadata or {}
    if _MADE_KEY not in metadata:
        raise DataError(f"{path}: holds no vectors; expected what lexel embed wrote")
    column = _columns(path, ["vector"])["vector"]
    chunks = [chunk.flatten().to_numpy() for chunk in column.chunks]
    values = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return values.reshape(-1, column.type.list_size), json.loads(metadata[_MADE_KEY])


def records_of_table(path: Path, rows: list[int]) -> dict[int, VectorRecord]:
    """The records of some rows."""
    table = _columns(path, list(VectorRecord._fields)).take(rows)
    return {row: VectorRecord(**record) for row, record in zip(rows, table.to_pylist(), strict=True)}


def schema_of(path: Path) -> Any:
    """The schema of a Parquet file, or of the table of a database.

    Raises:
        DataError: If it cannot be read.
    """
    if path.is_dir():
        with _table_errors(path):
            return _open_table(path).schema
    with _parquet_errors(path):
        return load_pyarrow()[1].read_schema(path)


def holds_vectors(path: Path) -> bool:
    """Whether a Parquet file has a column of vectors."""
    return _MADE_KEY in (schema_of(path).metadata or {})


def _columns(path: Path, names: list[str]) -> Any:
    if path.is_dir():
        with _table_errors(path):
            return _open_table(path).to_arrow().select(names)
    with _parquet_errors(path):
        return load_pyarrow()[1].read_table(path, columns=names)


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (load_pyarrow()[0].ArrowException, OSError) as error:
        found = f"cannot be read as Parquet ({first_line(error)})"
        raise DataError(f"{path}: {found}; expected a whole Parquet file") from error


def _open_table(path: Path) -> Any:
    with _table_errors(path):
        return _load_lancedb().connect(path).open_table(TABLE)


@contextmanager
def _table_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        raise DataError(
            f"{path}: no table {TABLE!r} that can be read ({first_line(error)}); expected what lexel embed wrote"
        ) from error


def _load_lancedb() -> Any:
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtra('LanceDB databases need lancedb: pip install "lexel[lancedb]"') from error
    return lancedb


def _schema(arrow: Any, dims: int, made: Mapping[str, Any]) -> Any:
    return arrow.schema(
        [
            *((name, arrow.string()) for name in ("id", "text")),
            *((name, arrow.int32()) for name in ("start", "end")),
            ("label", arrow.string()),
            ("vector", arrow.list_(arrow.float32(), dims)),
        ],
        metadata={_MADE_KEY: json.dumps(dict(made), ensure_ascii=False).encode()},
    )


def _grouped(batches: Iterable[Batch], dims: int) -> Iterator[tuple[list[VectorRecord], list[Floats]]]:
    """Batches combined until they fill a row group: their records, and their arrays."""
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
            f"{name}: lone surrogate U+{code:04X} in a text; a table cannot hold it; write a folder, or JSON lines"
        ) from error
    arrays.append(arrow.FixedSizeListArray.from_arrays(flat, schema.field("vector").type.list_size))
    return arrow.Table.from_arrays(arrays, schema=schema)
