"""data2vec's text model (Baevski et al. 2022, https://arxiv.org/abs/2202.03555): RoBERTa under another prefix."""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import roberta
from lexel.encoder.family import ModelType

FAMILY = replace(
    roberta.FAMILY,
    name="data2vec",
    model_types={"data2vec-text": ModelType("data2vec", "Data2VecText")},
    prefix="data2vec_text",
)
