"""Conditional random fields in a folder: found, read, and decoded as a plain implementation decodes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.transitions import read_transitions
from lexel.decoding.tags import decode_tags
from lexel.errors import LabelError, WeightError
from lexel.labels import detect
from tests.builders import ENTITIES, build_tagger, write_json

N = len(ENTITIES)


def field(seed: int = 0, *, prefix: str = "crf", scale: float = 2.0) -> dict[str, NDArray[np.float32]]:
    """Random transitions as pytorch-crf stores them."""
    random = np.random.default_rng(seed)
    shapes = {"transitions": (N, N), "start_transitions": (N,), "end_transitions": (N,)}
    return {f"{prefix}.{name}": (random.normal(size=s) * scale).astype(np.float32) for name, s in shapes.items()}


def with_field(folder: Path, tensors: dict[str, Any], *, architecture: str | None = None, **changes: Any) -> Path:
    build_tagger(folder, heads={"entities": ENTITIES})
    path = folder / "model.safetensors"
    save_file(load_file(path) | tensors, path)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    write_json(folder / "config.json", config | ({"architectures": [architecture]} if architecture else {}) | changes)
    return folder


def best_path(
    scores: NDArray[np.float32], crf: dict[str, NDArray[np.float32]], allowed: NDArray[np.bool_]
) -> list[int]:
    """Viterbi as pytorch-crf writes it, with what a scheme forbids at minus infinity."""
    ban = np.where(allowed, 0.0, -np.inf)
    worth = crf["crf.start_transitions"] + ban[-1, :-1] + scores[0]
    history = []
    for emissions in scores[1:]:
        steps = worth[:, None] + crf["crf.transitions"] + ban[:-1, :-1] + emissions[None]
        history.append(steps.argmax(axis=0))
        worth = steps.max(axis=0)
    tags = [int((worth + crf["crf.end_transitions"] + ban[:-1, -1]).argmax())]
    for origin in reversed(history):
        tags.append(int(origin[tags[-1]]))
    return tags[::-1]


@pytest.mark.parametrize("scheme", ["bare", "BIO"])
@pytest.mark.parametrize("seed", range(20))
def test_tags_are_those_of_a_plain_implementation(tmp_path: Path, scheme: str, seed: int) -> None:
    crf = field(seed)
    checkpoint = open_checkpoint(with_field(tmp_path / "model", crf))
    biases = read_transitions(checkpoint.heads["entities"], checkpoint.open_weights())
    label_set = detect(ENTITIES, scheme=scheme)
    random = np.random.default_rng(seed)
    texts = [(random.normal(size=(n, N)) * 2).astype(np.float32) for n in (1, 2, 7, 40)]
    bounds = np.cumsum([0, *map(len, texts)])
    tags = decode_tags(np.concatenate(texts), bounds, label_set, biases=biases)
    assert tags.tolist() == [tag for scores in texts for tag in best_path(scores, crf, label_set.allowed)]


def test_a_tagger_decodes_with_the_folders_transitions(tmp_path: Path) -> None:
    text = "天下大王在臺北市長小明我他你們"
    free = lexel.load(with_field(tmp_path / "free", {}), engine="numpy")(text)
    never = field(scale=0.0)
    never["crf.transitions"][:, 1:] = never["crf.start_transitions"][1:] = -1e4  # nothing but O may ever follow
    bound = lexel.load(with_field(tmp_path / "bound", never), engine="numpy")(text)
    assert len(free.entities) > 0
    assert len(bound.entities) == 0


@pytest.mark.parametrize("prefix", ["crf", "crf_layer", "CRF", "classifier.crf"])
def test_transitions_are_found_under_the_usual_names(tmp_path: Path, prefix: str) -> None:
    checkpoint = open_checkpoint(with_field(tmp_path / "model", field(prefix=prefix)))
    assert read_transitions(checkpoint.heads["entities"], checkpoint.open_weights()) is not None


def test_transitions_of_another_form_are_refused(tmp_path: Path) -> None:
    tensors = {"crf.transitions": np.zeros((N + 2, N + 2), np.float32)}
    with pytest.raises(WeightError, match=r"crf\.transitions: has shape \(7, 7\) without start_transitions"):
        lexel.load(with_field(tmp_path / "model", tensors), engine="numpy")


# The head that the architecture does not name ------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["BertCRFForNER", "BertForMaskedLM"])
@pytest.mark.parametrize("said", [{"labels": ENTITIES}, {"scheme": "BIO"}])
def test_a_head_that_no_architecture_names_loads_when_labels_are_said(
    tmp_path: Path, architecture: str, said: dict[str, Any]
) -> None:
    folder = with_field(tmp_path / "model", field(), architecture=architecture)
    assert "entities" in lexel.load(folder, engine="numpy", **said).layers


def test_without_labels_the_error_names_the_tensors_that_look_like_a_head(tmp_path: Path) -> None:
    folder = with_field(tmp_path / "model", field(), architecture="BertCRFForNER")
    with pytest.raises(
        LabelError, match=r"its weights also have classifier\.bias \[5\], classifier\.weight \[5, 16\], crf"
    ):
        lexel.load(folder, engine="numpy")


def test_labels_that_fit_no_tensor_are_refused_with_the_tensors(tmp_path: Path) -> None:
    folder = with_field(tmp_path / "model", field(), architecture="BertCRFForNER", id2label=None)
    with pytest.raises(LabelError, match=r"classifier\.weight \[5, 16\].*for each of 3 labels"):
        lexel.load(folder, engine="numpy", labels=["O", "B-PER", "I-PER"])
