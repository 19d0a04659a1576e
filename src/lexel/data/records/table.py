"""The table of record formats."""

from __future__ import annotations

from dataclasses import dataclass

from lexel.data.records.csv import read_csv_rows, read_tsv_rows, write_csv_rows, write_tsv_rows
from lexel.data.records.json import read_json_rows, write_json_rows
from lexel.data.records.parquet import read_parquet_rows, write_parquet_rows
from lexel.data.records.rows import Cut, ReadRows, WriteRows
from lexel.data.records.text import read_text_rows, write_text_rows


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """A format of records.

    Attributes:
        name: Its name for ``--from`` and ``--to``.
        endings: File endings, without that of compression.
        read_rows: Its reader.
        write_rows: Its writer.
        cut: Where a file can be cut.
        has_header: Whether the first line names the columns.
    """

    name: str
    endings: tuple[str, ...]
    read_rows: ReadRows
    write_rows: WriteRows
    cut: Cut
    has_header: bool = False


_ROWS = (
    RecordFormat("text", (".txt",), read_text_rows, write_text_rows, "lines"),
    RecordFormat("jsonl", (".jsonl", ".ndjson", ".json"), read_json_rows, write_json_rows, "values"),
    RecordFormat("csv", (".csv",), read_csv_rows, write_csv_rows, "rows", has_header=True),
    RecordFormat("tsv", (".tsv", ".tab"), read_tsv_rows, write_tsv_rows, "lines", has_header=True),
    RecordFormat("parquet", (".parquet",), read_parquet_rows, write_parquet_rows, "table"),
)
RECORD_FORMATS: dict[str, RecordFormat] = {row.name: row for row in _ROWS}
