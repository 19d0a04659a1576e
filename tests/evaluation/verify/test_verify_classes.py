"""Claims about classes of texts are run again, under the averages that people mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from typer.testing import CliRunner

from lexel.cli.app import app
from lexel.data.classified import read_classified
from lexel.errors import LabelError
from lexel.evaluation.scores.classes import AVERAGES, score_classes
from lexel.evaluation.scores.tallies import Sampling
from lexel.evaluation.verify.claims import Claim, Figure, figure_of
from lexel.tasks.classify import Classifier
from tests.builders import CHARS
from tests.classify.conftest import build_classifier

LABELS = ("bad", "good", "so-so")


def write_texts(path: Path, labels: tuple[str, ...], *, n: int = 60) -> Path:
    random = np.random.default_rng(3)
    rows = [{"text": "".join(random.choice(list(CHARS), 12)), "label": str(random.choice(labels))} for _ in range(n)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=[LABELS, LABELS[:2]], ids=["three", "two"])
def case(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Classifier, Path]:
    """A classifier of three classes, or two, and texts."""
    folder = build_classifier(tmp_path_factory.mktemp("model"), request.param)
    return Classifier.load(folder, engine="numpy"), write_texts(folder / "test.jsonl", request.param)


def gold_and_found(case: tuple[Classifier, Path]) -> tuple[list[int], list[int]]:
    classifier, data = case
    index = {label: i for i, label in enumerate(classifier.head.labels)}
    examples = list(read_classified(data))
    found = [index[each.label] for each in classifier.stream(example.text for example in examples)]
    return [index[example.labels[0]] for example in examples], found


@pytest.mark.parametrize("average", AVERAGES)
def test_scores_are_scikit_learns(average: Any, case: tuple[Classifier, Path]) -> None:
    gold, found = gold_and_found(case)
    if average == "positive" and len(case[0].head.labels) > 2:
        return
    scores = score_classes(case[0], read_classified(case[1]), sampling=Sampling(0))
    theirs = {"average": "binary" if average == "positive" else average, "zero_division": 0}
    for quantity, rule in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert scores.rate(quantity, average=average).value == pytest.approx(rule(gold, found, **theirs))  # type: ignore[arg-type]
    assert scores.accuracy.value == pytest.approx(accuracy_score(gold, found))


def test_an_interval_holds_the_score(case: tuple[Classifier, Path]) -> None:
    accuracy = score_classes(case[0], read_classified(case[1]), sampling=Sampling(50)).accuracy
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low <= accuracy.value <= accuracy.high


def test_a_model_that_knows_none_of_the_labels_is_refused(case: tuple[Classifier, Path], tmp_path: Path) -> None:
    data = write_texts(tmp_path / "other.jsonl", ("x", "y"))
    with pytest.raises(LabelError, match="the model has none of them"):
        score_classes(case[0], read_classified(data), sampling=Sampling(0))


@pytest.mark.parametrize(
    ("type", "name", "figure"),
    [
        ("accuracy", "Accuracy", Figure("classes", "accuracy", average="")),
        ("f1", "F1", Figure("classes", "f1", average="")),
        ("f1", "F1 macro", Figure("classes", "f1", average="macro")),
        ("precision", "Precision Weighted", Figure("classes", "precision", average="weighted")),
        ("f1", "F1 Binary", Figure("classes", "f1", average="positive")),
    ],
)
def test_names_of_figures_of_classes_are_understood(type: str, name: str, figure: Figure) -> None:
    assert figure_of(Claim("d", 0.5, type, name), ("classes",)) == figure


def test_the_command_runs_claims_about_classes_again(
    case: tuple[Classifier, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")
    classifier, data = case
    folder = classifier.flow.checkpoint.source.folder
    gold, found = gold_and_found(case)
    claims = {"accuracy": accuracy_score(gold, found), "f1": f1_score(gold, found, average="weighted")}
    _write_card(folder, claims)
    result = CliRunner().invoke(app, ["verify", str(folder), "-d", str(data), "--samples", "20"])
    assert result.exit_code == 1
    assert "the claim is what another rule gives: F1 of classes, weighted" in " ".join(result.output.split())
    _write_card(folder, {"accuracy": claims["accuracy"]})
    result = CliRunner().invoke(app, ["verify", str(folder), "-d", str(data), "--samples", "20", "--to", "json", "-q"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["models"][0]["layers"] == ["classes"]


def _write_card(folder: Path, claims: dict[str, float]) -> None:
    metrics = "".join(f"    - type: {type}\n      value: {value}\n" for type, value in claims.items())
    front = f"model-index:\n- name: x\n  results:\n  - dataset:\n      name: d\n    metrics:\n{metrics}"
    (folder / "README.md").write_text(f"---\n{front}---\n", encoding="utf-8")
