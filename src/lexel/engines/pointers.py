"""Heads for spans: one linear map, whose outputs ``lexel.decoding.pointers`` turns into scores.

    global-pointer              <prefix>.{weight,bias}            [labels * 2 * size, hidden]: by label query, key
    efficient-global-pointer    <prefix>.p_dense.{weight,bias}    [2 * size, hidden]: query and key
                                <prefix>.q_dense.{weight,bias}    [2 * labels, 2 * size]: biases, from both of them

The second map of the efficient form directly follows the first, so both are merged into one.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from lexel.checkpoint.heads import Head
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import Linear
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_linear
from lexel.pointers import PointerForm

T = TypeVar("T")


def build_pointer(ops: Ops[T], head: Head, weights: Weights, *, hidden_size: int) -> Linear[T]:
    """The map from hidden states ``[picks, hidden]`` to the outputs of ``PointerForm.width``, ``[picks, width]``."""
    form, n = head.pointer or PointerForm(), len(head.labels)
    if form.kind == "global-pointer":
        return read_linear(ops, weights, head.prefix, (form.width(n), hidden_size))
    first, second = f"{head.prefix}.p_dense", f"{head.prefix}.q_dense"
    dense, dense_bias = (part.astype(np.float64) for part in weights.linear(first, (2 * form.size, hidden_size)))
    biases, biases_bias = (part.astype(np.float64) for part in weights.linear(second, (2 * n, 2 * form.size)))
    order, firsts = np.arange(2 * form.size), (0, 1)
    if form.layout == "pairs":
        order, firsts = np.concatenate((order[::2], order[1::2])), (1, 0)
    rows = np.concatenate([np.arange(2 * n)[start::2] for start in firsts])
    weight = np.concatenate((dense[order], (biases @ dense)[rows] / 2))
    bias = np.concatenate((dense_bias[order], (biases @ dense_bias + biases_bias)[rows] / 2))
    full = weights.full_name(head.prefix)
    return Linear(
        ops,
        ops.constant(weight, name=f"{full}.weight"),
        ops.constant(bias, name=f"{full}.bias", is_exact=True),
    )
