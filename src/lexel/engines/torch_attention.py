"""Attention inside sequences by PyTorch: over rows with a mask, or over segments by a kernel of variable length."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)

Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, int, int], torch.Tensor]
"""``torch.nn.attention.varlen.varlen_attn``: query, key and value ``[pieces, heads, size]``, where the sequences of
queries and of keys begin and end ``[sequences + 1]``, the longest of each; gives ``[pieces, heads, size]``."""


class Segments(NamedTuple):
    """Sequences laid end to end.

    Attributes:
        bounds: Sequence i is ``[bounds[i], bounds[i + 1])``, ``[sequences + 1]`` (int32).
        longest: Length of the longest.
    """

    bounds: torch.Tensor
    longest: int


def flash_kernel(device: torch.device, dtype: torch.dtype, *, head_size: int) -> Kernel | None:
    """Flash attention of variable length, where PyTorch has it for this GPU, precision and size of a head.

    The kernel takes 16-bit numbers and heads of up to 256 in steps of 8, on compute capability 8.0 and above
    (https://github.com/Dao-AILab/flash-attention); PyTorch offers it since 2.10.
    """
    if device.type != "cuda" or dtype == torch.float32 or head_size % 8 or head_size > 256:
        return None
    if torch.cuda.get_device_capability(device)[0] < 8 or not torch.backends.cuda.is_flash_attention_available():
        return None
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    kernel: Kernel = varlen_attn
    return kernel


def attend_in_segments(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, segments: Segments, *, n_heads: int, kernel: Kernel
) -> torch.Tensor:
    """Attention of ``[1, pieces, hidden]`` inside segments, by a kernel that scales by the root of a head's size."""
    bounds, longest = segments

    def by_head(x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[1], n_heads, x.shape[2] // n_heads)

    mixed = kernel(by_head(query), by_head(key), by_head(value), bounds, bounds, longest, longest)
    return mixed.reshape(query.shape)


def attend_in_rows(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, same_sequence: torch.Tensor, *, n_heads: int
) -> torch.Tensor:
    """Attention of ``[rows, length, hidden]`` where ``same_sequence [rows, 1, length, length]`` allows it."""
    rows, length, hidden = query.shape

    def by_head(x: torch.Tensor) -> torch.Tensor:
        return x.view(rows, length, n_heads, hidden // n_heads).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        by_head(query),
        by_head(key),
        by_head(value),
        attn_mask=same_sequence,
        scale=1 / math.sqrt(hidden // n_heads),
    )
    return mixed.transpose(1, 2).reshape(rows, length, hidden)
