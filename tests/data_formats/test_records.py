"""Records: tables, JSON and text in and out, packed or not, whole or in slices."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from lexel.data import Faults
from lexel.data.packing import PACKINGS
from lexel.data.records import (
    RECORD_FORMATS,
    Record,
    RecordColumns,
    open_records,
    write_records,
)
from lexel.document import Document, Spans, Words
from lexel.errors import DataError, OptionError

TEXT = '他在𠮷野家，"說"\n好'
TABLES = ("csv", "jsonl", "parquet")


def annotated(text: str = TEXT, id: str | None = "s1") -> Document:
    words = Words.of(text, [(0, 1), (1, 2), (2, 5)], ["PRON", "ADP", "PROPN"])
    return Document(text, words, Spans.of(text, [(2, 5, "ORG")]), id=id)


def named(name: str) -> str:
    return next(iter(RECORD_FORMATS[name].endings))


@pytest.mark.parametrize("packing", ["", *PACKINGS])
@pytest.mark.parametrize("name", TABLES)
def test_a_record_comes_back_with_its_annotation_and_its_other_columns(tmp_path: Path, name: str, packing: str) -> None:
    path = tmp_path / f"a{named(name)}{'' if name == 'parquet' else packing}"
    written = [
        Record(TEXT, "s1", annotated(), {"date": "2026-01-02", "作者": "王"}),
        Record("", None, Document("", Words.of("", [])), {"date": None, "作者": "x,\ty"}),
    ]
    write_records(written, path)
    first, second = open_records(path)
    assert (first.id, first.text, first.fields) == ("s1", TEXT, written[0].fields)
    assert first.as_document.words == annotated().words
    assert first.as_document.entities == annotated().entities
    assert (second.id, second.text, second.fields["作者"]) == (None, "", "x,\ty")
    assert second.as_document.layers == frozenset(("words",))


def test_tsv_cells_are_taken_as_they_stand() -> None:
    (record,) = open_records(io.StringIO('id\ttext\tnote\n1\t說"好"\t"a\n'), format="tsv")
    assert record == Record('說"好"', "1", None, {"note": '"a'}, 2)


def test_what_tsv_cannot_hold_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a cell has a tab or a line end"):
        write_records([Record("a\tb")], tmp_path / "a.tsv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_is_separated_by_what_finds_the_text_in_the_header(delimiter: str) -> None:
    source = io.StringIO(f"nr{delimiter}text\n7{delimiter}我在\n")
    (record,) = open_records(source, format="csv", columns=RecordColumns(id="nr"))
    assert (record.id, record.text) == ("7", "我在")


def test_the_place_of_a_csv_record_is_the_line_where_it_begins() -> None:
    source = io.StringIO('text,n\n"a\nb",1\nc,2\n')
    assert [(record.text, record.place) for record in open_records(source, format="csv")] == [("a\nb", 2), ("c", 4)]


def test_a_bad_row_is_skipped_and_those_behind_it_are_read() -> None:
    faults = Faults("skip")
    source = io.StringIO('text,n\na,1\nb\n"c"x,3\nd,4\n')
    assert [record.text for record in open_records(source, format="csv", faults=faults)] == ["a", "d"]
    assert (faults.count, faults.first) == (2, "<stream>:3: 1 cells, the header names 2 columns; expected as many")


@pytest.mark.parametrize(
    ("format", "source", "message"),
    [
        ("csv", "body,n\na,1\n", "no column 'text' among 'body', 'n'; .* name the text column with --text-column"),
        ("csv", "text,text\na,1\n", "column 'text' twice"),
        ("jsonl", '{"body": "a"}\n', "<stream>:1: no 'text'; expected the text .* --text-column .body."),
        ("jsonl", '{"text": 1}\n', "<stream>:1: 'text' is a number"),
        ("jsonl", "{\n", "<stream>:1: not JSON"),
        ("jsonl", '[{"text": "a"}, {"text": 1}]', "<stream>:2: 'text' is a number"),
        ("jsonl", '[{"text": "a"}, {"text"', "ends inside its array"),
        ("jsonl", '[{"text": "a"}] []', "after the array"),
        ("jsonl", '{"text": "a", "id": [1]}', "'id' is a list"),
        ("jsonl", '{"text": "a", "words": [[0, 5]]}', r"words\[0\] is \[0, 5\]"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(format: str, source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(open_records(io.StringIO(source), format=format))


def test_the_error_of_a_record_knows_where_it_stands() -> None:
    with pytest.raises(DataError) as caught:
        list(open_records(io.StringIO('{"text": "a"}\n{"text": }\n'), format="jsonl"))
    assert (caught.value.file, caught.value.number, caught.value.record) == ("<stream>", 2, '{"text": }')


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("indent", [None, 1])
def test_an_array_is_read_element_by_element(separators: tuple[str, str], indent: int | None) -> None:
    objects = [{"text": f'[{"他" * i}"\\', "n": {"a": [i, {}]}} for i in range(9)]
    text = json.dumps(objects, indent=indent, separators=separators, ensure_ascii=False)
    records = list(open_records(io.BytesIO(b"\xef\xbb\xbf \n" + text.encode()), format="jsonl"))
    assert [record.text for record in records] == [one["text"] for one in objects]
    assert [record.fields["n"] for record in records] == [one["n"] for one in objects]


def test_an_array_is_read_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.data.files.BLOCK_BYTES", 3)
    text = json.dumps([{"text": 'a"b\\'}, {"text": "在"}], ensure_ascii=False)
    assert [record.text for record in open_records(io.BytesIO(text.encode()), format="jsonl")] == ['a"b\\', "在"]


@pytest.mark.parametrize(("keep", "kept"), [("all", {"a": 1, "b": 2}), ("none", {}), (("b", "c"), {"b": 2})])
def test_the_columns_that_are_asked_for_are_kept(tmp_path: Path, keep: Any, kept: dict[str, int]) -> None:
    for name in ("jsonl", "parquet"):
        path = tmp_path / f"a{named(name)}"
        write_records([Record("x", "1", None, {"a": 1, "b": 2})], path)
        (record,) = open_records(path, columns=RecordColumns(keep=keep))
        assert record.fields == kept


def test_a_kept_column_never_takes_the_name_of_a_result() -> None:
    source = io.StringIO('{"text": "title", "body": "a", "words": 7}\n')
    (record,) = open_records(source, format="jsonl", columns=RecordColumns(text="body"))
    assert record.fields == {"input_text": "title", "input_words": 7}


def test_names_of_columns_are_checked() -> None:
    with pytest.raises(OptionError, match="keep 'some'"):
        RecordColumns(keep="some")


def test_a_packed_file_that_is_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    write_records([Record(str(i) * 50) for i in range(3000)], path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"cannot be read any further .the file ends inside a frame"):
        list(open_records(path))


def test_a_file_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    path, both = tmp_path / "a.txt.zst", tmp_path / "both.txt.zst"
    write_records([Record("a")], path)
    both.write_bytes(path.read_bytes() * 2)
    assert [record.text for record in open_records(both)] == ["a", "a"]


def test_what_is_no_zstandard_file_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "a.txt.zst"
    path.write_bytes(b"plain text")
    with pytest.raises(DataError, match=r"a.txt.zst:1: cannot be read any further \(.*frame"):
        list(open_records(path))


def test_times_and_decimals_of_parquet_become_json(tmp_path: Path) -> None:
    import datetime
    import decimal

    path, out = tmp_path / "a.parquet", tmp_path / "a.jsonl"
    when, price = datetime.datetime(2026, 1, 2, 3), decimal.Decimal("1.50")
    write_records([Record("x", None, None, {"when": when, "price": price, "nan": float("nan")})], path)
    write_records(open_records(path), out)
    read = json.loads(out.read_text(encoding="utf-8"))
    assert (read["when"], read["price"], read["nan"]) == ("2026-01-02T03:00:00", "1.50", None)


def test_blank_lines_are_counted() -> None:
    for format, source in (("jsonl", '{"text": "a"}\n\n \n'), ("csv", "text\n\na\n\n"), ("tsv", "text\n\na\n\n")):
        faults = Faults()
        assert [record.text for record in open_records(io.StringIO(source), format=format, faults=faults)] == ["a"]
        assert faults.n_blank == 2


def test_lists_of_different_lengths_in_a_row_are_a_fault(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path, faults = tmp_path / "a.parquet", Faults("skip")
    rows = [{"text": "ab", "word_starts": [0], "word_ends": ends} for ends in ([2], [1, 2])]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    assert len(list(open_records(path, faults=faults))) == 1
    assert "a.parquet:2: word_starts, word_ends have 1, 2 items" in str(faults.first)
