"""DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108): BERT without types, under names of its own."""

from __future__ import annotations

from typing import TypeVar

from lexel.checkpoint.config import ModelConfig
from lexel.checkpoint.weights import Weights
from lexel.encoder.layers import Embeddings, Encoder
from lexel.encoder.ops import Ops
from lexel.encoder.read import LayerNames, read_constant, read_layer, read_layer_norm

T = TypeVar("T")

LAYER = LayerNames(
    query="attention.q_lin",
    key="attention.k_lin",
    value="attention.v_lin",
    attention_output="attention.out_lin",
    attention_norm="sa_layer_norm",
    inner="ffn.lin1",
    outer="ffn.lin2",
    feed_forward_norm="output_layer_norm",
)


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a DistilBERT checkpoint."""
    base = weights.base("distilbert")
    tables, hidden = base.at("embeddings"), config.hidden_size
    embeddings = Embeddings(
        ops,
        pieces=read_constant(ops, tables, "word_embeddings.weight", (config.vocab_size, hidden)),
        positions=read_constant(ops, tables, "position_embeddings.weight", (config.max_positions, hidden)),
        types=None,
        norm=read_layer_norm(ops, tables, "LayerNorm", hidden, config.layer_norm_eps),
    )
    layers = [read_layer(ops, config, base.at(f"transformer.layer.{i}"), LAYER) for i in range(config.n_layers)]
    return Encoder(ops, embeddings, layers)
