"""ALBERT (Lan et al. 2019, https://arxiv.org/abs/1909.11942): BERT's layer, its weights shared between layers.

The layers form ``n_groups`` groups of equal length; a group is ``layers_per_group`` layers, run one after the other
each time the group's turn comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.families.bert import read_embeddings
from lexel.encoder.layers import Encoder, FeedForward, Layer, SelfAttention
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_layer_norm, read_linear

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """Layers that are run one after the other in one turn."""

    layers: Sequence[Layer[T]]

    def __call__(self, x: T, same_sequence: T) -> T:
        for layer in self.layers:
            x = layer(x, same_sequence)
        return x


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of an ALBERT checkpoint."""
    base = weights.base("albert")
    embeddings = read_embeddings(ops, config, base)
    groups = [_read_group(ops, config, base.at(f"encoder.albert_layer_groups.{i}")) for i in range(config.n_groups)]
    turns_per_group = config.n_layers / config.n_groups
    return Encoder(ops, embeddings, [groups[int(turn / turns_per_group)] for turn in range(config.n_layers)])


def _read_group(ops: Ops[T], config: ModelConfig, weights: Weights) -> Group[T]:
    return Group([_read_layer(ops, config, weights.at(f"albert_layers.{i}")) for i in range(config.layers_per_group)])


def _read_layer(ops: Ops[T], config: ModelConfig, weights: Weights) -> Layer[T]:
    hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
    attention = weights.at("attention")
    return Layer(
        ops,
        attention=SelfAttention(
            ops,
            query=read_linear(ops, attention, "query", (hidden, hidden)),
            key=read_linear(ops, attention, "key", (hidden, hidden)),
            value=read_linear(ops, attention, "value", (hidden, hidden)),
            output=read_linear(ops, attention, "dense", (hidden, hidden)),
            n_heads=config.n_heads,
        ),
        attention_norm=read_layer_norm(ops, attention, "LayerNorm", hidden, eps),
        feed_forward=FeedForward(
            ops,
            inner=read_linear(ops, weights, "ffn", (inner, hidden)),
            outer=read_linear(ops, weights, "ffn_output", (hidden, inner)),
            activation=config.activation,
        ),
        feed_forward_norm=read_layer_norm(ops, weights, "full_layer_layer_norm", hidden, eps),
    )
