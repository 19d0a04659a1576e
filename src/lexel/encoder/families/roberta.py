"""RoBERTa (Liu et al. 2019, https://arxiv.org/abs/1907.11692), XLM-R and CamemBERT: BERT's encoder, retrained.

The first rows of the position table are reserved for padding. Both texts of a pair have the same type.
"""

from __future__ import annotations

from lexel.encoder.families import bert
from lexel.encoder.family import Family, FillNames, HeadNames, ModelType

FAMILY = Family(
    name="roberta",
    model_types={
        "roberta": ModelType("RoBERTa", "Roberta"),
        "xlm-roberta": ModelType("XLM-RoBERTa", "XLMRoberta"),
        "camembert": ModelType("CamemBERT", "Camembert"),
    },
    build=bert.build,
    required=bert.REQUIRED,
    optional=bert.OPTIONAL,
    defaults={**bert.DEFAULTS, "pad_id": 1},
    prefix="roberta",
    embeddings=bert.EMBEDDINGS,
    layers="encoder.layer.*",
    layer=bert.LAYER,
    fill=FillNames(
        "lm_head",
        dense="lm_head.dense",
        norm="lm_head.layer_norm",
        decoder="lm_head.decoder",
        bias="lm_head.bias",
        activation="gelu",
    ),
    classify=HeadNames("classifier.dense", "classifier.out_proj"),
    unused=[*bert.UNUSED, ("lm_head.*", "its pre-training head")],
    skips_padding_position=True,
    pair_type_id=0,
    doubles_separator=True,
)
