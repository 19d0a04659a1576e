"""Weights stored in half precision, or under a bare encoder's names, are computed with as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from lexel.checkpoint import open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from tests.builders import ENTITIES, VOCAB, build_tagger, compute, random_sequences

OUTPUTS = ("entities", "hidden.0", "hidden.2")
Tensors = dict[str, torch.Tensor]


def computed(folder: Path, engine: str) -> dict[str, NDArray[Any]]:
    checkpoint = open_checkpoint(folder)
    precision = "auto" if engine == "numpy" else "float32"
    started = start_engine(checkpoint, EngineOptions(engine=engine, precision=precision, threads=1))
    return compute(started, random_sequences((30, 5, 64), n_pieces=len(VOCAB), n_types=2), OUTPUTS, max_length=64)


def stored_as(folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    build_tagger(folder, heads={"entities": ENTITIES})
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize("engine", ["numpy", "openvino", "torch"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_as_its_own_numbers_in_float32(
    tmp_path: Path, engine: str, dtype: torch.dtype
) -> None:
    half = stored_as(tmp_path / "half", lambda tensors: {name: one.to(dtype) for name, one in tensors.items()})
    wide = stored_as(tmp_path / "wide", lambda tensors: {name: one.to(dtype).float() for name, one in tensors.items()})
    found, expected = computed(half, engine), computed(wide, "numpy")
    for name in OUTPUTS:
        assert np.abs(found[name] - expected[name]).max() <= 1e-5, name


@pytest.mark.parametrize("engine", ["numpy", "openvino", "torch"])
def test_an_encoder_may_stand_at_the_root(tmp_path: Path, engine: str) -> None:
    plain = stored_as(tmp_path / "plain", lambda tensors: tensors)
    rooted = stored_as(
        tmp_path / "rooted", lambda tensors: {name.removeprefix("bert."): one for name, one in tensors.items()}
    )
    found, expected = computed(rooted, engine), computed(plain, "numpy")
    for name in OUTPUTS:
        assert np.abs(found[name] - expected[name]).max() <= 1e-5, name
