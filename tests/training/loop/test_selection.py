"""Which weights are kept: figures of one head or label, labels that are always missed, float16, checkpointing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexel.training import train
from lexel.training.config.options import DataFile, HeadOptions
from lexel.training.loop.precision import LossScaler
from lexel.training.start import setup
from tests.training import runs


def test_the_best_weights_can_be_chosen_by_one_label(tmp_path: Path) -> None:
    dev = (DataFile(path=str(runs.sentences(tmp_path / "dev.jsonl", n=10))),)
    metric = "pos/NOUN/f1"
    result = train(
        runs.options(tmp_path, validation=dev, eval_strategy="steps", eval_steps=4, metric_for_best_model=metric)
    )
    values = [row[metric] for row in result.table if metric in row]
    assert result.best is not None
    assert result.best["metric"] == metric
    assert result.best["value"] == max(values)
    assert not any("VERB/f1" in name for row in result.table for name in row)


def test_a_label_that_only_the_validation_data_has_counts_as_missed(tmp_path: Path) -> None:
    train_file = DataFile(path=str(runs.sentences(tmp_path / "train.jsonl", n=10)))
    lines = Path(train_file.path).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        record["pos"] = ["RARE" for _ in record["pos"]]
        record["entities"] = [[0, 1, "ODD"]]
    dev = tmp_path / "dev.jsonl"
    dev.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    changes = {
        "train": (train_file,),
        "validation": (DataFile(path=str(dev)),),
        "eval_strategy": "steps",
        "eval_steps": 8,
    }
    row = train(runs.options(tmp_path, **changes)).table[-1]
    assert row["pos/accuracy"] == 0
    assert row["entities/recall"] == 0
    assert row["entities/f1"] == 0
    record = json.loads((tmp_path / "out" / "training.json").read_text(encoding="utf-8"))
    assert any("has no label RARE" in warning for warning in record["warnings"])
    assert any("has no label ODD" in warning for warning in record["warnings"])


def test_classes_of_the_validation_data_alone_count_as_missed(tmp_path: Path) -> None:
    for name, labels in (("train", "ab"), ("dev", "cc")):
        lines = [
            json.dumps({"text": text, "label": label}) for text, label in zip(("我在", "他們"), labels, strict=True)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    files = {
        "train": (DataFile(path=str(tmp_path / "train.jsonl")),),
        "validation": (DataFile(path=str(tmp_path / "dev.jsonl")),),
    }
    heads = {"topic": HeadOptions(task="classify")}
    row = train(runs.options(tmp_path, **files, heads=heads, eval_strategy="steps", eval_steps=8)).table[-1]
    assert row["accuracy"] == 0


def test_gradient_checkpointing_gives_the_same_weights(tmp_path: Path) -> None:
    for name, asked in (("plain", False), ("checkpointed", True)):
        train(runs.options(tmp_path, gradient_checkpointing=asked, max_steps=3, output_dir=str(tmp_path / name)))
    assert runs.weights(tmp_path / "plain") == runs.weights(tmp_path / "checkpointed")


def test_gradient_checkpointing_computes_every_layer_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    build = setup.models.build_encoder

    def counted(*arguments: Any, **options: Any) -> Any:
        encoder = build(*arguments, **options)
        for module in encoder.modules():
            if type(module).__name__ == "BertIntermediate":  # a part of a layer: hooks of the layer run once
                module.register_forward_hook(lambda *_: calls.append("layer"))
        return encoder

    monkeypatch.setattr(setup.models, "build_encoder", counted)
    counts = []
    for name, asked in (("plain", False), ("checkpointed", True)):
        calls.clear()
        train(runs.options(tmp_path, gradient_checkpointing=asked, max_steps=3, output_dir=str(tmp_path / name)))
        counts.append(len(calls))
    assert counts[1] - counts[0] == 3 * 2  # steps and layers


def test_float16_learns_as_float32_does(tmp_path: Path) -> None:
    losses = {}
    for name, changes in (("float32", {}), ("float16", {"fp16": True, "bf16": None})):
        result = train(
            runs.options(tmp_path, **changes, max_steps=20, logging_steps=20, output_dir=str(tmp_path / name))
        )
        losses[name] = result.table[-1]["training_loss"]
    assert losses["float16"] == pytest.approx(losses["float32"], rel=0.02)
    assert losses["float16"] != losses["float32"]
    record = json.loads((tmp_path / "float16" / "training.json").read_text(encoding="utf-8"))
    assert '"fp16"' in json.dumps(record)


def test_an_overflow_halves_the_scale_and_skips_the_step_and_many_good_steps_double_it() -> None:
    scaler = LossScaler(scale=1024.0)
    assert scaler.update(np.inf)
    assert scaler.scale == 512
    for _ in range(LossScaler.GROWTH_STEPS):
        assert not scaler.update(1.0)
    assert scaler.scale == 1024
