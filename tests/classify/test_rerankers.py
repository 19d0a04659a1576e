"""Classifiers of one output: rerankers score as their folder says, numbers stay numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import CrossEncoder

from lexel.engines.choose import processor_flags
from lexel.errors import CheckpointError
from lexel.tasks.classify import Classifier
from tests.classify.conftest import SENTENCES, build_classifier

PAIRS = [(text, other) for text in SENTENCES if text for other in ("the new york", "天下的人")]
SIGMOID, IDENTITY = "torch.nn.modules.activation.Sigmoid", "torch.nn.modules.linear.Identity"


def reranker(folder: Path, **settings: Any) -> Path:
    """A random classifier of one output, with more settings in its config."""
    folder.mkdir()
    build_classifier(folder, ("LABEL_0",))
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values.pop("problem_type", None)
    path.write_text(json.dumps(values | settings), encoding="utf-8")
    return folder


def scores(folder: Path, **options: Any) -> list[float]:
    classifier = Classifier.load(folder, engine="numpy", **options)
    return [found.score for found in classifier.stream(PAIRS)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sentence_transformers": {"activation_fn": SIGMOID}},
        {"sentence_transformers": {"activation_fn": IDENTITY}},
        {"sbert_ce_default_activation_function": IDENTITY},
    ],
    ids=["nothing said", "sigmoid", "identity", "identity, before 4.0"],
)
def test_a_reranker_scores_pairs_as_sentence_transformers_does(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder = reranker(tmp_path / "model", **settings)
    theirs = CrossEncoder(str(folder), device="cpu").predict(PAIRS, show_progress_bar=False)
    assert np.allclose(scores(folder), theirs, atol=1e-5)


def test_a_pipelines_setting_in_the_config_is_honoured(tmp_path: Path) -> None:
    plain, said = reranker(tmp_path / "plain"), reranker(tmp_path / "said", function_to_apply="none")
    assert np.allclose(scores(said), scores(plain, function="none"))
    assert not np.allclose(scores(said), scores(plain))


def test_what_the_caller_says_wins_over_the_folder(tmp_path: Path) -> None:
    folder = reranker(tmp_path / "model", sentence_transformers={"activation_fn": IDENTITY})
    raw = np.array(scores(folder))
    assert np.allclose(scores(folder, function="sigmoid"), 1 / (1 + np.exp(-raw)))


def test_a_number_stays_a_number(tmp_path: Path) -> None:
    folder = reranker(tmp_path / "model", problem_type="regression")
    assert scores(folder) == scores(folder, function="none")


def test_a_function_of_ones_own_is_refused_by_name(tmp_path: Path) -> None:
    folder = reranker(tmp_path / "model", sentence_transformers={"activation_fn": "torch.nn.Tanh"})
    with pytest.raises(CheckpointError, match=r"config\.json: scores by 'torch\.nn\.Tanh'; expected a softmax"):
        Classifier.load(folder, engine="numpy")
    assert scores(folder, function="none")


@pytest.mark.skipif("avx512_bf16" not in processor_flags(), reason="a processor without bf16 computes in float32")
def test_raw_scores_are_computed_in_float32_unless_bf16_is_asked_for(tmp_path: Path) -> None:
    folder = reranker(tmp_path / "model", sentence_transformers={"activation_fn": IDENTITY})
    assert Classifier.load(folder).flow.engine.precision == "float32"
    assert Classifier.load(folder, precision="bf16").flow.engine.precision == "bf16"
    assert Classifier.load(folder, function="sigmoid").flow.engine.precision == "bf16"
