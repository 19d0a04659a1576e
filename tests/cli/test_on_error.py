"""``--on-error``: bad records end the command, or are skipped and counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from lexel.cli.app import app
from lexel.names import OnError, OnErrorOrFile
from tests.cli.conftest import Run, one_error

GOOD, BAD = '{"text": "我在"}\n', '{"text": 1}\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text(f"{GOOD}{BAD}{GOOD}{{\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", ["tag", "segment", "embed"])
def test_a_bad_record_ends_the_command_unless_it_is_to_be_skipped(lexel: Run, source: Path, command: str) -> None:
    assert f"{source}:2: 'text' is a number" in one_error(lexel(command, "-q", source))
    result = lexel(command, source, "--on-error", "skip")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 2
    said = result.stderr.decode().splitlines()[-1]
    expected = "expected the text of the record"
    assert said == f"2 records skipped (--on-error skip); the first: {source}:2: 'text' is a number; {expected}"


def test_a_record_that_is_too_long_is_skipped_and_the_next_keeps_its_number(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("我在\n我在我在\n我\n我在我在\n", encoding="utf-8")
    result = lexel("segment", path, "--on-error", "skip", "--max-chars", "2")
    assert result.stdout.decode().replace(" ", "") == "我在\n我\n"
    assert f"2 records skipped (--on-error skip); the first: {path}:2: 4 characters" in result.stderr.decode()


def test_what_was_skipped_of_gold_data_stands_in_the_report(lexel: Run, tmp_path: Path) -> None:
    path, report = tmp_path / "dev.jsonl", tmp_path / "report.json"
    record = json.dumps({"text": "我在", "words": [[0, 1], [1, 2]]})
    path.write_text(f"{record}\n{BAD}{record}\n", encoding="utf-8")
    typed = ("evaluate", "-d", path, "--samples", "0", "-o", report)
    assert "dev.jsonl:2" in one_error(lexel(*typed, "-q"))
    assert lexel(*typed, "--on-error", "skip").returncode == 0
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["data"]["skipped"] == 1
    assert written["results"]["n_documents"] == 2


def test_bad_gold_records_are_written_beside_the_report(lexel: Run, tmp_path: Path) -> None:
    path, report = tmp_path / "dev.jsonl", tmp_path / "report.json"
    record = json.dumps({"text": "我在", "words": [[0, 1], [1, 2]]})
    path.write_text(f"{record}\n{BAD}{record}\n", encoding="utf-8")
    typed = ("evaluate", "-d", path, "--samples", "0", "--on-error", "file", "-q")
    assert "add --out FILE" in one_error(lexel(*typed), status=2)
    assert lexel(*typed, "-o", report).returncode == 0
    (told,) = map(json.loads, (tmp_path / "report.json.errors.jsonl").read_text(encoding="utf-8").splitlines())
    assert (told["file"], told["number"], "'text' is a number" in told["reason"]) == (str(path), 2, True)


def test_gold_data_of_characters_is_not_scored_as_words_and_it_is_said(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / "dev.conll"
    path.write_text("王0 B-PER\n小1 I-PER\n明2 I-PER\n在0 O\n北0 B-LOC\n京1 I-LOC\n\n" * 5, encoding="utf-8")
    result = lexel("evaluate", "-d", path, "--samples", "0", "-o", tmp_path / "report.json")
    said = result.stderr.decode()
    assert result.returncode == 0, said
    assert f"{path}: the digit after each character (王0) was removed" in said
    assert f"{path}: each row is one character, so there are entities and no words" in said
    results = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["results"]
    assert (results["words"], results["entities"]["strict"]["micro"]["n_gold"]) == (None, 10)


def rules_of(command: str) -> tuple[str, ...]:
    """The rules that the option of a command takes."""
    group: Any = get_command(app)
    (parameter,) = (one for one in group.commands[command].params if "--on-error" in one.opts)
    return get_args(parameter.type_descriptor.annotation)


@pytest.mark.parametrize("command", ["tag", "segment", "evaluate"])
def test_commands_that_write_bad_records_to_a_file_offer_it(command: str) -> None:
    assert rules_of(command) == get_args(OnErrorOrFile)


@pytest.mark.parametrize(
    "command", ["answer", "calibrate", "classify", "embed", "fill", "quantize", "search", "verify"]
)
def test_commands_that_write_no_file_of_bad_records_do_not_offer_it(command: str) -> None:
    assert rules_of(command) == get_args(OnError)


def test_training_does_not_offer_a_file_of_bad_records() -> None:
    group: Any = get_command(app)
    (parameter,) = (one for one in group.commands["train"].params if "--on-error" in one.opts)
    assert parameter.help == f"What happens to bad records: {', '.join(get_args(OnError))}. Default: stop."
