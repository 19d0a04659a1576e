"""Nothing that a terminal obeys gets through, and every message is one short line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from lexel.cli.options.groups import MessageOptions
from lexel.cli.terminal.console import output_console
from lexel.cli.terminal.messages import reported
from lexel.near import edit_distance, nearest_name
from lexel.visible import for_terminal, for_terminal_in_style, one_line
from tests.cli.conftest import Run, one_error
from tests.cli.test_terminal import Terminal

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0xFFFF, exclude_categories=())))
def test_no_control_character_is_shown(text: str) -> None:
    assert not _COMMANDS.search(for_terminal(text))
    assert len(for_terminal(text)) == len(text)
    assert not _COMMANDS.search(re.sub("\x1b\\[[0-9;]*m", "", for_terminal_in_style(text)))


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0xFFFF, exclude_categories=()), max_size=3000))
def test_a_message_is_one_line_of_a_bounded_length(text: str) -> None:
    line = one_line(text, limit=500)
    assert len(line) <= 500
    assert not re.search("[\t\r\n]", line)
    assert not _COMMANDS.search(line)


def test_a_long_message_keeps_its_beginning_and_its_advice() -> None:
    line = one_line("file.txt: " + "x" * 3_000_000 + "; expected less. Use --max-chars")
    assert line.startswith("file.txt: xx")
    assert line.endswith("xx; expected less. Use --max-chars")
    assert len(line) == 500


def test_a_file_name_cannot_speak_to_the_terminal(lexel: Run) -> None:
    said = one_error(lexel("tag", f"no{EVIL}\nfile.txt"))
    assert not _COMMANDS.search(said.rstrip("\n"))
    assert "no such file" in said


def test_a_name_that_is_no_utf8_is_said_all_the_same(lexel: Run) -> None:
    assert "no such file" in one_error(lexel("tag", b"no\xff.txt".decode("utf-8", "surrogateescape")))


def test_a_note_and_a_traceback_cannot_speak_to_the_terminal(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / f"a{EVIL.replace('/', '')}.conll"
    path.write_text("王 B-PER\n小 I-PER\n明 I-PER\n在 O\n北 B-LOC\n\n" * 5, encoding="utf-8")
    noted = lexel("tag", path).stderr.decode()
    assert "each row is one character" in noted
    traced = lexel("tag", "--debug", f"no{EVIL}.txt").stderr.decode()
    assert "Traceback" in traced
    assert not _COMMANDS.search((noted + traced).replace("\n", ""))


def test_a_traceback_of_any_error_is_shown_as_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), reported(MessageOptions(debug=True)):
        raise ValueError(EVIL)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert not _COMMANDS.search(said.replace("\n", ""))


def test_an_error_of_three_million_characters_is_a_line_of_500(lexel: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"text": "a", "words": [[0, 1]], "offset_unit": "b" * 3_000_000}), encoding="utf-8")
    said = one_error(lexel("tag", "-q", path))
    assert len(said) <= 501
    assert said.endswith("expected one of char, utf16, byte\n")


@pytest.mark.parametrize("to", ["text", "jsonl", "conllu", "terminal"])
def test_what_a_text_holds_is_shown_as_pictures_on_a_terminal(
    environment: dict[str, str], tmp_path: Path, to: str
) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"text": f"我{EVIL}在"}), encoding="utf-8")
    terminal = Terminal("tag", "-q", path, "--to", to, environment=environment)
    assert terminal.end() == 0
    assert not _COMMANDS.search(re.sub("\x1b\\[[0-9;]*m", "", terminal.seen.replace("\r\n", "\n")))


def test_a_table_shows_what_cards_and_labels_hold_as_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("licence", "labels")
    table.add_row(f"mit{EVIL.replace('[', '(')}", Text(f"B-{EVIL}"))
    output_console(width=120).print(table)
    shown = capsys.readouterr().out
    assert not _COMMANDS.search(shown)
    assert "␛]0;owned␛[2J" in shown


# Suggestions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "names", "found"),
    [
        ("--modle", ["--model", "--mode"], "--model"),
        ("--learning-rat", ["--learning-rate", "--learning-rates"], "--learning-rate"),
        ("--resume", ["--scheme", "--revision", "--repair"], None),
        ("--batch", ["--batch-pieces", "--bf16"], "--batch-pieces"),
        ("--eval", ["--eval-steps", "--eval-strategy"], None),
        ("-x", ["--out"], None),
        ("", ["--out"], None),
    ],
)
def test_only_a_name_that_is_really_near_is_suggested(typed: str, names: list[str], found: str | None) -> None:
    assert nearest_name(typed, names) == found


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_the_edit_distance_is_symmetric_and_bounded(a: str, b: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert abs(len(a) - len(b)) <= edit_distance(a, b) <= max(len(a), len(b))
    assert (edit_distance(a, b) == 0) == (a == b)


def test_neighbours_that_are_swapped_are_one_edit() -> None:
    assert edit_distance("modle", "model") == 1
