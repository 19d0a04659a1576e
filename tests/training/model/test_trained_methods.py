"""Models trained by each method, as they are saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForTokenClassification

import lexel
from lexel.checkpoint import open_checkpoint
from lexel.errors import CheckpointError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.loop.fit import train
from tests.builders import ENTITIES, build_tagger

TEXT = "我在臺北 他不在"


def trained(tmp_path: Path, method: str, **more: Any) -> tuple[Path, Path]:
    """A base model, and what two steps by a method make of it."""
    base = build_tagger(tmp_path / "base", heads={"entities": ENTITIES})
    record = {
        "text": TEXT,
        "words": [[0, 1], [1, 2], [2, 4], [5, 6], [6, 8]],
        "entities": [[2, 4, "LOC"], [5, 6, "PER"]],
    }
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    options = TrainingOptions(
        train=(DataFile(path=str(tmp_path / "a.jsonl")),),
        heads={"entities": HeadOptions(task="entities")},
        output_dir=str(tmp_path / "out"),
        model=str(base),
        method=method,  # type: ignore[arg-type]
        max_steps=2,
        learning_rate=0.1,
        adapter_size=4,
        threads=1,
        **more,
    )
    return base, train(options).folder


def changed(base: Path, folder: Path) -> set[str]:
    """Names of the tensors that are not those of the base model."""
    before, after = load_file(base / "model.safetensors"), load_file(folder / "model.safetensors")
    return {name for name, tensor in after.items() if name not in before or not np.array_equal(before[name], tensor)}


HEAD = {"classifier.weight", "classifier.bias"}
LAYERS = [f"bert.encoder.layer.{i}" for i in (0, 1)]


@pytest.mark.parametrize("bf16", [False, True])
def test_a_frozen_encoder_is_saved_as_it_was(tmp_path: Path, bf16: bool) -> None:
    assert changed(*trained(tmp_path, "head", bf16=bf16)) == HEAD


def test_low_rank_updates_change_what_they_stand_on_only(tmp_path: Path) -> None:
    expected = {f"{layer}.attention.self.{part}.weight" for layer in LAYERS for part in ("query", "value")}
    assert changed(*trained(tmp_path, "lora")) == expected | HEAD


def test_the_last_layers_change_only(tmp_path: Path) -> None:
    names = changed(*trained(tmp_path, "last_layers", last_layers=1)) - HEAD
    assert names
    assert all(name.startswith(LAYERS[1]) for name in names)


def test_adapters_stand_in_the_folder_and_are_run_by_every_engine(tmp_path: Path) -> None:
    base, folder = trained(tmp_path, "adapter")
    parts = {f"adapters.{i}.{place}.{way}.{kind}" for i in (0, 1) for place in ("attention", "output")
             for way in ("down", "up") for kind in ("weight", "bias")}  # fmt: skip
    assert changed(base, folder) == HEAD | parts
    assert json.loads((folder / "lexel.json").read_text())["adapter"] == {"size": 4, "activation": "gelu"}
    read = [lexel.load(folder, engine=engine, precision="auto" if engine == "numpy" else "float32")(TEXT)
            for engine in ("numpy", "openvino", "torch")]  # fmt: skip
    spans = [[(span.start, span.end, span.label, round(span.score or 0, 3)) for span in doc.entities] for doc in read]
    assert spans[0]
    assert spans[0] == spans[1] == spans[2]


def test_training_does_not_go_on_from_adapters(tmp_path: Path) -> None:
    _, folder = trained(tmp_path, "adapter")
    options = TrainingOptions(
        train=(DataFile(path=str(tmp_path / "a.jsonl")),),
        heads={"entities": HeadOptions(task="entities")},
        output_dir=str(tmp_path / "again"),
        model=str(folder),
    )
    with pytest.raises(CheckpointError, match="has bottleneck adapters"):
        train(options)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft's own call
def test_what_is_kept_apart_gives_what_was_merged(tmp_path: Path) -> None:
    base, folder = trained(tmp_path, "dora", merge=False)
    ids = torch.arange(5, 25)[None]
    plain = AutoModelForTokenClassification.from_pretrained(base)
    theirs = PeftModel.from_pretrained(plain, folder / "adapter").eval()
    merged = AutoModelForTokenClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        assert torch.allclose(theirs(ids).logits, merged(ids).logits, atol=1e-4)
    assert list(open_checkpoint(folder).heads) == ["entities"]
