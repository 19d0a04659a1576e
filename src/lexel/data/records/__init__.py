"""Records: texts with a name and any other columns, from tables and files that people have, and back.

    for record in open_records("news.csv.zst", columns=RecordColumns(text="body", keep=("date",))):
        print(record.place, record.id, record.text, record.fields["date"])
    write_records(records, "tagged.parquet")

A format is a row of ``RECORD_FORMATS``; ``scan_file`` cuts a file into slices, each record in exactly one of them, and
``open_records(path, part=...)`` reads one part. Packed files (gz, xz, bz2, zst) are unpacked on the way.
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
