"""ONNX graphs of every family, run by onnxruntime, beside transformers' own torch model on a padded batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import transformers
from numpy.typing import NDArray

from lexel.checkpoint import open_checkpoint
from lexel.export.onnx import write_onnx
from lexel.export.standard import Target
from tests import nezha
from tests.builders import N_PIECES, RECIPES, build_reference

CLASSES = {
    "fill": "AutoModelForMaskedLM",
    "classify": "AutoModelForSequenceClassification",
    "answer": "AutoModelForQuestionAnswering",
}
FAMILIES = (
    *("bert", "roberta", "electra", "albert", "distilbert", "modernbert", "modernbert-biased", "deberta-v3"),
    *("gte", "nomic-bert", "jina-embeddings-v3", "mpnet", "eurobert", "nezha", "roformer"),
)
LACK_ANSWERS = ("gte", "nomic-bert", "eurobert")
"""Families for which transformers has no model that answers questions."""
nezha.register()

LENGTHS = (33, 40, 1, 17)
TOLERANCE = 2e-5


def padded(config: Any, *, side: str = "right") -> dict[str, NDArray[np.int64]]:
    """A batch of random pieces, padded at one side."""
    random = np.random.default_rng(0)
    mask = (np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None]).astype(np.int64)
    mask = mask if side == "right" else mask[:, ::-1].copy()
    ids = random.integers(5, N_PIECES, mask.shape) * mask + config.pad_id * (1 - mask)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": random.integers(0, max(1, config.n_types), mask.shape) * mask,
    }


def computed(path: Path, batch: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, {x.name: batch[x.name] for x in session.get_inputs()}), strict=True))


def by_torch(model: Any, config: Any, batch: dict[str, NDArray[np.int64]]) -> Any:
    given = {name: torch.from_numpy(array) for name, array in batch.items()}
    if not config.n_types:
        del given["token_type_ids"]
    with torch.no_grad():
        return model(**given, output_hidden_states=True)


@pytest.mark.parametrize("recipe", RECIPES)
def test_labels_of_pieces_and_states_are_those_of_transformers(recipe: str, tmp_path: Path) -> None:
    model = build_reference(tmp_path, RECIPES[recipe])
    checkpoint = open_checkpoint(tmp_path)
    batch = padded(checkpoint.config)
    theirs, is_piece = by_torch(model, checkpoint.config, batch), batch["attention_mask"] == 1
    write_onnx(checkpoint, tmp_path / "tags.onnx", Target(checkpoint.heads["entities"]))
    write_onnx(checkpoint, tmp_path / "states.onnx", Target())
    logits = computed(tmp_path / "tags.onnx", batch)["logits"]
    states = computed(tmp_path / "states.onnx", batch)["last_hidden_state"]
    assert np.abs(logits - theirs.logits.numpy())[is_piece].max() <= TOLERANCE
    assert np.abs(states - theirs.hidden_states[-1].numpy())[is_piece].max() <= TOLERANCE


@pytest.mark.parametrize("recipe", ["bert", "roberta", "xlm-roberta", "modernbert", "deberta-v3"])
def test_padding_may_stand_at_the_left(recipe: str, tmp_path: Path) -> None:
    model = build_reference(tmp_path, RECIPES[recipe])
    checkpoint = open_checkpoint(tmp_path)
    batch = padded(checkpoint.config, side="left")
    theirs, is_piece = by_torch(model, checkpoint.config, batch), batch["attention_mask"] == 1
    write_onnx(checkpoint, tmp_path / "tags.onnx", Target(checkpoint.heads["entities"]))
    logits = computed(tmp_path / "tags.onnx", batch)["logits"]
    assert np.abs(logits - theirs.logits.numpy())[is_piece].max() <= TOLERANCE


@pytest.mark.parametrize(
    ("recipe", "task"),
    [(recipe, task) for recipe in FAMILIES for task in CLASSES if task != "answer" or recipe not in LACK_ANSWERS],
)
def test_other_heads_are_those_of_transformers(recipe: str, task: str, tmp_path: Path) -> None:
    settings = RECIPES[recipe]
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(settings.model_type, **settings.settings)
    model = getattr(transformers, CLASSES[task]).from_config(config).eval()
    model.save_pretrained(tmp_path)
    checkpoint = open_checkpoint(tmp_path)
    if task not in checkpoint.heads:
        pytest.skip(f"{recipe}: Lexel has no head for {task}")
    batch = padded(checkpoint.config)
    write_onnx(checkpoint, tmp_path / "model.onnx", Target(checkpoint.heads[task]))
    ours, theirs = computed(tmp_path / "model.onnx", batch), by_torch(model, checkpoint.config, batch)
    assert set(ours) == ({"start_logits", "end_logits"} if task == "answer" else {"logits"})
    is_piece = slice(None) if task == "classify" else batch["attention_mask"] == 1
    for name, scores in ours.items():
        assert np.abs(scores - getattr(theirs, name).numpy())[is_piece].max() <= TOLERANCE
