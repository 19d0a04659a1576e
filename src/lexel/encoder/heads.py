"""Heads: what stands on the encoder, computed only for the pieces that need it."""

from __future__ import annotations

from typing import TypeVar

from lexel.checkpoint.heads import Head
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import Linear
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_linear

T = TypeVar("T")

TAGGING = ("words", "pos", "words+pos", "entities", "labels")


def build_head(ops: Ops[T], head: Head, weights: Weights, *, hidden_size: int) -> Linear[T]:
    """The head as a brick from picked hidden states ``[picks, hidden]`` to scores ``[picks, labels]``."""
    return read_linear(ops, weights, head.prefix, (len(head.labels), hidden_size))
