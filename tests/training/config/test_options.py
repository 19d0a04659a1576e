"""Options of training: what is in range and goes together."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from transformers import TrainingArguments

from lexel.errors import OptionError
from lexel.training.config.choices import REFUSED_METHODS
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions

OURS = ("num_train_epochs", "max_steps", "learning_rate", "per_device_train_batch_size", "per_device_eval_batch_size",
        "gradient_accumulation_steps", "adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "max_grad_norm",
        "lr_scheduler_type", "warmup_steps", "label_smoothing_factor", "logging_steps", "save_steps", "seed",
        "save_total_limit", "metric_for_best_model", "greater_is_better")  # fmt: skip
"""Options that are transformers' own."""


def options(**changes: Any) -> TrainingOptions:
    """Options that are right but for the changes."""
    values = {
        "train": (DataFile(path="train.jsonl"),),
        "heads": {"words": HeadOptions(task="words")},
        "output_dir": "out",
        "model": "base",
    }
    return TrainingOptions(**{**values, **changes})


@pytest.mark.parametrize("name", OURS)
def test_defaults_are_those_of_transformers(name: str) -> None:
    theirs = next(field for field in dataclasses.fields(TrainingArguments) if field.name == name).default
    assert getattr(options(), name) == getattr(theirs, "value", theirs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"learning_rate": 0.0}, "learning_rate: 0.0; expected a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate: nan"),
        ({"learning_rate": "2e-5"}, "learning_rate: '2e-5'; expected a number above 0"),
        ({"per_device_train_batch_size": 0}, "per_device_train_batch_size: 0; expected a whole number, 1 or more"),
        ({"per_device_train_batch_size": True}, "per_device_train_batch_size: True"),
        ({"max_steps": 0}, "max_steps: 0; expected a whole number, 1 or more, or -1"),
        ({"adam_beta1": 1.0}, "adam_beta1: 1.0; expected a number from 0 to less than 1"),
        ({"layer_decay": 1.5}, "layer_decay: 1.5"),
        ({"seed": -1}, "seed: -1"),
        ({"optim": "sgd"}, "optim: 'sgd'; expected one of adamw_torch, muon"),
        ({"save_dtype": "int8"}, "save_dtype: 'int8'; expected float32 or float16"),
        ({"train": ()}, "train: (); expected at least one file"),
        ({"heads": {}}, "heads: {}; expected at least one"),
        ({"heads": {"a b": HeadOptions(task="words")}}, "heads: 'a b'; expected a name"),
        ({"model": None}, "model: none; expected a model to start from, or config"),
        ({"model": None, "config": {"hidden_size": 8}}, "tokenizer: none"),
        ({"warmup_steps": 3, "warmup_ratio": 0.1}, "warmup_steps: 3, and warmup_ratio 0.1; expected one of them"),
        ({"last_layers": 2}, "last_layers: 2 with method full"),
        ({"method": "last_layers"}, "last_layers: None with method last_layers"),
        ({"merge": False}, "merge: false with method full"),
        ({"window": 64, "overlap": 62}, "overlap: 62 of a window of 64"),
        ({"class_weights": "even"}, "class_weights: 'even'; expected balanced"),
        ({"class_weights": {"B": -1.0}}, "class_weights: -1.0 for label 'B'"),
        ({"early_stopping_patience": 2}, "early_stopping_patience: 2 without validation data; expected"),
        ({"early_stopping_patience": 2, "eval_strategy": "no"}, "early_stopping_patience: 2 with eval_strategy no"),
        (
            {"dev_fraction": 0.1, "validation": (DataFile(path="dev.jsonl"),)},
            "validation, dev_fraction: given together",
        ),
        ({"folds": 1}, "folds: 1; expected a whole number, 2 or more"),
        ({"folds": 3, "eval_strategy": "no"}, "folds: 3 with eval_strategy no"),
        ({"folds": 3, "fold_number": 4}, "fold_number: 4 with folds 3"),
        ({"fp16": True, "bf16": True}, "fp16: true, and bf16 true"),
        ({"focal_gamma": -1.0}, "focal_gamma: -1.0"),
        ({"labels_from": "dev"}, "labels_from: 'dev'; expected one of train, all"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_expected(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        options(**changes)


@pytest.mark.parametrize("method", REFUSED_METHODS)
def test_methods_that_add_pieces_are_refused_with_the_reason(method: str) -> None:
    with pytest.raises(OptionError, match="refused: it adds virtual pieces to every sequence"):
        options(method=method)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ({"task": "chunks"}, "task: 'chunks'; expected one of words, pos"),
        ({"task": "words", "loss_weight": 0}, "loss_weight: 0"),
        ({"task": "pos", "labels": ("A", "B", "A")}, "A, B, A; expected each of them once"),
        ({"task": "pos", "scheme": "BIO"}, "scheme: BIO with task pos; expected words, words+pos or entities"),
        ({"task": "fill", "problem": "multi"}, "problem: multi with task fill"),
        ({"task": "pos", "crf": True}, "crf: true with task pos; expected words, words+pos or entities"),
        ({"task": "fill", "mlm_probability": 1.0}, "mlm_probability: 1.0"),
    ],
)
def test_a_wrong_head_is_named_with_what_was_expected(head: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=re.escape(said)):
        HeadOptions(**head)


@pytest.mark.parametrize("file", [{"path": ""}, {"path": "a", "weight": 0}, {"path": "a", "weight": float("inf")}])
def test_a_data_file_needs_a_path_and_a_weight(file: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="a data file's"):
        DataFile(**file)


@pytest.mark.parametrize("kind", [TrainingOptions, HeadOptions, DataFile])
def test_every_option_is_described(kind: type) -> None:
    described = re.findall(r"^ {8}(\w+): ", (kind.__doc__ or "").partition("Attributes:")[2], re.MULTILINE)
    names = [field.name for field in dataclasses.fields(kind)]
    assert [name for name in described if name != "OptionError"] == names
