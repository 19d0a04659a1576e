"""Megatron-BERT (Shoeybi et al. 2019, https://arxiv.org/abs/1909.08053): BERT with pre-norm layers."""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import bert
from lexel.encoder.family import ModelType

FAMILY = replace(
    bert.FAMILY,
    name="megatron_bert",
    model_types={"megatron-bert": ModelType("Megatron-BERT", "MegatronBert")},
    embeddings=replace(bert.EMBEDDINGS, norm=None),
    layer=replace(bert.LAYER, attention_norm="attention.ln", feed_forward_norm="ln", norm_first=True, distances=None),
    last_norm="encoder.ln",
)
