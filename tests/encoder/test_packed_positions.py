"""Three sequences in one row get what each gets alone, whatever a family computes from positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lexel.encoder.layers import (
    Buckets,
    Embeddings,
    Encoder,
    GatedFeedForward,
    Inputs,
    Layer,
    LayerNorm,
    Linear,
    RmsNorm,
    Scope,
    SelfAttention,
)
from lexel.encoder.read import build_rotary
from lexel.engines.torch_attention import Segments
from lexel.engines.torch_ops import TorchOps
from tests.engines.steps import ENGINES, Array
from tests.engines.test_torch import each_alone

LENGTHS = (12, 5, 15)
VOCAB, HIDDEN, HEADS, KEYS, SIZE, N_POSITIONS = 40, 24, 4, 2, 6, 16
TOLERANCES = {"numpy": 1e-12, "torch": 2e-5, "openvino": 2e-5}


def build(ops: Any, *, is_relative: bool = True) -> Encoder[Any]:
    """Pre-norm layers with a window in turn with the whole sequence, two rotary bases, and scores by distance."""
    random = np.random.default_rng(0)

    def constant(*shape: int, scale: float = 1.0, mean: float = 0.0, is_exact: bool = False) -> Any:
        array = (random.normal(size=shape) * scale + mean).astype(np.float32)
        return ops.constant(array, name=f"c{random.integers(1 << 40)}", is_exact=is_exact)

    def linear(outputs: int, inputs: int) -> Linear[Any]:
        return Linear(ops, constant(outputs, inputs, scale=0.5), None)

    def attention(scope: int) -> SelfAttention[Any]:
        table = constant(5, HEADS * SIZE, is_exact=True)

        def relative(query: Any, key: Any, distances: Any) -> Any:
            return ops.relative_scores(query, table, distances, n_heads=HEADS, head_size=SIZE, side="query")

        return SelfAttention(
            ops,
            query=linear(HIDDEN, HIDDEN),
            key=linear(KEYS * SIZE, HIDDEN),
            value=linear(KEYS * SIZE, HIDDEN),
            output=linear(HIDDEN, HIDDEN),
            n_heads=HEADS,
            head_size=SIZE,
            n_key_value_heads=KEYS,
            scope=scope,
            relative=relative if is_relative else None,
        )

    def norm() -> RmsNorm[Any]:
        return RmsNorm(ops, constant(HIDDEN, scale=0.1, mean=1.0, is_exact=True), 1e-5)

    def layer(scope: int) -> Layer[Any]:
        mapped = GatedFeedForward(ops, linear(32, HIDDEN), linear(32, HIDDEN), linear(HIDDEN, 32), "gelu")
        return Layer(ops, attention(scope), norm(), mapped, norm(), norm_first=True)

    of_distance = np.clip(np.arange(1 - N_POSITIONS, N_POSITIONS), -2, 2).astype(np.int32) + 2
    buckets = Buckets(ops.constant(of_distance, name="buckets"), N_POSITIONS) if is_relative else None

    def scope(window: int | None, base: float) -> Scope[Any]:
        return Scope(window, build_rotary(ops, base=base, size=SIZE, n_positions=N_POSITIONS), buckets)

    return Encoder(
        ops,
        Embeddings(ops, constant(VOCAB, HIDDEN), None, None, None),
        [layer(0), layer(1), layer(0)],
        scopes=(scope(6, 100.0), scope(None, 10_000.0)),
        norm=LayerNorm(ops, constant(HIDDEN, scale=0.1, mean=1.0, is_exact=True), None, 1e-5),
    )


def rows_of(lengths: tuple[int, ...], pieces: Array) -> tuple[Array, Array, Array]:
    """The sequences in one row: pieces, positions and numbers, ``[1, length]``."""
    positions = np.concatenate([np.arange(length) for length in lengths])
    numbers = np.repeat(np.arange(len(lengths)) + 1, lengths)
    return pieces[None], positions[None], numbers[None]


PIECES = np.random.default_rng(1).integers(0, VOCAB, sum(LENGTHS))


@pytest.mark.parametrize("engine", ENGINES)
def test_sequences_in_one_row_get_what_each_gets_alone(engine: str) -> None:
    compute, _ = ENGINES[engine]

    def states(ops: Any, pieces: Any, positions: Any, numbers: Any) -> Any:
        return build(ops)(Inputs(pieces, positions, pieces, numbers))[-1]

    together = compute(states, *rows_of(LENGTHS, PIECES))[0]
    parts = np.split(PIECES, np.cumsum(LENGTHS)[:-1])
    alone = [compute(states, *rows_of((len(part),), part))[0] for part in parts]
    assert np.abs(together - np.concatenate(alone)).max() <= TOLERANCES[engine]
    assert together.std() > 0.5


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_agree_on_positions_of_every_kind(engine: str) -> None:
    def states(ops: Any, pieces: Any, positions: Any, numbers: Any) -> Any:
        return build(ops)(Inputs(pieces, positions, pieces, numbers))[-1]

    expected = ENGINES["numpy"][0](states, *rows_of(LENGTHS, PIECES))
    assert np.abs(ENGINES[engine][0](states, *rows_of(LENGTHS, PIECES)) - expected).max() <= TOLERANCES[engine]


def test_segments_see_windows_and_rotary_positions_as_rows_do() -> None:
    def states(ops: TorchOps, numbers: Any) -> torch.Tensor:
        pieces, positions, _ = (torch.from_numpy(array) for array in rows_of(LENGTHS, PIECES))
        return build(ops, is_relative=False)(Inputs(pieces, positions, pieces, numbers))[-1]

    plain = TorchOps(device=torch.device("cpu"), dtype=torch.float32)
    segmented = TorchOps(device=torch.device("cpu"), dtype=torch.float32, kernel=each_alone)
    bounds = torch.tensor(np.concatenate(([0], np.cumsum(LENGTHS))), dtype=torch.int32)
    in_rows = states(plain, torch.from_numpy(rows_of(LENGTHS, PIECES)[2]))
    in_segments = states(segmented, Segments(bounds, max(LENGTHS)))
    assert torch.allclose(in_segments, in_rows, atol=2e-5)
