"""NEZHA's encoder in PyTorch, which transformers 5 no longer has.

It is transformers' BERT class, with the distances of Wei et al. 2019 (https://arxiv.org/abs/1909.00204) added to keys
and values, and without position embeddings. A packed sequence is contiguous, so distances are those of slots.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertSelfAttention

from lexel.encoder.families.nezha import distance_table


class NezhaConfig(BertConfig):  # type: ignore[misc]
    """BERT's settings, and the distance beyond which all distances are equal."""

    model_type = "nezha"
    max_relative_position: int = 64


class NezhaSelfAttention(BertSelfAttention):  # type: ignore[misc]
    """Attention whose keys and values depend on the distance."""

    def forward(
        self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None, **_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mixed values ``[rows, length, hidden]``, and the probabilities."""
        rows, length, hidden = hidden_states.shape
        shape = (rows, length, self.num_attention_heads, self.attention_head_size)
        query, key, value = (
            part(hidden_states).view(shape).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        away = _away(length, self.config.max_relative_position, self.attention_head_size).to(query)
        scores = query @ key.transpose(-1, -2) + torch.einsum("rhis,ijs->rhij", query, away)
        scores = scores * self.scaling
        if attention_mask is not None:
            scores = scores + attention_mask
        probs = self.dropout(torch.softmax(scores, dim=-1))
        mixed = probs @ value + torch.einsum("rhij,ijs->rhis", probs, away)
        return mixed.transpose(1, 2).reshape(rows, length, hidden), probs


@cache
def _away(length: int, longest: int, size: int) -> torch.Tensor:
    """The vector of the distance from each slot to each, ``[length, length, size]``."""
    slots = torch.arange(length)
    return torch.from_numpy(distance_table(longest, size))[(slots - slots[:, None]).clamp(-longest, longest) + longest]


class NoPositions(nn.Module):  # type: ignore[misc]
    """Replaces BERT's position embeddings."""

    def forward(self, position_ids: torch.Tensor) -> torch.Tensor:
        """A zero that can be added to embeddings of any type."""
        return torch.zeros((), device=position_ids.device)


class NezhaModel(BertModel):  # type: ignore[misc]
    """The encoder, with the names of published checkpoints."""

    config_class = NezhaConfig
    base_model_prefix = "nezha"
    _supports_sdpa = False

    def __init__(self, config: NezhaConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config, add_pooling_layer=add_pooling_layer)
        self.embeddings.position_embeddings = NoPositions()
        for layer in self.encoder.layer:
            layer.attention.self = NezhaSelfAttention(config)
        self.post_init()


AutoConfig.register(NezhaConfig.model_type, NezhaConfig, exist_ok=True)
AutoModel.register(NezhaConfig, NezhaModel, exist_ok=True)
