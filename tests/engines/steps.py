"""Computes a few primitives on each engine, whose sizes no engine knows beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import torch
from numpy.typing import NDArray
from openvino import opset13 as op

from lexel.engines.numpy_ops import NumpyOps
from lexel.engines.openvino_ops import OpenVinoOps
from lexel.engines.torch_ops import TorchOps

Array = NDArray[np.float64]
Step = Callable[..., Any]
"""From an engine's ``Ops`` and its tensors to its tensor."""


def by_numpy(step: Step, *arrays: NDArray[Any]) -> Array:
    return np.asarray(step(NumpyOps(), *arrays))


def by_torch(step: Step, *arrays: NDArray[Any]) -> Array:
    ops = TorchOps(device=torch.device("cpu"), dtype=torch.float32)
    return np.asarray(step(ops, *(torch.from_numpy(_narrow(array)) for array in arrays)).numpy())


def by_openvino(step: Step, *arrays: NDArray[Any]) -> Array:
    parameters = [op.parameter([-1] * array.ndim, _narrow(array).dtype.type, f"x{i}") for i, array in enumerate(arrays)]
    graph = ov.Model([step(OpenVinoOps(), *parameters)], parameters, "step")
    compiled = ov.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.asarray(compiled([_narrow(array) for array in arrays])[0])


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.int32 if array.dtype.kind == "i" else np.float32)


ENGINES = {"numpy": (by_numpy, 1e-14), "torch": (by_torch, 2e-6), "openvino": (by_openvino, 2e-6)}
