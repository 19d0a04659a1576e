"""RemBERT (Chung et al. 2020, https://arxiv.org/abs/2010.12821): narrow embeddings, and a wide decoder of its own."""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import bert
from lexel.encoder.family import FillNames, HeadNames, ModelType

FAMILY = replace(
    bert.FAMILY,
    name="rembert",
    model_types={"rembert": ModelType("RemBERT", "RemBert")},
    required={**bert.REQUIRED, "embedding_size": "input_embedding_size", "fill_size": "output_embedding_size"},
    prefix="rembert",
    embeddings=replace(bert.EMBEDDINGS, project="encoder.embedding_hidden_mapping_in", always_projects=True),
    layer=replace(bert.LAYER, distances=None),
    fill=FillNames(
        "cls.predictions",
        dense="cls.predictions.dense",
        norm="cls.predictions.LayerNorm",
        decoder="cls.predictions.decoder",
        bias="cls.predictions.decoder.bias",
    ),
    classify=HeadNames("rembert.pooler.dense", "classifier"),
)
