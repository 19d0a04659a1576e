"""What training leaves behind: a card without an empty place, whose figures come out when they are run again."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lexel.cards import read_claims
from lexel.cards.metadata import read_metadata
from lexel.cli.app import app
from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions
from tests.training import runs


def lexel(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module", params=["joint", "pos"])
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder that ``train`` made, with all heads or one, and its test data."""
    folder = tmp_path_factory.mktemp(request.param)
    test = runs.sentences(folder / "test.jsonl", n=12)
    heads = runs.HEADS if request.param == "joint" else {request.param: HeadOptions(task=request.param)}
    tested = (DataFile(path=str(test), name="Open test", licence="CC BY-SA 4.0"),)
    answers = {"licence": "cc-by-sa-4.0", "language": ["zh"], "genres": "encyclopaedia", "author": "The testers"}
    train(runs.options(folder, heads=heads, test=tested, card=answers, max_steps=4))
    return folder / "out", test


def test_the_card_of_training_has_no_empty_section(made: tuple[Path, Path]) -> None:
    card = (made[0] / "README.md").read_text(encoding="utf-8")
    bodies = re.split(r"^#+ .*$", card.partition("\n---\n")[2], flags=re.MULTILINE)[1:]
    assert len(bodies) > 10
    assert all(body.strip() for body in bodies)
    assert "more information" not in card.lower()
    assert str(made[1].parent) not in card


def test_its_metadata_has_every_figure_and_the_answers(made: tuple[Path, Path]) -> None:
    metadata = read_metadata(made[0])
    assert (metadata["license"], metadata["language"]) == ("cc-by-sa-4.0", ["zh"])
    assert {claim.data_name for claim in read_claims(made[0])} == {"Open test, test"}


def test_its_figures_come_out_again(made: tuple[Path, Path]) -> None:
    result = lexel("verify", made[0], "--data", made[1], "--samples", "0")
    assert result.exit_code == 0, result.output
    n_claims = len(read_claims(made[0]))
    assert f"{n_claims} of {n_claims} figures within 1 points" in result.output


def test_a_figure_altered_by_three_points_does_not(made: tuple[Path, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(made[0], tmp_path / "altered")
    card = (folder / "README.md").read_text(encoding="utf-8")
    (value,) = re.findall(r"^      value: (.*)$", card, re.MULTILINE)[:1]
    changed = card.replace(f"value: {value}\n", f"value: {float(value) + 0.03:.4f}\n", 1)
    (folder / "README.md").write_text(changed, encoding="utf-8")
    result = lexel("verify", folder, "--data", made[1], "--samples", "0")
    assert result.exit_code == 1
    assert "differs" in result.output


def texts(folder: Path, *, task: str) -> Path:
    """Texts with classes, or questions with answers, of the characters that the tests' tokenizer has."""
    sentences = [
        json.loads(line)["text"] for line in runs.sentences(folder / "any.jsonl", n=16).read_text().splitlines()
    ]
    if task == "classify":
        rows = [{"text": text[:12], "label": "long" if len(text) > 40 else "short"} for text in sentences]
    else:
        rows = [
            {"id": str(i), "question": text[:2], "context": text[:30], "answers": [[2, 4]]}
            for i, text in enumerate(sentences)
        ]
    path = folder / f"{task}.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(("task", "row"), [("classify", "classes, macro average"), ("answer", "answers (accuracy")])
def test_a_head_for_whole_texts_has_its_results_on_the_card(tmp_path: Path, task: str, row: str) -> None:
    file = DataFile(path=str(texts(tmp_path, task=task)), name="Mine")
    words = DataFile(path=str(runs.sentences(tmp_path / "words.jsonl")))
    base = runs.options(tmp_path, train=(words,), output_dir=str(tmp_path / "base"), max_steps=1)
    train(base)
    heads = {task: HeadOptions(task=task)}  # type: ignore[arg-type]
    changes = {"model": str(tmp_path / "base"), "train": (file,), "test": (file,), "heads": heads, "max_steps": 2}
    train(runs.options(tmp_path, **changes))  # type: ignore[arg-type]
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"| Mine | test | {row}" in card
    if task == "classify":
        result = lexel("verify", tmp_path / "out", "--data", file.path, "--samples", "0")
        assert result.exit_code == 0, result.output
        assert "4 of 4 figures within 1 points" in result.output


def test_what_is_published_names_no_folder_of_whoever_trained(made: tuple[Path, Path]) -> None:
    folder = made[0]
    published = [folder / name for name in ("training.json", "evaluation.json", "lexel.json", "README.md")]
    assert [path.name for path in published if str(folder.parent) in path.read_text(encoding="utf-8")] == []
