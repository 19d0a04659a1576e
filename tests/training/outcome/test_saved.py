"""The finished folder: Lexel and transformers load it, with equal scores."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.disk import sha256_of
from lexel.engines.base import Rows
from lexel.engines.numpy import NumpyEngine
from lexel.errors import CheckpointError
from lexel.provenance import chain_of, check_statement
from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions
from lexel.training.outcome import check
from tests.training import runs

IDS = [2, 9, 12, 7, 30, 11, 3]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"model_type": "bert", **SIZES, "max_position_embeddings": 64},
    "roberta": {
        "model_type": "roberta", **SIZES, "max_position_embeddings": 66, "pad_token_id": 0, "type_vocab_size": 1,
    },
    "albert": {"model_type": "albert", **SIZES, "max_position_embeddings": 64, "embedding_size": 16},
    "electra": {"model_type": "electra", **SIZES, "max_position_embeddings": 64, "embedding_size": 16},
    "distilbert": {
        "model_type": "distilbert", "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64,
        "max_position_embeddings": 64,
    },
}  # fmt: skip
CLASSES = {"pos": "AutoModelForTokenClassification", "fill": "AutoModelForMaskedLM"}


def lexel_scores(folder: Path, ids: list[int] = IDS) -> np.ndarray[Any, Any]:
    """The scores of a folder's one head for a sequence, by the reference engine."""
    checkpoint = open_checkpoint(folder)
    (name,) = checkpoint.heads
    row = np.array([ids], np.int32)
    places = np.arange(len(ids), dtype=np.int32)
    rows = Rows(row, places[None], np.zeros_like(row), np.ones_like(row), places)
    (scores,) = NumpyEngine(checkpoint).run([rows], [name])
    return np.asarray(scores[name])


@pytest.mark.parametrize("task", ["pos", "fill"])
@pytest.mark.parametrize("family", list(CONFIGS))
def test_a_folder_with_one_head_gives_the_same_scores_in_transformers(tmp_path: Path, family: str, task: str) -> None:
    heads = {task: HeadOptions(task=task)}  # type: ignore[arg-type]
    train(runs.options(tmp_path, config=CONFIGS[family], heads=heads, max_steps=2))
    model = getattr(transformers, CLASSES[task]).from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([IDS])).logits[0].numpy()
    np.testing.assert_allclose(lexel_scores(tmp_path / "out"), expected, atol=2e-4)


def test_what_went_in_is_written_down_and_shown_on_the_card(tmp_path: Path) -> None:
    options = runs.options(tmp_path, max_steps=2)
    train(options)
    (step,) = chain_of(tmp_path / "out")
    assert (step["verb"], step["from"]) == ("train", [])
    assert list(step["data"].values()) == [sha256_of(file.path) for file in options.train]
    assert check_statement(tmp_path / "out") is None
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert step["provenance_sha256"][:12] in card[card.index("## Steps") :]


def test_several_heads_are_read_in_one_pass_and_described(tmp_path: Path) -> None:
    dev = runs.sentences(tmp_path / "dev.jsonl", n=6)
    train(runs.options(tmp_path, validation=(DataFile(path=str(dev), name="dev"),), eval_strategy="epoch"))
    document = lexel.load(tmp_path / "out")("他在北京。")
    assert document.layers >= {"words", "pos", "entities"}
    made = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    assert made["data"][0]["documents"] == 40
    assert made["dropped"] == 0
    assert {"words/f1", "pos/accuracy", "entities/f1", "f1", "validation_loss"} <= made["table"][-1].keys()
    assert "pos/f1" not in made["table"][-1]  # lexel evaluate's F1 of tags is that of words with their tags
    (report,) = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))["reports"]
    assert report["data"]["name"] == "dev"
    assert (tmp_path / "out" / "README.md").exists()


def test_training_goes_on_from_a_folder_with_the_weights_of_its_heads(tmp_path: Path) -> None:
    train(runs.options(tmp_path, output_dir=str(tmp_path / "base")))
    train(runs.options(tmp_path, model=str(tmp_path / "base"), learning_rate=1e-12, max_steps=1))
    base, out = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("base", "out"))
    assert len(base) == len(out)
    before, after = (lexel.load(tmp_path / name, precision="float32")("他在北京的大学里。") for name in ("base", "out"))
    np.testing.assert_allclose(before.words.scores, after.words.scores, atol=1e-4)


def test_half_precision_weights_are_half_as_large_and_give_nearly_the_same_scores(tmp_path: Path) -> None:
    for dtype in ("float32", "float16"):
        train(runs.options(tmp_path, save_dtype=dtype, output_dir=str(tmp_path / dtype)))
    sizes = [(tmp_path / dtype / "model.safetensors").stat().st_size for dtype in ("float16", "float32")]
    assert sizes[0] < 0.55 * sizes[1]


def test_a_folder_that_says_something_else_than_the_model_is_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(check._TOLERANCE, "float32", -1.0)
    with pytest.raises(CheckpointError, match=r"loaded again, head words differs by"):
        train(runs.options(tmp_path))
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert (tmp_path / "out" / "finished.partial" / "model.safetensors").exists()


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_every_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        train(runs.options(tmp_path, max_steps=1))
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert "model.safetensors" in modes
    assert set(modes.values()) == {0o640}, modes


def test_a_trained_folder_says_how_to_state_its_licence(tmp_path: Path) -> None:
    train(runs.options(tmp_path, max_steps=1))
    folder = tmp_path / "out"
    assert open_checkpoint(folder).card.notice == (
        f"licence not stated: if the model is yours, add one: lexel card {folder} --licence NAME"
    )
