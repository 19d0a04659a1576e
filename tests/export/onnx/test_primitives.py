"""Each primitive as ONNX nodes beside the float64 reference, also those that no tiny model has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from numpy.typing import NDArray

from lexel.encoder.ops import ACTIVATIONS
from lexel.engines.numpy_ops import NumpyOps
from lexel.engines.onnx_ops import OPSET, OnnxOps, named
from lexel.engines.onnxruntime import IR_VERSION

TOLERANCE = 2e-6
RANDOM = np.random.default_rng(0)
Step = Callable[..., Any]


def by_onnx(step: Step, *arrays: NDArray[Any]) -> NDArray[Any]:
    ops = OnnxOps()
    float32 = ir.TensorType(ir.DataType.FLOAT)
    inputs = [ir.Value(name=f"x{i}", shape=ir.Shape([None] * a.ndim), type=float32) for i, a in enumerate(arrays)]
    output = named(ops.node("Identity", step(ops, *inputs)), "y", [None] * arrays[0].ndim)
    graph = ir.Graph(
        inputs, [output], nodes=ops.nodes, initializers=ops.initializers, opset_imports={"": OPSET}, name="step"
    )
    proto = ir.to_proto(ir.Model(graph, ir_version=IR_VERSION))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {value.name: array.astype(np.float32) for value, array in zip(inputs, arrays, strict=True)}
    return np.asarray(session.run(None, given)[0])


def check(step: Step, *arrays: NDArray[Any]) -> None:
    expected = np.asarray(step(NumpyOps(), *arrays))
    found = by_onnx(step, *arrays)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max()))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_what_its_name_says(name: str) -> None:
    check(lambda ops, x: ops.activation(x, name), np.linspace(-9, 9, 361)[None, None])


def test_rms_norm_divides_by_the_root_mean_square() -> None:
    weight = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    x = RANDOM.normal(size=(2, 3, 4)) * 0.01
    check(lambda ops, x: ops.rms_norm(x, ops.constant(weight, name="w"), eps=1e-3), x)


@pytest.mark.parametrize("is_interleaved", [True, False])
def test_heads_are_turned_by_angles(is_interleaved: bool) -> None:
    angles = np.repeat(RANDOM.normal(size=(2, 5, 2)), 2, axis=-1)
    angles = angles if is_interleaved else angles[..., [0, 2, 1, 3]]
    check(
        lambda ops, x, cos, sin: ops.rotate(x, cos, sin, n_heads=3, head_size=4, is_interleaved=is_interleaved),
        RANDOM.normal(size=(2, 5, 12)),
        np.cos(angles),
        np.sin(angles),
    )


@pytest.mark.parametrize("n_key_value_heads", [None, 2, 1])
def test_heads_may_share_keys_and_values(n_key_value_heads: int | None) -> None:
    own = n_key_value_heads or 4
    query, key, value = (RANDOM.normal(size=(2, 5, n * 3)) for n in (4, own, own))
    options: dict[str, Any] = {"n_heads": 4, "head_size": 3, "n_key_value_heads": n_key_value_heads, "scale": 0.3}

    def step(ops: Any, query: Any, key: Any, value: Any, bias: Any) -> Any:
        seen = ops.real(0.0) if isinstance(ops, OnnxOps) else np.ones((2, 1, 5, 5), np.bool_)
        return ops.attention(query, key, value, seen, bias=bias, **options)

    check(step, query, key, value, RANDOM.normal(size=(2, 4, 5, 5)))
