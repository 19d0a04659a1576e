"""Attention within packed sequences, for transformers' classes, with query, key and value in one product.

It uses plain operations: on a CPU, the fused kernel with a mask takes longer, and its gradient twice as long.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, PretrainedConfig

from lexel.encoder.families import family_of
from lexel.errors import OptionError

NAME = "lexel_packed"
_FAR = -1e4
"""Added to the scores between sequences; a bf16 or float32 softmax gives them exactly 0."""


def packed_mask(
    sequences: torch.Tensor, dtype: torch.dtype, *, positions: torch.Tensor | None = None, window: int | None = None
) -> torch.Tensor:
    """The mask to add to attention scores so that sequences do not see each other, ``[rows, 1, length, length]``.

    Args:
        sequences: The sequence of each slot, ``[rows, length]``.
        dtype: The type of the result.
        positions: Positions in the sequences, ``[rows, length]``; needed for a window.
        window: Attend only to pieces at most ``window // 2`` positions away.
    """
    apart = sequences[:, None, :, None] != sequences[:, None, None, :]
    if window is not None and positions is not None:
        apart = apart | ((positions[:, None, :, None] - positions[:, None, None, :]).abs() > window // 2)
    return torch.zeros(apart.shape, dtype=dtype, device=sequences.device).masked_fill_(apart, _FAR)


def refuse_mistrained(config: PretrainedConfig, *, max_length: int) -> None:
    """Refuse an encoder that transformers' classes would compute incorrectly with packed rows.

    Raises:
        OptionError: If it has relative positions, rotary values, or a local window, which one mask for all layers would
            replace.
    """
    positions = getattr(config, "position_embedding_type", None) or "absolute"
    if positions != "absolute":
        raise OptionError(
            f"model: position_embedding_type is {positions!r}, which training does not compute; expected 'absolute'. "
            "Train another model"
        )
    if getattr(config, "rotary_value", False):
        raise OptionError(
            "model: rotary_value is true, so values turn by their place in a row, and training packs several sequences "
            "into rows; expected false. Train another model"
        )
    family = family_of(config.model_type)
    window = None if family.window is None else getattr(config, family.window)
    if window is None or family.masks or max_length - 1 <= window // 2:
        return
    raise OptionError(
        f"model: {family.window} is {window}, so some layers of this {family.name} see {window // 2} pieces to either "
        f"side; training would show them up to {max_length}. Set window to {window // 2 + 1} or less, or train another "
        "family"
    )


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
    """Attention with the signature of transformers; query, key and value are ``[rows, heads, length, head size]``.

    Keys and values may have fewer heads, each shared by several consecutive heads of queries.
    """
    per_key = query.shape[1] // key.shape[1]
    if per_key > 1:
        key, value = (one.repeat_interleave(per_key, dim=1) for one in (key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = (query * scale) @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores = scores + attention_mask
    probs = torch.softmax(scores, -1)
    if dropout:
        probs = nn.functional.dropout(probs, dropout, module.training)
    return (probs @ value).transpose(1, 2), None


AttentionInterface.register(NAME, packed_attention)
