"""RoBERTa with norms before the parts of a layer (Wettig et al. 2022, https://arxiv.org/abs/2202.08005)."""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import bert, roberta
from lexel.encoder.family import ModelType

FAMILY = replace(
    roberta.FAMILY,
    name="roberta_prelayernorm",
    model_types={"roberta-prelayernorm": ModelType("RoBERTa-PreLayerNorm", "RobertaPreLayerNorm")},
    prefix="roberta_prelayernorm",
    layer=replace(
        bert.LAYER,
        attention_norm="attention.LayerNorm",
        feed_forward_norm="intermediate.LayerNorm",
        norm_first=True,
    ),
    last_norm="LayerNorm",
)
