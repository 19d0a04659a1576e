"""The reference run's options, in small: a folder that every command and transformers load, with equal scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForTokenClassification
from typer.testing import CliRunner

from lexel.cli.app import app
from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions
from tests.training import runs
from tests.training.outcome.test_saved import IDS, lexel_scores

RECIPE = Path(__file__).parents[2] / "benchmarks" / "reference_recipe.yaml"
REFERENCE = {
    "learning_rate": 2e-5, "per_device_train_batch_size": 18, "per_device_eval_batch_size": 18, "seed": 42,
    "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8, "lr_scheduler_type": "linear",
    "num_train_epochs": 7, "eval_steps": 1000,
}  # fmt: skip
SHORT = ("--max-steps", "4", "--eval-steps", "2", "--logging-steps", "2", "--threads", "1", "--no-bf16")


def lexel(*arguments: str | Path, input: str | None = None) -> Any:
    return CliRunner().invoke(app, [*map(str, arguments)], input=input)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder that the recipe makes from a tiny word-segmentation checkpoint, and its test data."""
    folder = tmp_path_factory.mktemp("reference")
    data, test = runs.sentences(folder / "train.jsonl"), runs.sentences(folder / "test.jsonl", n=10)
    train(
        runs.options(
            folder,
            train=(DataFile(path=str(data)),),
            heads={"words": HeadOptions(task="words")},
            pieces="tokenizer",
            output_dir=str(folder / "base"),
        )
    )
    files = ("--train-file", data, "--validation-file", test, "--test-file", test)
    result = lexel("train", RECIPE, "-m", folder / "base", *files, "-o", folder / "reference", *SHORT)
    assert result.exit_code == 0, result.output
    return folder / "reference", test


def test_the_recipe_has_the_options_of_the_reference_run(made: tuple[Path, Path]) -> None:
    written = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    assert {
        name: float(written[name]) if name.startswith(("learning", "adam")) else written[name] for name in REFERENCE
    } == REFERENCE
    used = json.loads((made[0] / "training.json").read_text(encoding="utf-8"))["options"]
    assert {name: used[name] for name in REFERENCE} == REFERENCE | {"eval_steps": 2}


def test_its_table_has_losses_and_scores_over_the_steps(made: tuple[Path, Path]) -> None:
    table = json.loads((made[0] / "training.json").read_text(encoding="utf-8"))["table"]
    assert [row["step"] for row in table] == [2, 4]
    names = {"training_loss", "epoch", "step", "validation_loss", "precision", "recall", "f1", "accuracy"}
    assert all(names <= {name for name, value in row.items() if value is not None} for row in table)


def test_every_command_loads_the_folder_and_its_figures_come_out_again(made: tuple[Path, Path]) -> None:
    folder, test = made
    assert lexel("tag", "-m", folder, input="他在北京。\n").exit_code == 0
    report = folder.parent / "report.json"
    measured = lexel("evaluate", folder, "-d", test, "--out", report, "--precision", "float32")
    assert measured.exit_code == 0, measured.output
    now = json.loads(report.read_text(encoding="utf-8"))["results"]["words"]["words"]["f1"]["value"]
    kept = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))["reports"][-1]
    assert now == pytest.approx(kept["results"]["words"]["words"]["f1"]["value"])
    verified = lexel("verify", folder, "-d", test, "--samples", "0")
    assert verified.exit_code == 0, verified.output


def test_transformers_gives_the_same_scores(made: tuple[Path, Path]) -> None:
    model = AutoModelForTokenClassification.from_pretrained(made[0]).eval()
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([IDS])).logits[0].numpy()
    np.testing.assert_allclose(lexel_scores(made[0]), expected, atol=2e-4)
