"""``lexel fill`` as a process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import COMMAND

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(scope="session")
def fill(folders: dict[str, Path]) -> Run:
    """Run ``lexel fill`` with the tiny BERT on the engine that starts fastest."""

    def run(*arguments: str | Path, input: str = "") -> subprocess.CompletedProcess[bytes]:
        command = [*COMMAND, "fill", "--engine", "numpy", "-m", str(folders["bert"]), *map(str, arguments)]
        return subprocess.run(command, input=input.encode(), capture_output=True, timeout=120, check=False)

    return run


def records(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.decode().split("\n")[:-1]]


def error_of(result: subprocess.CompletedProcess[bytes]) -> str:
    said = result.stderr.decode()
    assert result.returncode in (1, 2), said
    return next(line for line in said.splitlines() if line.startswith("lexel: error: "))


def test_record_n_of_the_input_is_record_n_of_the_output(fill: Run) -> None:
    result = fill("-q", "-k", "2", input="我在[MASK]\n\n[MASK:1-2]在[MASK]\n")
    found = records(result.stdout)
    assert [record["text"] for record in found] == ["我在[MASK]", "", "[MASK:1-2]在[MASK]"]
    assert [len(record["blanks"]) for record in found] == [1, 0, 2]
    (blank,) = found[0]["blanks"]
    assert blank["masks"] == [[2, 8]]
    for candidate in blank["candidates"]:
        (part,) = candidate["parts"]
        assert candidate["filled"][part["start"] : part["end"]] == part["text"]
    assert result.stderr == b""


def test_offsets_count_what_is_asked(fill: Run) -> None:
    (record,) = records(fill("-q", "-k", "1", "--offsets", "utf16", input="\U00020000[MASK]").stdout)
    assert record["offset_unit"] == "utf16"
    (blank,) = record["blanks"]
    assert blank["masks"] == [[2, 8]]
    assert blank["candidates"][0]["parts"][0]["start"] == 2


def test_a_text_in_the_other_script_is_filled_as_it_stands(fill: Run) -> None:
    text, same = "時[MASK]們個說", "时[MASK]们个说"
    arguments = ("-q", "-k", "1", "--script", "simplified")
    (found,), (expected,) = (records(fill(*arguments, input=one).stdout) for one in (text, same))
    candidate, wanted = (record["blanks"][0]["candidates"][0] for record in (found, expected))
    assert candidate["prob"] == wanted["prob"]
    assert candidate["filled"] == f"時{candidate['parts'][0]['text']}們個說"
    assert (candidate["parts"][0]["start"], found["blanks"][0]["masks"]) == (1, [[1, 7]])


def test_masks_decided_together_are_one_blank(fill: Run) -> None:
    (record,) = records(fill("-q", "--joint", "--mask", "____", input="____在____").stdout)
    (blank,) = record["blanks"]
    assert blank["masks"] == [[0, 4], [5, 9]]
    assert len(blank["candidates"]) == 5


def test_targets_come_from_the_option_and_from_a_file(fill: Run, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("王小\n\nnew\n", encoding="utf-8")
    result = fill("-q", "--targets", "北,台", "--targets-file", tmp_path / "words.txt", input="[MASK]在")
    (blank,) = records(result.stdout)[0]["blanks"]
    assert {candidate["parts"][0]["text"] for candidate in blank["candidates"]} == {"北", "王小", "new"}


def test_text_is_written_with_its_best_candidates(fill: Run, tmp_path: Path) -> None:
    out = tmp_path / "filled.txt"
    assert fill("-o", out, "--length", "2", input="我[MASK]的\n\n").returncode == 0
    first, second, _ = out.read_text(encoding="utf-8").split("\n")
    assert first.startswith("我")
    assert first.endswith("的")
    assert "[MASK]" not in first
    assert second == ""


def test_the_terminals_drawing_has_every_candidate(fill: Run) -> None:
    drawn = fill("-q", "--to", "terminal", "-k", "3", input="我[MASK]的[MASK]").stdout.decode().splitlines()
    assert drawn[0] == "我[MASK]的[MASK]"
    assert [line.strip() for line in drawn].count("[MASK]") == 2
    assert sum("█" in line for line in drawn) >= 2


def test_perplexities_are_a_table_or_json(fill: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "text": "我在\\t北"}\n{"id": "b", "text": ""}\n', encoding="utf-8")
    assert fill("--perplexity", tmp_path / "in.jsonl", "-o", tmp_path / "out.tsv").returncode == 0
    head, first, second, _ = (tmp_path / "out.tsv").read_text(encoding="utf-8").split("\n")
    assert head == "perplexity\tpieces\ttext"
    assert first.split("\t", 2)[1:] == ["3", "我在\t北"]
    assert second == "\t0\t"
    found = records(fill("-q", "--perplexity", "--whole-words", tmp_path / "in.jsonl").stdout)
    assert [(record["id"], record["n_pieces"]) for record in found] == [("a", 3), ("b", 0)]
    assert found[0]["perplexity"] == pytest.approx(float(first.split("\t")[0]), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "input", "said"),
    [
        ((), "[MASK]\n我在\n", "<stdin>:2: no mask in '我在'; expected [MASK]"),
        (("--mask", "____"), "我在", "expected ____ or [MASK]"),
        (("--length", "3-1"), "", "'3-1'; expected a number from 1"),
        (("--targets", " , "), "", "no word to choose from"),
        (("--targets-file", "no.txt"), "", "no.txt"),
        (("--targets", "龘"), "[MASK]", "'龘' has pieces that the vocabulary lacks (龘)"),
        (("--whole-words",), "", "is for --perplexity"),
        (("--perplexity", "--to", "text"), "", "text holds no perplexities"),
        (("--to", "tsv"), "", "tsv holds no candidates"),
        (("-o", "out.what"), "", "ending '.what'"),
        (("no-such-file.txt",), "", "no-such-file.txt: no such file"),
    ],
)
def test_what_cannot_be_is_one_clear_line(arguments: tuple[str, ...], input: str, said: str, fill: Run) -> None:
    found = error_of(fill(*arguments, input=input))
    assert said in found
    assert "a bug in Lexel" not in found
