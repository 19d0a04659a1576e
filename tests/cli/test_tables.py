"""Tables and JSON of people's own columns, tagged: every column comes back."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest
import zstandard

from tests.cli.conftest import COMMAND, Run, one_error

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


def test_bad_records_are_written_aside_with_their_place_and_reason(lexel: Run, tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"text": "我"}\n{"text": 1}\n{"text": }\n{"text": "在"}\n', encoding="utf-8")
    assert lexel("tag", "-q", path, "--on-error", "file", "--out", out).returncode == 0
    assert [json.loads(line)["text"] for line in out.read_text(encoding="utf-8").splitlines()] == ["我", "在"]
    first, second = map(json.loads, (tmp_path / "out.jsonl.errors.jsonl").read_text(encoding="utf-8").splitlines())
    assert (first["file"], first["number"], "'text' is a number" in first["reason"]) == (str(path), 2, True)
    assert (second["number"], second["record"]) == (3, '{"text": }')


def test_a_growing_file_is_answered_line_by_line(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "我", "nr": 1}\n', encoding="utf-8")
    command = [*COMMAND, "tag", "-q", "--follow", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["nr"] == 1
        with open(path, "a", encoding="utf-8") as file:
            file.write('{"text": "在", "nr": 2}\n')
        assert json.loads(process.stdout.readline())["nr"] == 2
        path.rename(tmp_path / "old.jsonl")
        path.write_text('{"text": "他", "nr": 3}\n', encoding="utf-8")
        assert json.loads(process.stdout.readline())["nr"] == 3
        process.terminate()


def test_a_growing_file_has_no_whole_output(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("我\n", encoding="utf-8")
    assert lexel("tag", "--follow", path, "--out", tmp_path / "out.jsonl").returncode == 2
