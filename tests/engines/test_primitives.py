"""Each engine's primitives against their definitions, where a whole model would hide a small difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from openvino import opset13 as op

import lexel.engines.numpy as numpy_engine
import lexel.engines.openvino as openvino_engine
import lexel.engines.torch as torch_engine
from lexel.checkpoint.config import ACTIVATIONS as CONFIG_ACTIVATIONS
from lexel.encoder.ops import ACTIVATIONS

Array = NDArray[np.float64]
Step = Callable[[Any, Any], Any]
"""From an engine's ``Ops`` and its tensor to its tensor."""

NUMBERS = np.linspace(-9, 9, 361)

DEFINITIONS: dict[str, Callable[[float], float]] = {
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_new": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_pytorch_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: max(x, 0.0),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
}


def by_numpy(step: Step, x: Array) -> Array:
    return np.asarray(step(numpy_engine.NumpyOps(), x))


def by_torch(step: Step, x: Array) -> Array:
    ops = torch_engine.TorchOps(device=torch.device("cpu"), dtype=torch.float32)
    return np.asarray(step(ops, torch.from_numpy(x.astype(np.float32))).numpy())


def by_openvino(step: Step, x: Array) -> Array:
    parameter = op.parameter(list(x.shape), np.float32, "x")
    graph = ov.Model([step(openvino_engine.OpenVinoOps(), parameter)], [parameter], "step")
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([x.astype(np.float32)])[0])


ENGINES = {"numpy": (by_numpy, 1e-14), "torch": (by_torch, 2e-6), "openvino": (by_openvino, 2e-6)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_what_its_name_says(engine: str, name: str) -> None:
    compute, tolerance = ENGINES[engine]
    expected = np.array([[[DEFINITIONS[name](x) for x in NUMBERS]]])
    found = compute(lambda ops, x: ops.activation(x, name), NUMBERS[None, None])
    assert np.abs(found - expected).max() <= tolerance


@pytest.mark.parametrize("engine", ENGINES)
def test_layer_norm_adds_eps_to_the_variance(engine: str) -> None:
    compute, _ = ENGINES[engine]
    x = np.array([[[0.001, -0.002, 0.003, 0.0]]])
    weight, bias = np.array([1.0, 2.0, 3.0, 4.0], np.float32), np.array([0.5, 0.0, -0.5, 1.0], np.float32)
    expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weight + bias

    def normalise(ops: Any, tensor: Any) -> Any:
        return ops.layer_norm(tensor, ops.constant(weight), ops.constant(bias), eps=1e-5)

    assert compute(normalise, x) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("engine", [numpy_engine, openvino_engine, torch_engine])
def test_every_engine_has_every_activation_that_configs_may_name(engine: Any) -> None:
    assert set(engine._ACTIVATIONS) == set(ACTIVATIONS) == set(CONFIG_ACTIVATIONS.values()) == set(DEFINITIONS)
