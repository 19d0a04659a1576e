"""The PyTorch engine (extra ``torch``): CUDA or CPU, eager."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.encoder.build import Model, build_model
from lexel.encoder.layers import Inputs
from lexel.engines.base import Rows, Scores
from lexel.errors import EngineError

PRECISIONS = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}


class TorchOps:
    """``Ops`` computed at once on a device.

    Matrix products and attention are computed in ``dtype``, the sums and normalisations between them in float32: that
    brings bf16 three times as close to float32.
    """

    def __init__(self, *, device: torch.device, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype

    def constant(self, array: NDArray[Any]) -> torch.Tensor:
        dtype = self._dtype if array.ndim == 2 else torch.float32
        return torch.from_numpy(array if array.flags.writeable else array.copy()).to(self._device, dtype)

    def gather(self, table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return F.embedding(ids, table).float()

    def add(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left + right

    def linear(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return F.linear(x.to(weight.dtype), weight, bias.to(weight.dtype))

    def layer_norm(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, *, eps: float) -> torch.Tensor:
        return F.layer_norm(x.float(), weight.shape, weight, bias, eps)

    def activation(self, x: torch.Tensor, name: str) -> torch.Tensor:
        result: torch.Tensor = _ACTIVATIONS[name](x)
        return result

    def same_sequence(self, sequence_ids: torch.Tensor) -> torch.Tensor:
        return sequence_ids[:, None, :, None] == sequence_ids[:, None, None, :]

    def attention(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, same_sequence: torch.Tensor, *, n_heads: int
    ) -> torch.Tensor:
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

    def pick(self, x: torch.Tensor, picks: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, x.shape[-1]).index_select(0, picks)


_ACTIVATIONS: dict[str, Any] = {
    "gelu": F.gelu,
    "gelu_new": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


def torch_device(asked: str | None) -> str:
    """The device asked for; by default CUDA where PyTorch has it, else ``cpu``."""
    has_gpu = torch.cuda.is_available()
    if asked is not None and asked.startswith("cuda") and not has_gpu:
        raise EngineError(f"torch: device {asked!r} asked for, but PyTorch sees no GPU; use device cpu")
    return asked or ("cuda" if has_gpu else "cpu")


def gpu_precision(device: str) -> str:
    """``bf16`` where the GPU has it natively (compute capability 8.0), else ``float32``."""
    return "bf16" if torch.cuda.get_device_capability(device)[0] >= 8 else "float32"


class TorchEngine:
    """Computes with PyTorch on a GPU where there is one, else on the processor.

    Args:
        checkpoint: What to run.
        precision: ``float32``, ``bf16`` or ``float16``.
        threads: Threads to compute with on the processor.
        device: ``cuda``, ``cuda:N`` or ``cpu``; see ``torch_device``.
        heads: Which of its heads to load; by default all of them.
    """

    name = "torch"

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str,
        threads: int,
        device: str,
        heads: Collection[str] | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise EngineError(f"torch: precision {precision!r}; expected one of {', '.join(PRECISIONS)}")
        self.precision = precision
        self.threads = threads
        self._device = torch.device(device)
        on_gpu = self._device.type == "cuda"
        if not on_gpu:
            torch.set_num_threads(threads)  # PyTorch knows one number for the whole process
        self.device = torch.cuda.get_device_name(self._device) if on_gpu else "CPU"
        self._model: Model[torch.Tensor] = build_model(
            TorchOps(device=self._device, dtype=PRECISIONS[precision]), checkpoint, heads
        )

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        for rows in batches:
            with torch.inference_mode():
                inputs = Inputs(*map(self._ids, (rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids)))
                results = self._model(inputs, self._ids(rows.picks), outputs)
                scores = {
                    name: np.asarray(result.float().cpu().numpy())
                    for name, result in zip(outputs, results, strict=True)
                }
            yield scores

    def _ids(self, array: NDArray[np.int32]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)
