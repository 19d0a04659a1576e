"""ALBERT (Lan et al. 2019, https://arxiv.org/abs/1909.11942): BERT's layer, its weights shared between layers.

The layers form ``n_groups`` groups of equal length; a group is ``layers_per_group`` layers, run one after the other
each time the group's turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.families.bert import read_embeddings
from lexel.encoder.layers import Context, Encoder, Layer, LayerAdapters
from lexel.encoder.ops import Ops
from lexel.encoder.read import LayerNames, read_layer

T = TypeVar("T")

LAYER = LayerNames(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    attention_output="attention.dense",
    attention_norm="attention.LayerNorm",
    inner="ffn",
    outer="ffn_output",
    feed_forward_norm="full_layer_layer_norm",
)


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """Layers that are run one after the other in one turn."""

    layers: Sequence[Layer[T]]

    def __call__(self, x: T, context: Context[T]) -> T:
        for layer in self.layers:
            x = layer(x, context)
        return x

    def adapted(self, adapters: Iterator[LayerAdapters[T]]) -> Group[T]:
        """The group with the next adapters in its layers."""
        return Group([layer.adapted(adapters) for layer in self.layers])


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of an ALBERT checkpoint."""
    base = weights.base("albert")
    embeddings = read_embeddings(ops, config, base)
    groups = [_read_group(ops, config, base.at(f"encoder.albert_layer_groups.{i}")) for i in range(config.n_groups)]
    turns_per_group = config.n_layers / config.n_groups
    return Encoder(ops, embeddings, [groups[int(turn / turns_per_group)] for turn in range(config.n_layers)])


def _read_group(ops: Ops[T], config: ModelConfig, weights: Weights) -> Group[T]:
    return Group(
        [read_layer(ops, config, weights.at(f"albert_layers.{i}"), LAYER) for i in range(config.layers_per_group)]
    )
