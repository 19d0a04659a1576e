"""``lexel distill``: a student in a folder, what it cost, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lexel.checkpoint import open_checkpoint
from lexel.cli.terminal.statuses import MISUSED
from lexel.evaluation.cost.cost import Agreement, Cost, LayerCost, Loss, described_student
from lexel.metrics.scores import Estimate
from lexel.training.config.recipe import build_options, read_recipe
from tests.builders import build_plain, build_sentence_model
from tests.cli.conftest import Run, one_error

TEXT = "他在臺北市\n王小明是大人\n我们到中国来\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_student_is_made_measured_and_said_to_be_so(lexel: Run, model: Path, text: Path, tmp_path: Path) -> None:
    dev, out, recipe = tmp_path / "dev.jsonl", tmp_path / "out", tmp_path / "recipe.yaml"
    dev.write_text(json.dumps({"text": "他在北", "words": [[0, 1], [1, 2], [2, 3]]}) + "\n", encoding="utf-8")
    learning = ("--num-hidden-layers", "1", "--vocabulary", "15", "--max-steps", "2", "--temperature", "3")
    typed = ("--text", text, "--dev", dev, "--heads", "words,entities", *learning, "--save-recipe", recipe)
    done = lexel("distill", model, out, *typed)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode()
    for line in ("words: F1 ", "entities: ", "of 1,000 decisions change", "size: ", "speed: "):
        assert line in said
    student = open_checkpoint(out)
    assert list(student.heads) == ["words", "entities"]
    assert (student.config.n_layers, student.config.vocab_size) == (1, 15)
    cost = json.loads((out / "distillation.json").read_text(encoding="utf-8"))["cost"]
    assert set(cost["layers"]) == {"words"}
    assert set(cost["flips"]) == {"words", "entities"}
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "## Compared with its teacher" in card
    assert "| words | F1 |" in card
    options = build_options(read_recipe(recipe))
    assert (options.distill.temperature, options.distill.gold_weight, options.train[0].layers) == (3.0, 0.0, ())


@pytest.mark.parametrize(
    ("arguments", "status", "found"),
    [
        ((), MISUSED, "expected --text, or --data"),
        (
            ("--text", "{text}", "--num-hidden-layers", "12"),
            1,
            "larger than its teacher joint: layers 12",
        ),
        (("--text", "{empty}"), 1, "empty.txt: holds no text"),
        (("--text", "{other}"), 1, "other.txt: 100% of its pieces are unknown to the teacher"),
        (("--text", "{text}", "--heads", "answer"), 1, "no head answer; it has words, pos, entities"),
        (("--text", "{text}", "--temperature", "0"), 1, "temperature: 0.0; expected a number above 0"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    lexel: Run, model: Path, text: Path, tmp_path: Path, arguments: tuple[str, ...], status: int, found: str
) -> None:
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    (tmp_path / "other.txt").write_text("Привет мир\n", encoding="utf-8")
    places = {name: tmp_path / f"{name}.txt" for name in ("text", "empty", "other")}
    done = lexel("distill", model, tmp_path / "out", "--quiet", *(one.format(**places) for one in arguments))
    assert found in one_error(done, status=status)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    lines = [{"question": "他在哪", "context": "他在臺北市", "answers": [[2, 5]]},
             {"question": "我们到哪", "context": "我们到中国来", "answers": [[3, 5]]}]  # fmt: skip
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("task", "layers"), [("classify", {"classify"}), ("fill", {"fill"}), ("answer", {"answer", "answer, exact"})]
)
def test_a_student_of_every_task_is_measured(
    lexel: Run, text: Path, questions: Path, tmp_path: Path, task: str, layers: set[str]
) -> None:
    classes = tmp_path / "classes.jsonl"
    lines = [{"text": line, "label": "LABEL_0"} for line in TEXT.splitlines()]
    classes.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    files = {"classify": (text, classes), "fill": (text, None), "answer": (questions, questions)}
    learnt, dev = files[task]
    scored = ("--dev", dev) if dev else ("--held-out", text)
    sizes = ("--num-hidden-layers", "1", "--max-steps", "2")
    teacher, out = build_plain(tmp_path / "teacher", task), tmp_path / "out"
    done = lexel("distill", teacher, out, "--text", learnt, *scored, *sizes)
    assert done.returncode == 0, done.stderr.decode()
    cost = json.loads((out / "distillation.json").read_text(encoding="utf-8"))["cost"]
    assert set(cost["layers"]) == layers
    assert all(layer["before"]["low"] is not None for layer in cost["layers"].values())


@pytest.mark.parametrize("width", [32, 16])
def test_a_student_of_vectors_is_measured_beside_its_teacher(
    lexel: Run, text: Path, tmp_path: Path, width: int
) -> None:
    teacher, out = build_sentence_model(tmp_path / "teacher"), tmp_path / "out"
    sizes = ("--num-hidden-layers", "1", "--hidden-size", str(width), "--max-steps", "2")
    done = lexel("distill", teacher, out, "--text", text, "--dev", text, *sizes)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads((out / "distillation.json").read_text(encoding="utf-8"))["cost"]["agreement"]["embed"]
    assert (found["n_texts"], found["sizes"]) == (3, [32, width])
    assert (found["cosine"] is None) == (width == 16)
    assert 0 <= found["nearest"]["low"] <= found["nearest"]["value"] <= found["nearest"]["high"] <= 1
    said, card = done.stderr.decode(), (out / "README.md").read_text(encoding="utf-8")
    assert "the same nearest text for " in said
    assert "| same nearest text, of 100 |" in card
    assert ("Its vectors have 16 numbers, the teacher's 32" in card) == (width == 16)
    assert "returns embeddings of texts" in card
    assert "library_name: sentence-transformers" in card


@pytest.mark.parametrize(
    ("cosine", "said"),
    [
        (
            Estimate(0.96512, 0.96, 0.97),
            "mean cosine 0.9651 [0.9600, 0.9700] with the teacher's, the same nearest text for 81.00 [75.00, 85.00] % "
            "of 1,200 texts",
        ),
        (
            None,
            "the same nearest text for 81.00 [75.00, 85.00] % of 1,200 texts; vectors of 192 numbers have no cosine "
            "with the teacher's of 384",
        ),
    ],
)
def test_how_far_vectors_agree_is_told(cosine: Estimate | None, said: str) -> None:
    sizes = (384, 192) if cosine is None else (384, 384)
    found = Agreement(cosine, Estimate(0.81, 0.75, 0.85), 1200, sizes)
    assert found.in_words(("the teacher's", "the student's")) == said


def test_the_cost_is_told_with_its_intervals() -> None:
    layer = LayerCost(Estimate(0.95, 0.94, 0.96), Estimate(0.9, 0.89, 0.91), Estimate(-0.05, -0.06, -0.04))
    cost = Cost(Loss({"words": layer}, {"words": 31.26}), 2_000_000, 8_000_000, 300.0, 100.0)
    assert described_student(cost) == [
        "words: F1 95.00 [94.00, 96.00] the teacher's, 90.00 [89.00, 91.00] the student's, -5.00 [-6.00, -4.00] points",
        "words: 31.26 of 1,000 decisions change",
        "size: 2.0 MB of weights, the teacher's 8.0",
        "speed: 300 characters/s, 3.00 times the teacher's",
    ]
