"""ELECTRA (Clark et al. 2020, https://arxiv.org/abs/2003.10555): BERT's encoder; its embeddings may be narrower."""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import bert
from lexel.encoder.family import Family, FillNames, HeadNames, ModelType

FAMILY = Family(
    name="electra",
    model_types={"electra": ModelType("ELECTRA", "Electra")},
    build=bert.build,
    required={**bert.REQUIRED, "embedding_size": "embedding_size"},
    optional=bert.OPTIONAL,
    defaults=bert.DEFAULTS,
    prefix="electra",
    embeddings=replace(bert.EMBEDDINGS, project="embeddings_project"),
    layers="encoder.layer.*",
    layer=bert.LAYER,
    fill=FillNames(
        "generator_predictions",
        dense="generator_predictions.dense",
        norm="generator_predictions.LayerNorm",
        decoder="generator_lm_head",
        bias="generator_lm_head.bias",
        activation="gelu",
    ),
    classify=HeadNames("classifier.dense", "classifier.out_proj", "gelu"),
    missing_heads={
        "ForPreTraining": "ELECTRA's discriminator, which tells replaced pieces from original ones and predicts none. "
        "Take the generator (ElectraForMaskedLM)"
    },
    unused=[
        *bert.UNUSED,
        ("discriminator_predictions.*", "the head of the discriminator"),
        ("generator_predictions.*", "the head of the generator"),
        ("generator_lm_head.*", "the generator's map to the vocabulary"),
    ],
    has_pooler=False,
)
