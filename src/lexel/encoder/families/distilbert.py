"""DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108): BERT without types, with its own names."""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import bert
from lexel.encoder.family import Family, FillNames, HeadNames, LayerNames, ModelType

FAMILY = Family(
    name="distilbert",
    model_types={"distilbert": ModelType("DistilBERT", "DistilBert")},
    build=bert.build,
    required={
        "vocab_size": "vocab_size",
        "hidden_size": "dim",
        "n_layers": "n_layers",
        "n_heads": "n_heads",
        "intermediate_size": "hidden_dim",
        "max_positions": "max_position_embeddings",
        "activation": "activation",
    },
    optional={"pad_id": "pad_token_id"},
    defaults={"layer_norm_eps": 1e-12, "n_types": 0, "pad_id": 0},
    prefix="distilbert",
    embeddings=replace(bert.EMBEDDINGS, types=None),
    layers="transformer.layer.*",
    layer=LayerNames(
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        inner="ffn.lin1",
        outer="ffn.lin2",
        feed_forward_norm="output_layer_norm",
    ),
    fill=FillNames(
        "vocab_projector",
        dense="vocab_transform",
        norm="vocab_layer_norm",
        decoder="vocab_projector",
        bias="vocab_projector.bias",
    ),
    classify=HeadNames("pre_classifier", "classifier", "relu"),
    unused=[
        ("vocab_transform.*", "its pre-training head"),
        ("vocab_layer_norm.*", "the same"),
        ("vocab_projector.*", "the same"),
    ],
    has_pooler=False,
)
