"""BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805), and the encoder of families that share its layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from lexel.encoder.family import (
    EmbeddingNames,
    Family,
    FillNames,
    HeadNames,
    LayerNames,
    ModelConfig,
    ModelType,
    Weights,
)
from lexel.encoder.layers import Buckets, Embeddings, Encoder, LayerNorm, Scope
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_constant, read_layer, read_layer_norm, read_linear

T = TypeVar("T")

REQUIRED = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_positions": "max_position_embeddings",
    "activation": "hidden_act",
}
OPTIONAL = {"layer_norm_eps": "layer_norm_eps", "n_types": "type_vocab_size", "pad_id": "pad_token_id"}
DEFAULTS = {"layer_norm_eps": 1e-12, "n_types": 2, "pad_id": 0}
EMBEDDINGS = EmbeddingNames(
    pieces="embeddings.word_embeddings",
    positions="embeddings.position_embeddings",
    types="embeddings.token_type_embeddings",
    norm="embeddings.LayerNorm",
)
LAYER = LayerNames(
    query="attention.self.query",
    key="attention.self.key",
    value="attention.self.value",
    attention_output="attention.output.dense",
    attention_norm="attention.output.LayerNorm",
    inner="intermediate.dense",
    outer="output.dense",
    feed_forward_norm="output.LayerNorm",
    distances="attention.self.distance_embedding",
)
UNUSED = [("*embeddings.position_embeddings.weight", "the table of positions of a model with relative ones")]


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a checkpoint with BERT's layers, under the names of its family."""
    family = config.family
    base = weights.base(family.prefix)
    layers = [base.at(family.layers.replace("*", str(i))) for i in range(config.n_layers)]
    return Encoder(
        ops,
        read_embeddings(ops, config, base),
        [read_layer(ops, config, one, family.layer, relative=read_relative(ops, config, one)) for one in layers],
        scopes=[build_scope(ops, config)],
        norm=read_norm(ops, config, base, family.last_norm, config.hidden_size),
    )


def read_norm(ops: Ops[T], config: ModelConfig, base: Weights, name: str | None, size: int) -> LayerNorm[T] | None:
    """A normalisation that some families have."""
    return None if name is None else read_layer_norm(ops, base, name, size, config.layer_norm_eps)


def read_embeddings(ops: Ops[T], config: ModelConfig, base: Weights) -> Embeddings[T]:
    """The tables of the family, their norm, and the projection of narrow tables."""
    names, size = config.family.embeddings, config.embedding_size
    project = names.project if size != config.hidden_size or names.always_projects else None
    return Embeddings(
        ops,
        pieces=read_constant(ops, base, f"{names.pieces}.weight", (config.vocab_size, size)),
        positions=read_positions(ops, config, base),
        types=None
        if names.types is None or not config.n_types
        else read_constant(ops, base, f"{names.types}.weight", (config.n_types, size)),
        norm=read_norm(ops, config, base, names.norm, size),
        project=None if project is None else read_linear(ops, base, project, (config.hidden_size, size)),
    )


def read_positions(ops: Ops[T], config: ModelConfig, base: Weights) -> T | None:
    """The table of positions from the first that a sequence uses, ``[positions, embedding]``, if the model uses one."""
    if config.family.embeddings.positions is None or config.position_type != "absolute":
        return None
    name = f"{config.family.embeddings.positions}.weight"
    table = base.tensor(name, (config.position_offset + config.max_positions, config.embedding_size))
    return ops.constant(table[config.position_offset :], name=base.full_name(name))


# Relative positions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DistanceScores(Generic[T]):
    """Products of queries (and keys) with a row for each distance (Shaw et al. 2018, https://arxiv.org/abs/1803.02155).

    Attributes:
        table: A row for each distance, shared by all heads, scaled like the scores; ``[distances, head size]``.
        of_keys: Whether keys are multiplied as well.
    """

    ops: Ops[T]
    table: T
    n_heads: int
    head_size: int
    of_keys: bool

    def __call__(self, query: T, key: T, distances: T) -> T:
        ops, n_heads, size = self.ops, self.n_heads, self.head_size
        scores = ops.relative_scores(
            query, self.table, distances, n_heads=n_heads, head_size=size, side="query", is_shared=True
        )
        if not self.of_keys:
            return scores
        of_keys = ops.relative_scores(
            key, self.table, distances, n_heads=n_heads, head_size=size, side="key", is_shared=True
        )
        return ops.add(scores, of_keys)


def read_relative(ops: Ops[T], config: ModelConfig, layer: Weights) -> DistanceScores[T] | None:
    """The scores by distance of a layer, if the model has relative positions."""
    if config.position_type == "absolute":
        return None
    n_rows, size = 2 * _n_rows(config) - 1, config.head_size
    name = f"{config.family.layer.distances}.weight"
    table = layer.tensor(name, (n_rows, size)) * np.float32(size**-0.5)
    constant = ops.constant(table, name=layer.full_name(name))
    return DistanceScores(ops, constant, config.n_heads, size, config.position_type == "relative_key_query")


def build_scope(ops: Ops[T], config: ModelConfig) -> Scope[T]:
    """The scope of BERT's layers: the whole sequence, and distances if the model has relative positions."""
    if config.position_type == "absolute":
        return Scope()
    n = _n_rows(config)
    return Scope(buckets=Buckets(ops.constant(np.arange(2 * n - 1, dtype=np.int32), name="distances"), n))


def _n_rows(config: ModelConfig) -> int:
    """The number of rows that a table of positions has or would have."""
    return config.position_offset + config.max_positions


FAMILY = Family(
    name="bert",
    model_types={"bert": ModelType("BERT", "Bert")},
    build=build,
    required=REQUIRED,
    optional=OPTIONAL,
    defaults=DEFAULTS,
    prefix="bert",
    embeddings=EMBEDDINGS,
    layers="encoder.layer.*",
    layer=LAYER,
    fill=FillNames(
        "cls.predictions",
        dense="cls.predictions.transform.dense",
        norm="cls.predictions.transform.LayerNorm",
        decoder="cls.predictions.decoder",
        bias="cls.predictions.bias",
    ),
    classify=HeadNames("bert.pooler.dense", "classifier"),
    unused=[*UNUSED, ("cls.*", "its pre-training heads (masked pieces, next sentence)")],
)
