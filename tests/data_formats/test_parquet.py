"""Parquet: the same record, in columns."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel.data import Losses, parquet, read_parquet, write_parquet
from lexel.document import Document, Spans, Words
from lexel.errors import DataError, MissingExtra
from tests.data_formats.builders import documents, sentences


@settings(max_examples=50)
@given(
    st.lists(documents(line_ends=True, exact_entities=False, scores=True), max_size=3),
    st.sampled_from(["char", "utf16", "byte"]),
)
def test_documents_come_back_whole_in_every_unit(given_documents: list[Document], unit: str) -> None:
    stream = io.BytesIO()
    assert write_parquet(given_documents, stream, offsets=unit) == ()
    assert list(read_parquet(io.BytesIO(stream.getvalue()))) == given_documents


def test_real_sentences_come_back_whole(tmp_path: Path) -> None:
    write_parquet(sentences(), tmp_path / "out.parquet")
    assert list(read_parquet(tmp_path / "out.parquet")) == sentences()


def test_rows_are_written_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 100)
    write_parquet(sentences()[:250], tmp_path / "out.parquet")
    assert pq.ParquetFile(tmp_path / "out.parquet").metadata.num_row_groups == 3


def test_other_tools_see_plain_columns(tmp_path: Path) -> None:
    document = Document("在北京", Words.of("在北京", [(0, 1), (1, 3)], ["A", "B"]), Spans.of("在北京", [(1, 3, "LOC")]))
    write_parquet([document], tmp_path / "out.parquet")
    (row,) = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert {key: value for key, value in row.items() if value is not None} == {
        "text": "在北京",
        "word_starts": [0, 1],
        "word_ends": [1, 3],
        "pos": ["A", "B"],
        "entity_starts": [1],
        "entity_ends": [3],
        "entity_labels": ["LOC"],
    }


def test_a_table_of_texts_alone_is_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "url": ["x", "y"]}), tmp_path / "in.parquet")
    losses = Losses()
    assert list(read_parquet(tmp_path / "in.parquet", losses=losses)) == [Document("a"), Document("b")]
    assert list(map(str, losses)) == ["column 'url': 2 not held by documents"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"body": ["a"]}, ": columns body; expected one called 'text'"),
        ({"text": ["a", None]}, ":2: 'text' is null; expected the string that the offsets index"),
        (
            {"text": ["a"], "word_starts": [[0]], "word_ends": [[9]]},
            ":1: words[0] is [0, 9]; expected 0 <= start < end <= 1 (char offsets of this text)",
        ),
        (
            {"text": ["a"], "word_starts": [[0]], "word_ends": [[]]},
            ":1: word_starts, word_ends have 1, 0 items; expected as many in each",
        ),
        (
            {"text": ["a"], "word_starts": [[0]]},
            ":1: word_starts, word_ends have 1, null items; expected as many in each",
        ),
    ],
)
def test_a_broken_table_is_named_with_its_row(columns, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError) as caught:
        list(read_parquet(path))
    assert str(caught.value) == f"{path}{problem}"


@pytest.mark.parametrize("data", [b"", b"PAR1", b"text\n" * 100])
def test_a_file_that_is_not_parquet_is_one_clear_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "in.parquet").write_bytes(data)
    with pytest.raises(
        DataError, match=r"in.parquet: cannot be read as Parquet \(.+\); expected a whole Parquet file$"
    ):
        list(read_parquet(tmp_path / "in.parquet"))


def test_a_pipe_is_refused() -> None:
    with pytest.raises(DataError, match="<stdin>: Parquet cannot be read from a pipe; expected a file; pass its path"):
        read_parquet("-")


def test_a_lone_surrogate_is_refused_with_its_row_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    with pytest.raises(DataError) as caught:
        write_parquet([Document("fine"), Document("a\ud83d")], path)
    assert str(caught.value) == (
        f"{path}:2: lone surrogate U+D83D at column 2; Parquet cannot hold it; "
        "write JSON lines, which keep it as an escape"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_a_full_disk_is_one_clear_line() -> None:
    with pytest.raises(DataError, match=r"/dev/full: cannot be written \(No space left on device\)"):
        write_parquet(sentences(), "/dev/full")


def test_a_missing_library_is_answered_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r'needs pyarrow: pip install "lexel\[parquet\]"'):
        list(read_parquet("in.parquet"))


def test_a_file_that_the_system_refuses_is_said_without_its_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no.parquet: cannot be read as Parquet \(No such file or directory\)"):
        list(read_parquet(tmp_path / "no.parquet"))
