"""XLM-R XL and XXL (Goyal et al. 2021, https://arxiv.org/abs/2105.00572): RoBERTa with pre-norm layers.

No norm follows the embeddings; one follows the last layer.
"""

from __future__ import annotations

from dataclasses import replace

from lexel.encoder.families import bert, roberta
from lexel.encoder.family import ModelType

FAMILY = replace(
    roberta.FAMILY,
    name="xlm_roberta_xl",
    model_types={"xlm-roberta-xl": ModelType("XLM-RoBERTa-XL", "XLMRobertaXL")},
    defaults={**roberta.FAMILY.defaults, "layer_norm_eps": 1e-5, "n_types": 1},
    embeddings=replace(bert.EMBEDDINGS, norm=None),
    layer=replace(
        bert.LAYER,
        attention_norm="attention.self_attn_layer_norm",
        feed_forward_norm="LayerNorm",
        norm_first=True,
    ),
    last_norm="encoder.LayerNorm",
)
