"""Each engine's primitives against their definitions, where a whole model would hide a small difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.config import ACTIVATIONS as CONFIG_ACTIVATIONS
from lexel.encoder.ops import ACTIVATIONS
from lexel.encoder.read import build_rotary
from lexel.engines import numpy_ops, openvino_ops, torch_ops
from lexel.engines.openvino import BuiltGraphs
from lexel.engines.torch_ops import TorchOps
from tests.builders import build_tagger
from tests.engines.steps import ENGINES, Array, Step

NUMBERS = np.linspace(-9, 9, 361)

DEFINITIONS: dict[str, Callable[[float], float]] = {
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "gelu_new": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "gelu_pytorch_tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x / (1 + math.exp(-1.702 * x)),
    "relu": lambda x: max(x, 0.0),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
}


def check(engine: str, step: Step, *arrays: NDArray[Any], expected: Array) -> None:
    """What an engine computes is what is expected, to its precision; no engine knows the sizes of its inputs."""
    compute, tolerance = ENGINES[engine]
    found = compute(step, *arrays)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(1.0, float(np.abs(expected).max()))


# Element by element --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_what_its_name_says(engine: str, name: str) -> None:
    compute, tolerance = ENGINES[engine]
    expected = np.array([[[DEFINITIONS[name](x) for x in NUMBERS]]])
    found = compute(lambda ops, x: ops.activation(x, name), NUMBERS[None, None])
    assert np.abs(found - expected).max() <= tolerance


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_layer_norm_adds_eps_to_the_variance(engine: str, has_bias: bool) -> None:
    compute, _ = ENGINES[engine]
    x = np.array([[[0.001, -0.002, 0.003, 0.0]]])
    weight, bias = np.array([1.0, 2.0, 3.0, 4.0], np.float32), np.array([0.5, 0.0, -0.5, 1.0], np.float32)
    expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weight + (bias if has_bias else 0)

    def normalise(ops: Any, tensor: Any) -> Any:
        shift = ops.constant(bias, name="bias") if has_bias else None
        return ops.layer_norm(tensor, ops.constant(weight, name="weight"), shift, eps=1e-5)

    assert compute(normalise, x) == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_rms_norm_adds_eps_to_the_mean_square(engine: str) -> None:
    x, weight = random(2, 3, 4) * 0.01, np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    expected = x / np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + 1e-3) * weight
    check(engine, lambda ops, x: ops.rms_norm(x, ops.constant(weight, name="w"), eps=1e-3), x, expected=expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_multiply_broadcasts(engine: str) -> None:
    left, right = random(2, 3, 4), random(1, 3, 1)
    check(engine, lambda ops, x, y: ops.multiply(x, y), left, right, expected=left * right)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_linear_map_may_have_no_bias(engine: str, has_bias: bool) -> None:
    x, weight, bias = random(2, 3, 4), random(5, 4).astype(np.float32), random(5).astype(np.float32)

    def mapped(ops: Any, x: Any) -> Any:
        shift = ops.constant(bias, name="bias", is_exact=True) if has_bias else None
        return ops.linear(x, ops.constant(weight, name="weight"), shift)

    check(engine, mapped, x, expected=x @ weight.T + (bias if has_bias else 0))


# Attention -----------------------------------------------------------------------------------------------------------

ROWS, LENGTH, HEADS, SIZE = 2, 9, 4, 6
SEQUENCES = np.array([[1, 1, 1, 1, 2, 2, 2, 3, 3], [1, 1, 1, 1, 1, 1, 1, 0, 0]], np.int32)
POSITIONS = np.array([[0, 1, 2, 3, 0, 1, 2, 0, 1], [0, 1, 2, 3, 4, 5, 6, 0, 0]], np.int32)


def random(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def attended(
    query: Array, key: Array, value: Array, seen: NDArray[np.bool_], *, scale: float, bias: Array | None = None
) -> Array:
    """Attention by its formula, one head of one row after the other; all heads have their own keys."""
    result = np.empty_like(query)
    for row in range(ROWS):
        for head in range(HEADS):
            own = slice(head * SIZE, (head + 1) * SIZE)
            scores = query[row, :, own] @ key[row, :, own].T * scale + (0 if bias is None else bias[row, head])
            powers = np.exp(scores) * seen[row]
            result[row, :, own] = powers / powers.sum(axis=1, keepdims=True) @ value[row, :, own]
    return result


def seen_in(window: int | None) -> NDArray[np.bool_]:
    away = np.abs(POSITIONS[:, :, None] - POSITIONS[:, None, :])
    same = SEQUENCES[:, :, None] == SEQUENCES[:, None, :]
    return same if window is None else same & (away <= window // 2)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("window", [None, 0, 2, 3, 100])
def test_attention_sees_its_own_sequence_as_far_as_the_window(engine: str, window: int | None) -> None:
    query, key, value = random(ROWS, LENGTH, HEADS * SIZE), random(2, 9, 24) * 2, random(2, 9, 24) - 1

    def attend(ops: Any, query: Any, key: Any, value: Any, sequences: Any, positions: Any) -> Any:
        mask = ops.mask(sequences, positions, window=window)
        return ops.attention(query, key, value, mask, n_heads=HEADS, head_size=SIZE)

    expected = attended(query, key, value, seen_in(window), scale=SIZE**-0.5)
    check(engine, attend, query, key, value, SEQUENCES, POSITIONS, expected=expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_attention_takes_a_scale_and_a_bias(engine: str) -> None:
    query, key, value = random(ROWS, LENGTH, HEADS * SIZE), random(2, 9, 24) * 2, random(2, 9, 24) - 1
    bias = random(ROWS, HEADS, LENGTH, LENGTH)

    def attend(ops: Any, query: Any, key: Any, value: Any, bias: Any, sequences: Any, positions: Any) -> Any:
        mask = ops.mask(sequences, positions)
        return ops.attention(query, key, value, mask, n_heads=HEADS, head_size=SIZE, scale=0.3, bias=bias)

    expected = attended(query, key, value, seen_in(None), scale=0.3, bias=bias)
    check(engine, attend, query, key, value, bias, SEQUENCES, POSITIONS, expected=expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_values_gain_the_row_of_their_distance(engine: str) -> None:
    query, key, value = random(ROWS, LENGTH, HEADS * SIZE), random(2, 9, 24) * 2, random(2, 9, 24) - 1
    buckets = np.random.default_rng(3).integers(0, 5, 13).astype(np.int32)
    table = random(5, SIZE).astype(np.float32)

    def attend(ops: Any, query: Any, key: Any, value: Any, sequences: Any, positions: Any) -> Any:
        distances = ops.distances(positions, ops.constant(buckets, name="buckets"), n_positions=7)
        far = distances, ops.constant(table, name="table", is_exact=True)
        mask = ops.mask(sequences, positions)
        return ops.attention(query, key, value, mask, n_heads=HEADS, head_size=SIZE, far_values=far)

    seen, expected = seen_in(None), np.empty_like(query)
    away = POSITIONS[:, :, None] - POSITIONS[:, None, :]
    for row, head in np.ndindex(ROWS, HEADS):
        own = slice(head * SIZE, (head + 1) * SIZE)
        powers = np.exp(query[row, :, own] @ key[row, :, own].T * SIZE**-0.5) * seen[row]
        shares = (powers / powers.sum(axis=1, keepdims=True))[..., None]
        expected[row, :, own] = (shares * (value[row, None, :, own] + table[buckets[away[row] + 6]])).sum(axis=1)
    compute, tolerance = ENGINES[engine]
    off = np.abs(compute(attend, query, key, value, SEQUENCES, POSITIONS) - expected)[SEQUENCES > 0]
    assert off.max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n_keys", [1, 2])
def test_fewer_heads_of_keys_serve_neighbouring_heads(engine: str, n_keys: int) -> None:
    query, key, value = random(ROWS, LENGTH, HEADS * SIZE), random(2, 9, n_keys * SIZE), random(2, 9, n_keys * SIZE) - 1

    def attend(ops: Any, query: Any, key: Any, value: Any, sequences: Any, positions: Any) -> Any:
        mask = ops.mask(sequences, positions)
        return ops.attention(query, key, value, mask, n_heads=HEADS, head_size=SIZE, n_key_value_heads=n_keys)

    heads = [head for head in range(n_keys) for _ in range(HEADS // n_keys)]
    keys, values = (
        np.concatenate([x[..., head * SIZE : (head + 1) * SIZE] for head in heads], axis=-1) for x in (key, value)
    )
    expected = attended(query, keys, values, seen_in(None), scale=SIZE**-0.5)
    check(engine, attend, query, key, value, SEQUENCES, POSITIONS, expected=expected)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("is_interleaved", [False, True])
def test_rotation_multiplies_pairs_as_complex_numbers(engine: str, is_interleaved: bool) -> None:
    x, angles = random(ROWS, LENGTH, HEADS * SIZE), random(ROWS, LENGTH, SIZE // 2) * 3
    expected = np.empty_like(x)
    for head in range(HEADS):
        part = x[..., head * SIZE : (head + 1) * SIZE]
        real, imaginary = (part[..., 0::2], part[..., 1::2]) if is_interleaved else np.split(part, 2, axis=-1)
        turned = (real + 1j * imaginary) * np.exp(1j * angles)
        pairs = [turned.real, turned.imag]
        whole = np.stack(pairs, axis=-1).reshape(part.shape) if is_interleaved else np.concatenate(pairs, axis=-1)
        expected[..., head * SIZE : (head + 1) * SIZE] = whole
    whole = np.repeat(angles, 2, axis=-1) if is_interleaved else np.concatenate([angles, angles], axis=-1)

    def rotate(ops: Any, x: Any, cos: Any, sin: Any) -> Any:
        return ops.rotate(x, cos, sin, n_heads=HEADS, head_size=SIZE, is_interleaved=is_interleaved)

    check(engine, rotate, x, np.cos(whole), np.sin(whole), expected=expected)


@pytest.mark.parametrize("engine", ENGINES)
def test_rotary_scores_depend_on_the_distance_alone(engine: str) -> None:
    x = np.repeat(random(1, 1, SIZE), LENGTH, axis=1)
    positions = np.arange(LENGTH, dtype=np.int32)[None]

    def products(ops: Any, x: Any, positions: Any) -> Any:
        rotary = build_rotary(ops, base=100.0, size=SIZE, n_positions=LENGTH)
        cos, sin = ops.gather(rotary.cos, positions), ops.gather(rotary.sin, positions)
        return ops.rotate(x, cos, sin, n_heads=1, head_size=SIZE)

    (turned,) = ENGINES[engine][0](products, x, positions)
    scores = turned @ turned.T
    speeds = 100.0 ** (-np.arange(0, SIZE, 2) / SIZE)
    pairs = np.square(x[0, 0, : SIZE // 2]) + np.square(x[0, 0, SIZE // 2 :])
    away = np.arange(LENGTH)[:, None] - np.arange(LENGTH)
    assert scores == pytest.approx(np.cos(away[..., None] * speeds) @ pairs, abs=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("side", ["query", "key"])
@pytest.mark.parametrize("is_shared", [False, True])
def test_relative_scores_are_products_with_the_bucket_of_the_distance(engine: str, side: Any, is_shared: bool) -> None:
    n_positions, n_buckets = 7, 5
    buckets = np.random.default_rng(3).integers(0, n_buckets, 2 * n_positions - 1).astype(np.int32)
    x, table = random(ROWS, LENGTH, HEADS * SIZE), random(n_buckets, SIZE if is_shared else HEADS * SIZE)
    expected = np.empty((ROWS, HEADS, LENGTH, LENGTH))
    for row, head, i, j in np.ndindex(*expected.shape):
        bucket = buckets[POSITIONS[row, i] - POSITIONS[row, j] + n_positions - 1]
        own = slice(head * SIZE, (head + 1) * SIZE)
        distance = table[bucket] if is_shared else table[bucket, own]
        expected[row, head, i, j] = x[row, i if side == "query" else j, own] @ distance

    def scores(ops: Any, x: Any, positions: Any) -> Any:
        distances = ops.distances(positions, ops.constant(buckets, name="buckets"), n_positions=n_positions)
        constant = ops.constant(table.astype(np.float32), name="table", is_exact=True)
        sizes = {"n_heads": HEADS, "head_size": SIZE}
        return ops.relative_scores(x, constant, distances, side=side, is_shared=is_shared, **sizes)

    compute, tolerance = ENGINES[engine]
    inside = np.broadcast_to((seen_in(None) & (SEQUENCES > 0)[:, None])[:, None], expected.shape)
    off = np.abs(compute(scores, x, POSITIONS) - expected)[inside]
    assert off.max() <= max(tolerance, 1e-6) * np.abs(expected).max()


@pytest.mark.parametrize("engine", ENGINES)
def test_picks_are_flat_slots(engine: str) -> None:
    x, picks = random(ROWS, LENGTH, 4), np.array([17, 0, 9, 9], np.int32)
    check(engine, lambda ops, x, picks: ops.pick(x, picks, hidden_size=4), x, picks, expected=x.reshape(-1, 4)[picks])


# Constants -----------------------------------------------------------------------------------------------------------


def test_exact_constants_stay_in_float32_and_others_take_the_precision() -> None:
    ops = TorchOps(device=torch.device("cpu"), dtype=torch.bfloat16)
    table = np.cos(np.arange(4000)[:, None] * 10000.0 ** (-np.arange(0, 64, 2) / 64))
    exact = ops.constant(table, name="rotary.cos", is_exact=True)
    assert exact.dtype == torch.float32
    assert np.abs(exact.numpy() - table).max() <= 6e-8
    assert ops.constant(table.astype(np.float32), name="weight").dtype == torch.bfloat16
    assert ops.constant(np.arange(3, dtype=np.int32), name="buckets").dtype == torch.int32


def test_constants_of_a_graph_have_the_names_of_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(build_tagger(tmp_path, heads={"words": ("B", "I")}))
    graph = BuiltGraphs(checkpoint, None).graph(["words"])
    names = {node.get_friendly_name() for node in graph.get_ops() if node.get_type_name() == "Constant"}
    read = set(checkpoint.open_weights().names)
    assert read <= names


@pytest.mark.parametrize("engine", [numpy_ops, openvino_ops, torch_ops])
def test_every_engine_has_every_activation_that_configs_may_name(engine: Any) -> None:
    assert set(engine.ACTIVATIONS) == set(ACTIVATIONS) == set(CONFIG_ACTIVATIONS.values()) == set(DEFINITIONS)
