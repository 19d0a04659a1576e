"""Vectors in files: what is written is read, whole or not at all."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lexel import DataError
from lexel.data import vector_tables
from lexel.data.vector_tables import read_table, schema_of
from lexel.data.vectors import Batch, VectorRecord, holds_vectors, open_vectors, vector_format, write_vectors

DIMS = 5
MADE = {"format": 1, "model": "模型", "dimensions": DIMS}
RECORDS = [
    VectorRecord("a", "天气很好"),
    VectorRecord(None, ""),
    VectorRecord("c", "new\nyork\u2028", 3, 11, "LOC"),
    VectorRecord(None, "的", 0, 1, None),
]
VALUES = np.random.default_rng(0).normal(size=(len(RECORDS), DIMS)).astype(np.float32)

LANCEDB = pytest.param(
    "vectors.lancedb", marks=pytest.mark.skipif(find_spec("lancedb") is None, reason="no lancedb here")
)


def batches() -> Iterator[Batch]:
    yield RECORDS[:1], VALUES[:1]
    yield [], VALUES[:0]
    yield RECORDS[1:], VALUES[1:]


def broken() -> Iterator[Batch]:
    yield RECORDS[:1], VALUES[:1]
    raise RuntimeError("in the middle")


@pytest.mark.parametrize("name", ["vectors", "vectors.parquet", LANCEDB])
def test_vectors_and_records_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    assert write_vectors(batches(), tmp_path / name, dims=DIMS, made=MADE) == len(RECORDS)
    assert holds_vectors(tmp_path / name)
    found = open_vectors(tmp_path / name)
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.records(range(len(RECORDS))) == dict(enumerate(RECORDS))
    assert found.records([2]) == {2: RECORDS[2]}
    assert MADE.items() <= found.made.items()


@pytest.mark.parametrize("name", ["vectors", "vectors.parquet", LANCEDB])
def test_no_vectors_at_all_are_vectors_too(name: str, tmp_path: Path) -> None:
    write_vectors([], tmp_path / name, dims=DIMS, made=MADE)
    assert open_vectors(tmp_path / name).values.shape == (0, DIMS)


def test_a_folder_holds_an_array_for_numpy_with_a_record_a_line(tmp_path: Path) -> None:
    write_vectors(batches(), tmp_path / "v", dims=DIMS, made=MADE)
    np.testing.assert_array_equal(np.load(tmp_path / "v" / "vectors.npy"), VALUES)
    lines = (tmp_path / "v" / "records.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert [json.loads(line)["text"] for line in lines] == [record.text for record in RECORDS]


def test_many_rows_leave_the_array_readable(tmp_path: Path) -> None:
    many = ((RECORDS[:1] * 1000, np.full((1000, DIMS), i, np.float32)) for i in range(30))
    write_vectors(many, tmp_path / "v", dims=DIMS, made=MADE)
    values = np.load(tmp_path / "v" / "vectors.npy", mmap_mode="r")
    assert values.shape == (30_000, DIMS)
    assert values[29_999, 0] == 29


@pytest.mark.parametrize("name", ["vectors", "vectors.parquet", "vectors.jsonl"])
def test_what_breaks_off_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    write_vectors(batches(), tmp_path / name, dims=DIMS, made=MADE)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="in the middle"):
        write_vectors(broken(), tmp_path / name, dims=DIMS, made=MADE)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    if name != "vectors.jsonl":
        np.testing.assert_array_equal(open_vectors(tmp_path / name).values, VALUES)


def test_vectors_are_written_over_by_vectors(tmp_path: Path) -> None:
    write_vectors(batches(), tmp_path / "v", dims=DIMS, made=MADE)
    write_vectors([(RECORDS[:2], VALUES[2:])], tmp_path / "v", dims=DIMS, made=MADE)
    np.testing.assert_array_equal(open_vectors(tmp_path / "v").values, VALUES[2:])
    assert [path.name for path in tmp_path.iterdir()] == ["v"]


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "thesis.txt").write_text("text")
    with pytest.raises(DataError, match="v: exists and has no vectors; nothing was overwritten"):
        write_vectors(batches(), tmp_path / "v", dims=DIMS, made=MADE)
    assert (tmp_path / "v" / "thesis.txt").read_text() == "text"


def test_json_lines_hold_every_digit_of_float32_and_any_text() -> None:
    out = io.StringIO()
    write_vectors([([VectorRecord("x", "lone \ud800")], VALUES[:1])], out, dims=DIMS, made=MADE)
    record = json.loads(out.getvalue())
    assert record["text"] == "lone \ud800"
    np.testing.assert_array_equal(np.array(record["vector"], np.float32), VALUES[0])


@pytest.mark.parametrize(
    ("name", "format"), [("v", "npy"), ("v.PARQUET", "parquet"), ("v.jsonl.gz", "jsonl"), ("-", "jsonl")]
)
def test_the_ending_says_the_format(name: str, format: str) -> None:
    assert vector_format(name) == format


def test_an_ending_without_room_for_texts_is_refused() -> None:
    with pytest.raises(DataError, match=r"v.npy: ending '.npy'; vectors go with their texts: a folder"):
        vector_format("v.npy")


def test_a_damaged_folder_is_refused(tmp_path: Path) -> None:
    write_vectors(batches(), tmp_path / "v", dims=DIMS, made=MADE)
    np.save(tmp_path / "v" / "vectors.npy", VALUES[:2])
    with pytest.raises(DataError, match=r"float32 of shape \(2, 5\); vectors.json says 4 rows"):
        open_vectors(tmp_path / "v")
    (tmp_path / "v" / "vectors.json").write_text("{")
    with pytest.raises(DataError, match="expected a folder that lexel embed wrote"):
        open_vectors(tmp_path / "v")


def test_a_folder_without_its_vectors_is_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    write_vectors(batches(), tmp_path / "v", dims=DIMS, made=MADE)
    path = tmp_path / "v" / "vectors.npy"
    path.unlink()
    with pytest.raises(DataError) as caught:
        open_vectors(tmp_path / "v")
    assert str(caught.value) == f"{path}: no such file; expected in a folder that lexel embed wrote"


def test_what_is_not_there_or_holds_no_vectors_is_refused(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    with pytest.raises(DataError, match="nothing: no such folder or file"):
        open_vectors(tmp_path / "nothing")
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "t.parquet")
    assert not holds_vectors(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet: holds no vectors"):
        open_vectors(tmp_path / "t.parquet")


def test_a_database_can_be_asked_by_its_own_library(tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb")
    write_vectors(batches(), tmp_path / "v.lancedb", dims=DIMS, made=MADE)
    (found,) = lancedb.connect(tmp_path / "v.lancedb").open_table("vectors").search(VALUES[1]).limit(1).to_list()
    assert found["text"] == RECORDS[1].text


def test_a_database_with_other_tables_is_left_alone(tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    write_vectors(batches(), tmp_path / "v.lancedb", dims=DIMS, made=MADE)
    (tmp_path / "v.lancedb" / "customers.lance").mkdir()
    with pytest.raises(DataError, match=r"also has customers\.lance; nothing was overwritten"):
        write_vectors(batches(), tmp_path / "v.lancedb", dims=DIMS, made=MADE)


def test_a_table_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.parquet: cannot be read as Parquet \(No such file or directory\)"):
        schema_of(tmp_path / "no.parquet")


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vectors.parquet"
    write_vectors(batches(), path, dims=DIMS, made=MADE)
    data = bytearray(path.read_bytes())
    data[4:40] = bytes(byte ^ 0x5A for byte in data[4:40])
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"vectors.parquet: cannot be read as Parquet \("):
        open_vectors(path).records([0])


@pytest.mark.parametrize("lacks", ["to_arrow", "schema"])
def test_a_database_without_a_file_of_its_table_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    class Damaged:
        def __getattr__(self, name: str) -> Any:
            if name == lacks:
                raise OSError("Not found: data/0.lance\nand more")
            return SimpleNamespace(metadata={b"lexel.vectors": b"{}"})

    there = SimpleNamespace(open_table=lambda name: Damaged())
    monkeypatch.setattr(vector_tables, "_load_lancedb", lambda: SimpleNamespace(connect=lambda path: there))
    with pytest.raises(DataError, match=r"no table 'vectors' that can be read \(Not found: data/0.lance\)"):
        read_table(tmp_path)
