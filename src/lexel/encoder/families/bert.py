"""BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805), and the encoder of the families that share its layer."""

from __future__ import annotations

from typing import TypeVar

from lexel.encoder.family import (
    ClassifyNames,
    EmbeddingNames,
    Family,
    FillNames,
    LayerNames,
    ModelConfig,
    ModelType,
    Weights,
)
from lexel.encoder.layers import Embeddings, Encoder
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
)


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a checkpoint whose layers are BERT's, by the names of its family."""
    family = config.family
    base = weights.base(family.prefix)
    layers = [
        read_layer(ops, config, base.at(family.layers.replace("*", str(i))), family.layer)
        for i in range(config.n_layers)
    ]
    return Encoder(ops, read_embeddings(ops, config, base), layers)


def read_embeddings(ops: Ops[T], config: ModelConfig, base: Weights) -> Embeddings[T]:
    """The tables that the family has, their norm, and the projection of a family that may have narrow ones."""
    names, size = config.family.embeddings, config.embedding_size
    project = names.project if size != config.hidden_size or names.always_projects else None
    return Embeddings(
        ops,
        pieces=read_constant(ops, base, f"{names.pieces}.weight", (config.vocab_size, size)),
        positions=None if names.positions is None else read_positions(ops, config, base),
        types=None
        if names.types is None
        else read_constant(ops, base, f"{names.types}.weight", (config.n_types, size)),
        norm=read_layer_norm(ops, base, names.norm, size, config.layer_norm_eps),
        project=None if project is None else read_linear(ops, base, project, (config.hidden_size, size)),
    )


def read_positions(ops: Ops[T], config: ModelConfig, base: Weights) -> T:
    """The table of positions from the first that a sequence uses, ``[positions, embedding]``."""
    name = f"{config.family.embeddings.positions}.weight"
    table = base.tensor(name, (config.position_offset + config.max_positions, config.embedding_size))
    return ops.constant(table[config.position_offset :], name=base.full_name(name))


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
    classify=ClassifyNames("bert.pooler.dense", "classifier"),
    unused=[("cls.*", "its pre-training heads (masked pieces, next sentence)")],
)
