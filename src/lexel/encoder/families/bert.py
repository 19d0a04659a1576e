"""BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805), and RoBERTa and ELECTRA, which share its encoder.

RoBERTa (Liu et al. 2019, https://arxiv.org/abs/1907.11692) and XLM-R keep the first rows of the position table for
padding, so the table is read from the row after them. ELECTRA (Clark et al. 2020, https://arxiv.org/abs/2003.10555) may
have embeddings narrower than the encoder, with a projection between.
"""

from __future__ import annotations

from typing import TypeVar

from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import Embeddings, Encoder
from lexel.encoder.ops import Ops
from lexel.encoder.read import LayerNames, read_constant, read_layer, read_layer_norm, read_linear

T = TypeVar("T")

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

PREFIXES = {"bert": "bert", "roberta": "roberta", "electra": "electra"}


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a BERT, RoBERTa or ELECTRA checkpoint."""
    base = weights.base(PREFIXES[config.family])
    return Encoder(
        ops,
        read_embeddings(ops, config, base),
        [read_layer(ops, config, base.at(f"encoder.layer.{i}"), LAYER) for i in range(config.n_layers)],
    )


def read_embeddings(ops: Ops[T], config: ModelConfig, base: Weights) -> Embeddings[T]:
    """BERT's embeddings; ALBERT's have the same names, save the projection's."""
    weights, size = base.at("embeddings"), config.embedding_size
    project = "embeddings_project" if config.family == "electra" else "encoder.embedding_hidden_mapping_in"
    narrow = size != config.hidden_size or config.family == "albert"
    return Embeddings(
        ops,
        pieces=read_constant(ops, weights, "word_embeddings.weight", (config.vocab_size, size)),
        positions=read_positions(ops, config, weights),
        types=read_constant(ops, weights, "token_type_embeddings.weight", (config.n_types, size)),
        norm=read_layer_norm(ops, weights, "LayerNorm", size, config.layer_norm_eps),
        project=read_linear(ops, base, project, (config.hidden_size, size)) if narrow else None,
    )


def read_positions(ops: Ops[T], config: ModelConfig, weights: Weights) -> T:
    """The table of positions from the first real one on, ``[positions, embedding]``."""
    name = "position_embeddings.weight"
    table = weights.tensor(name, (config.position_offset + config.max_positions, config.embedding_size))
    return ops.constant(table[config.position_offset :], name=weights.full_name(name))
