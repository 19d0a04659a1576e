"""Tables and JSON of people's own columns, tagged: every column comes back."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import zstandard

from tests.cli.conftest import Run, one_error

TABLE = 'nr,body,date\n7,"我在,\n""北京""",2026-01-02\n8,我,\n'


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv.zst"
    path.write_bytes(zstandard.compress(TABLE.encode()))
    return path


def test_a_packed_table_is_tagged_and_its_columns_come_back(lexel: Run, table: Path) -> None:
    result = lexel("tag", "-q", table, "--text-column", "body", "--id-column", "nr", "--to", "jsonl")
    first, second = map(json.loads, result.stdout.splitlines())
    assert (first["id"], first["text"], first["date"]) == ("7", '我在,\n"北京"', "2026-01-02")
    assert first["words"][0][0] == 0
    assert (second["id"], second["text"], second["date"]) == ("8", "我", "")


def test_a_table_comes_out_as_a_table(lexel: Run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    lexel("tag", "-q", table, "--text-column", "body", "--id-column", "nr", "--out", out)
    first, second = csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"), newline=""))
    assert (first["id"], first["text"], first["date"]) == ("7", '我在,\n"北京"', "2026-01-02")
    assert json.loads(second["words"]) == [[0, 1]]


def test_columns_can_be_left_out(lexel: Run, table: Path) -> None:
    result = lexel("tag", "-q", table, "--text-column", "body", "--keep", "none", "--to", "jsonl")
    assert "date" not in json.loads(result.stdout.splitlines()[0])


def test_the_columns_are_named_if_none_is_called_text(lexel: Run, table: Path) -> None:
    message = one_error(lexel("tag", "-q", table))
    assert "no column 'text' among 'nr', 'body', 'date'; " in message
    assert "--text-column" in message


def test_what_a_format_does_not_hold_is_said(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "我在", "date": 1}\n', encoding="utf-8")
    result = lexel("tag", path, "--to", "conll")
    assert "not held by conll: column 'date' (1)" in result.stderr.decode()
