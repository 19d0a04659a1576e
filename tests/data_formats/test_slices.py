"""Slices: the records of all slices are those of the file, whatever its kind, packing and encoding."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.data import Faults
from lexel.data.packing import PACKINGS
from lexel.data.records import (
    RECORD_FORMATS,
    Record,
    RecordColumns,
    SliceReader,
    open_records,
    scan_file,
    write_records,
)
from lexel.errors import DataError

LINES = [f"line {n} {'x' * (n % 7)}\n" for n in range(50)]


def _lines(texts: list[str]) -> str:
    return "\n".join(texts)


def _jsonl(texts: list[str]) -> str:
    bad = ("", " ", "\u3000", "{", "[1]", '{"text": 1}')  # blank, and no records
    first = '{"text": "so that no bracket comes first"}\n'
    return first + "".join(f"{bad[len(one)] if len(one) < len(bad) else json.dumps({'text': one})}\n" for one in texts)


def _array(texts: list[str]) -> str:
    values = [json.dumps({"text": one, "n": [{}, one]}, ensure_ascii=False) if one else "1" for one in texts]
    return f" \n[{', '.join(values)}\n]\n"


def _csv(texts: list[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "n"])
    for number, text in enumerate(texts):
        if len(text) == 1:
            out.write('"a"b,1\n' if text == "," else "\n")
        writer.writerow([text, number])
    return out.getvalue()


def _tsv(texts: list[str]) -> str:
    return "text\tn\n" + "".join(f"{one}\t{n}\n" if one else "\n" for n, one in enumerate(texts))


KINDS: dict[str, Callable[[list[str]], str]] = {
    "a.txt": _lines, "a.jsonl": _jsonl, "a.json": _array, "a.csv": _csv, "a.tsv": _tsv,
}  # fmt: skip
TEXTS = st.lists(st.text(st.sampled_from('ab"\n\r\\,]他\u2028\t'), max_size=8), max_size=30)


def read(path: Path, **options: Any) -> Iterator[Any]:
    """The records of a file and what is wrong with the others, in the order of the file."""
    found: list[Any] = []
    faults = Faults("file", aside=lambda fault: found.append((fault["number"], fault["reason"], fault["record"])))
    for record in open_records(path, faults=faults, **options):
        yield from found
        found.clear()
        yield record
    yield from found
    yield from ["blank"] * faults.n_blank


def records_of(path: Path, **options: Any) -> list[Any]:
    return [one for one in read(path, **options) if one != "blank"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", KINDS)
@given(texts=TEXTS, records=st.integers(1, 7), most_bytes=st.sampled_from([1, 40, 1 << 20]))
def test_the_slices_of_a_file_hold_every_record_once(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    encoding: str,
    texts: list[str],
    records: int,
    most_bytes: int,
) -> None:
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(KINDS[name](texts).encode(encoding))
    format = RECORD_FORMATS["jsonl" if name == "a.json" else path.suffix[1:].replace("txt", "text")]
    scan = scan_file(str(path), format, records=records, most_bytes=most_bytes, encoding=encoding)
    assert scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    parts = [list(read(path, part=part, encoding=encoding)) for part in scan.slices]
    assert [len(part) for part in parts] == [one.count for one in scan.slices]
    found = [one for part in parts for one in part if one != "blank"]
    assert found == records_of(path, encoding=encoding)
    if "16" not in encoding and (name != "a.json" or encoding.startswith("utf-8")):
        assert all(part.count <= records for part in scan.slices)


@given(sizes=st.lists(st.integers(0, 9), max_size=8), records=st.integers(1, 7), order=st.randoms())
def test_the_slices_of_a_table_hold_every_row_once_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], records: int, order: Any
) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path_factory.mktemp("cut") / "a.parquet"
    number, schema = 0, pyarrow.schema([("text", pyarrow.string())])
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for size in sizes:
            writer.write_table(pyarrow.table({"text": [str(number + n) for n in range(size)]}, schema=schema))
            number += size
    slices = scan_file(str(path), RECORD_FORMATS["parquet"], records=records).slices
    assert [one.first for one in slices] == [0, *(one.first + one.count for one in slices)][: len(slices)]
    asked = list(slices)
    order.shuffle(asked)
    with closing(SliceReader()) as reader:
        found = {one.first: list(open_records(path, part=one, slices=reader)) for one in asked}
    assert [record.text for first in sorted(found) for record in found[first]] == [str(n) for n in range(number)]
    assert [record.place for first in sorted(found) for record in found[first]] == list(range(1, number + 1))


@pytest.mark.parametrize("packing", ["", *PACKINGS])
def test_slices_can_be_read_in_any_order_whatever_packs_the_file(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"a.txt{packing}"
    write_records([Record(line.rstrip("\n")) for line in LINES], path)
    scan = scan_file(str(path), RECORD_FORMATS["text"], records=7, most_bytes=1000)
    assert [one.count for one in scan.slices] == [7] * 7 + [1]
    assert (scan.bytes, scan.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    with closing(SliceReader()) as reader:
        for one in (*scan.slices, *reversed(scan.slices)):
            texts = [record.text + "\n" for record in open_records(path, part=one, slices=reader)]
            assert texts == LINES[one.first : one.first + one.count]


def test_a_packed_file_is_unpacked_once_for_slices_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress("".join(LINES).encode()))
    slices = scan_file(str(path), RECORD_FORMATS["text"], records=7).slices
    n_opened = 0

    def opened(*arguments: Any, **options: Any) -> Any:
        nonlocal n_opened
        n_opened += 1
        return plain(*arguments, **options)

    plain = gzip.GzipFile
    with closing(SliceReader()) as reader:
        first = list(open_records(path, part=slices[0], slices=reader))
        monkeypatch.setattr(gzip, "GzipFile", opened)
        others = [record for one in slices[2:] for record in open_records(path, part=one, slices=reader)]
    assert (len(first), len(others), n_opened) == (7, 36, 0)


def test_a_slice_ends_with_the_record_that_fills_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("aaaa\n" * 10, encoding="utf-8")
    scan = scan_file(str(path), RECORD_FORMATS["text"], records=100, most_bytes=12)
    assert [one.count for one in scan.slices] == [3, 3, 3, 1]


def test_a_long_cell_is_no_end_of_a_record(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,n\n"' + "a\n" * 100 + '",1\nb,2\n', encoding="utf-8")
    csv.field_size_limit(10)  # the reader sets its own
    assert [one.count for one in scan_file(str(path), RECORD_FORMATS["csv"], records=1).slices] == [1, 1]


def test_small_row_groups_stay_whole_and_large_ones_are_cut(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    with pyarrow.parquet.ParquetWriter(path, pyarrow.schema([("text", pyarrow.string())])) as writer:
        for size in (3, 3, 10, 2):
            writer.write_table(pyarrow.table({"text": ["a"] * size}))
    counts = [one.count for one in scan_file(str(path), RECORD_FORMATS["parquet"], records=4).slices]
    assert counts == [6, 4, 4, 4]


def test_columns_of_a_slice_are_those_that_were_asked_for(tmp_path: Path) -> None:
    path, columns = tmp_path / "a.csv", RecordColumns(text="body", id="nr", keep=("x",))
    path.write_text("nr;body;x;y\n1;a;2;3\n4;b;5;6\n", encoding="utf-8")
    scan = scan_file(str(path), RECORD_FORMATS["csv"], records=1, columns=columns)
    found = [record for part in scan.slices for record in open_records(path, part=part, columns=columns)]
    assert found == [Record("a", "1", None, {"x": "2"}, 2), Record("b", "4", None, {"x": "5"}, 3)]


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_packed_file_that_was_cut_off_is_named(tmp_path: Path, packing: str) -> None:
    path = tmp_path / f"a.jsonl{packing}"
    write_records([Record(line) for line in LINES], path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.jsonl.*: cannot be (unpacked|read)"):
        scan_file(str(path), RECORD_FORMATS["jsonl"], records=7)


def test_a_file_that_became_shorter_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\nb\nc\n", encoding="utf-8")
    *_, last = scan_file(str(path), RECORD_FORMATS["text"], records=1).slices
    path.write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt:3: .*the file ends 2 bytes before its slice does"):
        list(open_records(path, part=last))


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a\n", encoding="utf-8")
    (part,) = scan_file(str(path), RECORD_FORMATS["text"], records=1).slices
    path.unlink()
    with pytest.raises(DataError, match=r"a\.txt: is missing; expected a whole file. Put it back and run again"):
        list(open_records(path, part=part))
