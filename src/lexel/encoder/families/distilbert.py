"""DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108): BERT without types, under names of its own."""

from __future__ import annotations

from typing import TypeVar

from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import Embeddings, Encoder, FeedForward, Layer, SelfAttention
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_layer_norm, read_linear, read_table

T = TypeVar("T")


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a DistilBERT checkpoint."""
    base = weights.base("distilbert")
    tables, hidden = base.at("embeddings"), config.hidden_size
    embeddings = Embeddings(
        ops,
        pieces=ops.constant(read_table(tables, "word_embeddings", (config.vocab_size, hidden))),
        positions=ops.constant(read_table(tables, "position_embeddings", (config.max_positions, hidden))),
        types=None,
        norm=read_layer_norm(ops, tables, "LayerNorm", hidden, config.layer_norm_eps),
    )
    layers = [_read_layer(ops, config, base.at(f"transformer.layer.{i}")) for i in range(config.n_layers)]
    return Encoder(ops, embeddings, layers)


def _read_layer(ops: Ops[T], config: ModelConfig, weights: Weights) -> Layer[T]:
    hidden, inner, eps = config.hidden_size, config.intermediate_size, config.layer_norm_eps
    return Layer(
        ops,
        attention=SelfAttention(
            ops,
            query=read_linear(ops, weights, "attention.q_lin", (hidden, hidden)),
            key=read_linear(ops, weights, "attention.k_lin", (hidden, hidden)),
            value=read_linear(ops, weights, "attention.v_lin", (hidden, hidden)),
            output=read_linear(ops, weights, "attention.out_lin", (hidden, hidden)),
            n_heads=config.n_heads,
        ),
        attention_norm=read_layer_norm(ops, weights, "sa_layer_norm", hidden, eps),
        feed_forward=FeedForward(
            ops,
            inner=read_linear(ops, weights, "ffn.lin1", (inner, hidden)),
            outer=read_linear(ops, weights, "ffn.lin2", (hidden, inner)),
            activation=config.activation,
        ),
        feed_forward_norm=read_layer_norm(ops, weights, "output_layer_norm", hidden, eps),
    )
