"""``lexel answer`` as a process."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from safetensors.numpy import load_file, save_file

from lexel.cli.options.answer import AlignName
from lexel.tasks.answer import Align, Answerer
from tests.answer.models import made_up
from tests.builders import WORDS, build_tagger
from tests.cli.conftest import COMMAND, one_error

SCORES = {char: (0.0, 0.0) for char in "他在北京上海。哪里？newyork"}
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights, whose head tells the answers apart."""
    folder = tmp_path_factory.mktemp("models") / "qa"
    made_up(folder, SCORES, pieces="tokenizer")
    weights = load_file(folder / "model.safetensors")
    weights["qa_outputs.weight"] = weights["qa_outputs.weight"] * 2
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def lexel(model: Path) -> Run:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LEXEL_", "NO_COLOR"))}
    variables = {"LEXEL_MODEL": str(model), "LEXEL_ENGINE": "numpy", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}

    def run(*arguments: str | Path, input: str = "") -> subprocess.CompletedProcess[bytes]:
        line = [*COMMAND, "answer", *map(str, arguments)]
        return subprocess.run(
            line, input=input.encode(), capture_output=True, env=kept | variables, timeout=120, check=False
        )

    return run


def records(result: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def test_one_question_is_asked_of_each_file(lexel: Run, tmp_path: Path) -> None:
    places = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for place, text in zip(places, ("他在北京。\n上海。\n", "new york"), strict=True):
        place.write_text(text, encoding="utf-8")
    found = records(lexel("--question", "他在哪里？", "--top-k", "2", *places))
    assert [record["id"] for record in found] == list(map(str, places))
    assert found[0]["question"] == "他在哪里？"
    assert found[0]["answer"] == found[0]["answers"][0]["text"]
    for one in found[0]["answers"]:
        assert "他在北京。\n上海。"[one["start"] : one["end"]] == one["text"]


def test_the_command_finds_what_python_finds(lexel: Run, model: Path) -> None:
    (record,) = records(lexel("--question", "他在哪里？", "--null-threshold", "-99", input="他在北京。"))
    found = Answerer.load(model, engine="numpy")("他在哪里？", "他在北京。")
    (best,) = found.answers
    assert record["answer"] is None  # the threshold is that low
    assert record["answers"] == [
        {"start": best.start, "end": best.end, "text": best.text, "score": round(best.score, 6)}
    ]
    assert record["null_margin"] == pytest.approx(found.null_margin, abs=1e-6)
    assert (record["n_windows"], record["offset_unit"]) == (1, "char")


def test_questions_come_from_lines_and_from_squad(lexel: Run, tmp_path: Path) -> None:
    context = "😀他在北京。" * 30
    asked = {"id": "q1", "question": "他在哪里？"}
    lines = json.dumps({**asked, "context": context}) + "\n" + json.dumps({**asked, "id": "q2", "context": ""})
    squad = {"data": [{"paragraphs": [{"context": context, "qas": [{**asked, "answers": []}]}]}]}
    (tmp_path / "q.json").write_text(json.dumps(squad), encoding="utf-8")
    first, second, third = records(lexel("-", tmp_path / "q.json", "--offsets", "utf16", input=lines))
    assert [first["id"], second["id"], third["id"]] == ["q1", "q2", "q1"]
    assert first["n_windows"] > 1
    assert first["answers"] == third["answers"]
    (one,) = first["answers"]
    assert context.encode("utf-16-le")[2 * one["start"] : 2 * one["end"]].decode("utf-16-le") == one["text"]
    assert (second["answer"], second["answers"], second["null_margin"]) == (None, [], None)


def test_on_a_terminal_the_answer_is_marked_in_its_context(lexel: Run) -> None:
    result = lexel("--to", "terminal", "--question", "他在哪里？", input="。" * 300 + "他在北京。")
    assert result.returncode == 0, result.stderr.decode()
    shown = result.stdout.decode()
    assert shown.startswith("他在哪里？\n")
    assert "…" in shown
    assert "0." in shown  # its probability, under it


def test_answers_go_into_a_file(lexel: Run, tmp_path: Path) -> None:
    assert lexel("--question", "哪", "-o", tmp_path / "a.jsonl", input="他在北京。").returncode == 0
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8"))["question"] == "哪"


@pytest.mark.parametrize(
    ("arguments", "input", "said"),
    [
        (("--question", " "), "x", "--question: is blank"),
        (("--question", "哪", "nowhere.txt"), "", "nowhere.txt: no such file"),
        ((), "text\n", "<stdin>:1: not JSON"),
        ((), '{"question": " ", "context": "c"}', "<stdin>:1: question is blank"),
        (("--max-chars", "3"), '{"question": "哪", "context": "cccc"}', "4 characters; expected at most 3"),
        (("--question", "京" * 99), "他在北京。" * 99, "pieces that every window of the other text must hold"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(lexel: Run, arguments: tuple[str, ...], input: str, said: str) -> None:
    assert said in one_error(lexel("--quiet", *arguments, input=input))


def test_a_model_without_the_head_says_which_it_has(lexel: Run, tmp_path: Path) -> None:
    folder = build_tagger(tmp_path / "tagger", heads={"words": WORDS})
    said = one_error(lexel("--quiet", "-m", folder, "--question", "哪", input="x"))
    assert "no head for answer; it has words (words), which Tagger reads" in said


def test_units_are_those_of_the_answerer() -> None:
    assert get_args(AlignName) == get_args(Align)
