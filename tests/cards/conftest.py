"""A folder as training leaves it: a tiny model, its ``training.json`` and ``evaluation.json``, and the data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lexel.data import write_jsonl
from lexel.document import Document
from lexel.evaluation.reports.report import as_json
from lexel.evaluation.scores.provenance import describe_data, describe_run
from lexel.evaluation.scores.results import Report
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.tasks.tag import Tagger
from tests.builders import ENTITIES, POS, WORDS, build_tagger, write_json
from tests.evaluation.conftest import random_gold

HEADS = {"words": WORDS, "pos": POS, "entities": ENTITIES}


@dataclass(frozen=True)
class Trained:
    """A folder as training leaves it, and its test data."""

    folder: Path
    test: Path

    def change(self, **changes: Any) -> None:
        """Change ``training.json``; ``None`` takes a key away."""
        path = self.folder / "training.json"
        values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
        write_json(path, {key: value for key, value in values.items() if value is not None})


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of this process take the engine that starts fastest."""
    for name in ("LEXEL_MODEL", "LEXEL_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LEXEL_ENGINE", "numpy")


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """A joint model with the facts of its training, measured on a test set."""
    folder, test, train = tmp_path / "my-model", tmp_path / "test.jsonl", tmp_path / "train.jsonl"
    build_tagger(folder, heads=HEADS, pieces="chars", seed=2)
    write_jsonl(random_gold(30), test)
    write_jsonl(random_gold(20, seed=1), train)
    write_json(folder / "training.json", training_facts(train, test))
    write_json(folder / "evaluation.json", {"format": 1, "reports": [report_on(folder, test)]})
    (folder / "training.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    return Trained(folder, test)


def report_on(folder: Path, data: Path, **options: Any) -> dict[str, Any]:
    """The JSON of an evaluation, as ``lexel evaluate`` writes it."""
    from lexel.data import read_jsonl

    tagger = Tagger.load(folder, engine="numpy", **options)
    measured = EvaluationOptions(sampling=Sampling(20))
    results = evaluate(tagger, read_jsonl(data), options=measured)
    described = describe_data(data, format="jsonl")
    return as_json(Report(results, describe_run(tagger, measured, command="lexel evaluate", data=described)))


def training_facts(train: Path, test: Path) -> dict[str, Any]:
    """What training records, in the shape that cards read."""
    return {
        "format": 1,
        "command": "lexel train recipe.yaml",
        "options": {"learning_rate": 2e-05, "num_train_epochs": 7.0, "seed": 42, "method": "full", "card": {}},
        "base": {
            "id": "ckiplab/bert-tiny-chinese-ws",
            "revision": "main",
            "commit": "a" * 40,
            "licence": "gpl-3.0",
            "architecture": "BertForTokenClassification",
            "parameters": 12345,
        },
        "data": [
            _data("train", "Open news", train, licence="CC BY-SA 4.0"),
            _data("validation", "Open news, dev", train, licence="cc0-1.0", sha256="b" * 64),
            _data("test", "Open test", test, licence=None),
        ],
        "labels": {
            "words": _labels("words", "BI", WORDS),
            "pos": _labels("pos", "bare", POS),
            "entities": _labels("entities", "BIO", ENTITIES),
        },
        "model": {
            "parameters": 12345,
            "trainable_parameters": 12345,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "vocab_size": 120,
        },
        "steps": 2000,
        "epochs": 7.0,
        "seconds": 754.2,
        "examples": 20,
        "examples_per_second": 88.3,
        "pieces_per_second": 4120.0,
        "windows": 23,
        "dropped": 0,
        "overlap": {"validation": 3, "test": 0},
        "table": [
            {"step": 1000, "epoch": 3.5, "training_loss": 0.41, "learning_rate": 1e-05, "validation_loss": 0.39}
            | {"precision": 0.81, "recall": 0.8, "f1": 0.805, "accuracy": 0.91},
            {"step": 2000, "epoch": 7.0, "training_loss": 0.2, "learning_rate": 0.0, "validation_loss": 0.31}
            | {"precision": 0.85, "recall": 0.84, "f1": 0.845, "accuracy": 0.93},
        ],
        "best": {"step": 2000, "metric": "f1", "value": 0.845},
        "environment": {
            "python": "3.12.1",
            "platform": "Linux",
            "threads": 2,
            "versions": {"lexel": "0.1.0", "torch": "2.13.0", "tokenizers": "0.22.0"},
        },
        "seed": 42,
        "warnings": [],
    }


def _data(role: str, name: str, path: Path, *, licence: str | None, sha256: str | None = None) -> dict[str, Any]:
    documents = [Document(gold.text) for gold in random_gold(20, seed=1)]
    return {
        "role": role,
        "name": name,
        "path": path.name,
        "sha256": sha256 or hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": "jsonl",
        "weight": 1.0,
        "documents": len(documents),
        "chars": sum(len(document.text) for document in documents),
        "words": 250,
        "entities": 71,
        "examples": None,
        "licence": licence,
        "languages": ["zh"],
        "scripts": {"Hant": 300, "Hans": 100},
        "longest_chars": 39,
    }


def _labels(task: str, scheme: str, labels: tuple[str, ...]) -> dict[str, Any]:
    rows = [{"label": label, "count": 10 + i, "example": "臺北|市"} for i, label in enumerate(labels)]
    return {"task": task, "scheme": scheme, "labels": rows}
