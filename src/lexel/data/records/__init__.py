"""Reads and writes records: texts with an id and arbitrary other columns, in tables and other files.

    for record in open_records("news.csv.zst", columns=RecordColumns(text="body", keep=("date",))):
        print(record.place, record.id, record.text, record.fields["date"])
    write_records(records, "tagged.parquet")

Each format is a row of ``RECORD_FORMATS``. ``scan_file`` cuts a file into slices with each record in exactly one, and
``open_records(path, part=...)`` reads one slice. Compressed files (gz, xz, bz2, zst) are decompressed while reading.
"""

from lexel.data.records.opening import open_records, record_format, write_records
from lexel.data.records.record import Record, RecordColumns, columns_of_record
from lexel.data.records.rows import Slice
from lexel.data.records.slices import Scan, SliceReader, scan_file
from lexel.data.records.table import RECORD_FORMATS, RecordFormat

__all__ = [
    "RECORD_FORMATS",
    "Record",
    "RecordColumns",
    "RecordFormat",
    "Scan",
    "Slice",
    "SliceReader",
    "columns_of_record",
    "open_records",
    "record_format",
    "scan_file",
    "write_records",
]
