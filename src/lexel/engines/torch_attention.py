"""Attention within sequences in PyTorch: over rows with a mask, or over segments with a kernel of variable length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)

Kernel = Callable[..., torch.Tensor]
"""``torch.nn.attention.varlen.varlen_attn``, or a function with the same arguments.

It takes query, key and value ``[pieces, heads, size]``, the bounds of the sequences of queries and of keys
``[sequences + 1]`` and the longest of each, and returns ``[pieces, heads, size]``. Only models that need them pass
``scale``, ``window_size`` (pieces to the left and right) and ``enable_gqa`` (fewer heads of keys and values).
"""


class Segments(NamedTuple):
    """Concatenated sequences.

    Attributes:
        bounds: Sequence i is ``[bounds[i], bounds[i + 1])``, ``[sequences + 1]`` (int32).
        longest: Length of the longest sequence.
        reach: Number of pieces that a piece attends to on either side; ``None`` is the whole sequence.
    """

    bounds: torch.Tensor
    longest: int
    reach: int | None = None


def flash_kernel(device: torch.device, dtype: torch.dtype, *, head_size: int) -> Kernel | None:
    """Flash attention of variable length, if PyTorch has it for this GPU, precision and head size.

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
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    segments: Segments,
    *,
    n_heads: int,
    kernel: Kernel,
    n_key_value_heads: int | None = None,
    scale: float | None = None,
) -> torch.Tensor:
    """Attention of ``[1, pieces, hidden]`` inside segments.

    Args:
        query: The queries.
        key: The keys.
        value: The values.
        segments: The sequences, and the reach of attention.
        n_heads: Heads of the queries.
        kernel: The attention kernel.
        n_key_value_heads: Heads of keys and values, if they are fewer.
        scale: Factor on the products; by default the kernel's, one over the root of a head's size.
    """
    n_keys = n_key_value_heads or n_heads
    more: dict[str, Any] = {} if scale is None else {"scale": scale}
    if segments.reach is not None:
        more["window_size"] = (segments.reach, segments.reach)
    if n_heads != n_keys:
        more["enable_gqa"] = True

    def by_head(x: torch.Tensor, n: int) -> torch.Tensor:
        return x.view(x.shape[1], n, x.shape[2] // n)

    bounds, longest = segments.bounds, segments.longest
    heads = by_head(query, n_heads), by_head(key, n_keys), by_head(value, n_keys)
    return kernel(*heads, bounds, bounds, longest, longest, **more).reshape(query.shape)


def attend_in_rows(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    *,
    n_heads: int,
    n_key_value_heads: int | None = None,
    scale: float | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of ``[rows, length, hidden]``.

    Args:
        query: The queries.
        key: The keys.
        value: The values.
        mask: True where a slot attends to another, ``[rows, 1, length, length]``.
        n_heads: Heads of the queries.
        n_key_value_heads: Heads of keys and values, if they are fewer.
        scale: Factor on the products; by default one over the root of a head's size.
        bias: Added to the scaled products, ``[rows, heads, length, length]``.
    """
    rows, length, hidden = query.shape
    n_keys = n_key_value_heads or n_heads

    def by_head(x: torch.Tensor, n: int) -> torch.Tensor:
        return x.view(rows, length, n, hidden // n_heads).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
        by_head(query, n_heads),
        by_head(key, n_keys),
        by_head(value, n_keys),
        attn_mask=mask if bias is None else bias.to(query.dtype).masked_fill(~mask, -torch.inf),
        scale=(hidden // n_heads) ** -0.5 if scale is None else scale,
        enable_gqa=n_heads != n_keys,
    )
    return mixed.transpose(1, 2).reshape(rows, length, hidden)


def attend_by_distance(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    *,
    n_heads: int,
    far_values: tuple[torch.Tensor, torch.Tensor],
    n_key_value_heads: int | None = None,
    scale: float | None = None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attention of ``[rows, length, hidden]`` with values that also depend on the distance; no fused kernel has it.

    Args:
        query: The queries.
        key: The keys.
        value: The values.
        mask: True where a slot attends to another, ``[rows, 1, length, length]``.
        n_heads: Heads of the queries.
        far_values: The result of ``TorchOps.distances``, and a table ``[buckets, head size]``.
        n_key_value_heads: Heads of keys and values, if they are fewer.
        scale: Factor on the products; by default one over the root of a head's size.
        bias: Added to the scaled products, ``[rows, heads, length, length]``.
    """
    rows, length, hidden = query.shape
    n_keys, size = n_key_value_heads or n_heads, hidden // n_heads
    queries = query.view(rows, length, n_heads, size).transpose(1, 2)
    keys, values = (
        x.view(rows, length, n_keys, size).transpose(1, 2).repeat_interleave(n_heads // n_keys, dim=1)
        for x in (key, value)
    )
    scores = (queries @ keys.transpose(-1, -2)) * (size**-0.5 if scale is None else scale)
    scores = (scores if bias is None else scores + bias).masked_fill(~mask, -torch.inf)
    probs = torch.softmax(scores, dim=-1)
    distances, table = far_values
    wide = F.pad(F.pad(probs, (0, length - 1)).flatten(-2), (length - 1, 1)).view(rows, n_heads, length, 2 * length)
    mixed = probs.to(values.dtype) @ values + wide.to(table.dtype) @ table[distances[0]]
    return mixed.transpose(1, 2).reshape(rows, length, hidden)
