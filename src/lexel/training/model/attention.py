"""Attention inside packed sequences, for transformers' classes, and query, key and value in one product.

Written out in plain operations: on a CPU the fused kernel with a mask takes longer, and its gradient twice as long.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

NAME = "lexel_packed"
_FAR = -1e4
"""What is added to the scores between sequences; a bf16 or float32 softmax gives them exactly 0."""


def packed_mask(sequences: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What to add to attention scores so that sequences do not see each other, ``[rows, 1, length, length]``."""
    apart = sequences[:, None, :, None] != sequences[:, None, None, :]
    return torch.zeros(apart.shape, dtype=dtype, device=sequences.device).masked_fill_(apart, _FAR)


def packed_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers' classes call it; query, key and value are ``[rows, heads, length, head size]``."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scale) @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores + attention_mask
    probs = torch.softmax(scores, -1)
    if dropout:
        probs = nn.functional.dropout(probs, dropout, module.training)
    return (probs @ value).transpose(1, 2), None


AttentionInterface.register(NAME, packed_attention)
