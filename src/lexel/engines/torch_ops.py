"""The primitives, computed eagerly by PyTorch."""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from numpy.typing import NDArray

from lexel.engines.torch_attention import (
    Kernel,
    Segments,
    attend_by_distance,
    attend_in_rows,
    attend_in_segments,
)
from lexel.errors import EngineError

ACTIVATIONS: dict[str, Any] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class TorchOps:
    """``Ops`` computed eagerly on a device.

    Matrix products and attention are computed in ``dtype``; sums, normalisations and rotations between them in
    float32, which makes the error of bf16 three times smaller. A mask is true where a slot attends to another,
    ``[rows, 1, length, length]``, or it holds the segments of the pieces.

    Args:
        device: The device.
        dtype: The type of weights and products.
        kernel: Computes attention if the pieces are segments instead of rows.
    """

    def __init__(self, *, device: torch.device, dtype: torch.dtype, kernel: Kernel | None = None) -> None:
        self._device = device
        self._dtype = dtype
        self._kernel = kernel

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> torch.Tensor:
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        if not tensor.is_floating_point():
            return tensor.to(self._device)
        return tensor.to(self._device, torch.float32 if is_exact else self._dtype)

    def gather(self, table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return F.embedding(ids, table).float()

    def add(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left + right

    def multiply(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left * right

    def linear(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return F.linear(x.to(weight.dtype), weight, None if bias is None else bias.to(weight.dtype))

    def layer_norm(
        self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, *, eps: float
    ) -> torch.Tensor:
        return F.layer_norm(x.float(), weight.shape, weight, bias, eps)

    def rms_norm(self, x: torch.Tensor, weight: torch.Tensor, *, eps: float) -> torch.Tensor:
        return F.rms_norm(x.float(), weight.shape, weight, eps)

    def activation(self, x: torch.Tensor, name: str) -> torch.Tensor:
        result: torch.Tensor = ACTIVATIONS[name](x)
        return result

    def mask(
        self, sequence_ids: torch.Tensor | Segments, position_ids: torch.Tensor, *, window: int | None = None
    ) -> torch.Tensor | Segments:
        if isinstance(sequence_ids, Segments):
            return sequence_ids._replace(reach=None if window is None else window // 2)
        seen = sequence_ids[:, :, None] == sequence_ids[:, None, :]
        if window is not None:
            seen = seen & (_differences(position_ids).abs() <= window // 2)
        return seen[:, None]

    def distances(self, position_ids: torch.Tensor, buckets: torch.Tensor, *, n_positions: int) -> torch.Tensor:
        length = position_ids.shape[1]
        away = torch.arange(1 - length, length + 1, device=buckets.device)
        places = torch.stack((-away, away)) + (n_positions - 1)
        return buckets[places.clamp(0, 2 * n_positions - 2)]

    def rotate(
        self,
        x: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        *,
        n_heads: int,
        head_size: int,
        is_interleaved: bool = False,
    ) -> torch.Tensor:
        heads = x.reshape(*x.shape[:2], n_heads, head_size).float()
        if is_interleaved:
            turned = torch.stack([-heads[..., 1::2], heads[..., 0::2]], dim=-1).flatten(-2)
        else:
            first, second = heads.chunk(2, dim=-1)
            turned = torch.cat([-second, first], dim=-1)
        return (heads * cos[:, :, None] + turned * sin[:, :, None]).reshape(x.shape).to(x.dtype)

    def relative_scores(
        self,
        x: torch.Tensor,
        table: torch.Tensor,
        distances: torch.Tensor,
        *,
        n_heads: int,
        head_size: int,
        side: Literal["query", "key"],
        is_shared: bool = False,
    ) -> torch.Tensor:
        rows = table[distances[0 if side == "query" else 1]]
        by_head = rows.reshape(len(rows), 1 if is_shared else n_heads, head_size).permute(1, 2, 0)
        scores = _sheared(x.reshape(*x.shape[:2], n_heads, head_size).transpose(1, 2).to(table.dtype) @ by_head)
        return scores if side == "query" else scores.transpose(-1, -2)

    def attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | Segments,
        *,
        n_heads: int,
        head_size: int,
        n_key_value_heads: int | None = None,
        scale: float | None = None,
        bias: torch.Tensor | None = None,
        far_values: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        sizes: dict[str, Any] = {"n_heads": n_heads, "n_key_value_heads": n_key_value_heads}
        value = value.to(query.dtype)  # averages of scores have the precision of the products
        if not isinstance(mask, Segments):
            if far_values is not None:
                return attend_by_distance(
                    query, key, value, mask, scale=scale, bias=bias, far_values=far_values, **sizes
                )
            return attend_in_rows(query, key, value, mask, scale=scale, bias=bias, **sizes)
        if self._kernel is None or bias is not None or far_values is not None:
            raise EngineError("torch: segments need a kernel of variable length, and scores without a bias; give rows")
        query, key, value = (x.to(self._dtype) for x in (query, key, value))
        return attend_in_segments(query, key, value, mask, scale=scale, kernel=self._kernel, **sizes)

    def pick(self, x: torch.Tensor, picks: torch.Tensor, *, hidden_size: int) -> torch.Tensor:
        return x.reshape(-1, hidden_size).index_select(0, picks)


def _differences(position_ids: torch.Tensor) -> torch.Tensor:
    """Position i minus position j, ``[rows, length, length]``."""
    return position_ids[:, :, None] - position_ids[:, None, :]


def _sheared(scores: torch.Tensor) -> torch.Tensor:
    """From ``[..., length, 2 * length]`` by distance, from ``1 - length`` on, to ``[..., length, length]`` by slot.

    In row i, slot j is at ``j - i + length - 1``: one further to the left in each row, as in a flat array with rows
    that are shorter by one.
    """
    length = scores.shape[-2]
    flat = scores.flatten(-2)[..., length - 1 : length - 1 + length * (2 * length - 1)]
    return flat.reshape(*scores.shape[:-2], length, 2 * length - 1)[..., :length]
