"""ALBERT (Lan et al. 2019, https://arxiv.org/abs/1909.11942): BERT's layer, its weights shared between layers.

The layers form ``n_groups`` groups of equal length; a group is ``layers_per_group`` layers, run in sequence
in each turn of the group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from lexel.encoder.families import bert
from lexel.encoder.family import Family, FillNames, HeadNames, LayerNames, ModelConfig, ModelType, Weights
from lexel.encoder.layers import Context, Encoder, Layer, LayerAdapters
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_layer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """Layers that run in sequence in one turn."""

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
    base = weights.base(config.family.prefix)
    groups = [_read_group(ops, config, base.at(f"encoder.albert_layer_groups.{i}")) for i in range(config.n_groups)]
    turns_per_group = config.n_layers / config.n_groups
    turns = [groups[int(turn / turns_per_group)] for turn in range(config.n_layers)]
    return Encoder(ops, bert.read_embeddings(ops, config, base), turns, scopes=[bert.build_scope(ops, config)])


def _read_group(ops: Ops[T], config: ModelConfig, weights: Weights) -> Group[T]:
    layers = [weights.at(f"albert_layers.{i}") for i in range(config.layers_per_group)]
    names = config.family.layer
    return Group(
        [read_layer(ops, config, layer, names, relative=bert.read_relative(ops, config, layer)) for layer in layers]
    )


FAMILY = Family(
    name="albert",
    model_types={"albert": ModelType("ALBERT", "Albert")},
    build=build,
    required={**bert.REQUIRED, "embedding_size": "embedding_size"},
    optional={**bert.OPTIONAL, "n_groups": "num_hidden_groups", "layers_per_group": "inner_group_num"},
    defaults={**bert.DEFAULTS, "n_groups": 1, "layers_per_group": 1},
    prefix="albert",
    embeddings=replace(bert.EMBEDDINGS, project="encoder.embedding_hidden_mapping_in", always_projects=True),
    layers="encoder.albert_layer_groups.*.albert_layers.*",
    layer=LayerNames(
        query="attention.query",
        key="attention.key",
        value="attention.value",
        attention_output="attention.dense",
        attention_norm="attention.LayerNorm",
        inner="ffn",
        outer="ffn_output",
        feed_forward_norm="full_layer_layer_norm",
        distances="attention.distance_embedding",
    ),
    fill=FillNames(
        "predictions",
        dense="predictions.dense",
        norm="predictions.LayerNorm",
        decoder="predictions.decoder",
        bias="predictions.bias",
    ),
    classify=HeadNames("albert.pooler", "classifier"),
    unused=[*bert.UNUSED, ("predictions.*", "its pre-training head"), ("sop_classifier.*", "its sentence-order head")],
)
