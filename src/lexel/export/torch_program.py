"""Exports a checkpoint with ``torch.export``: ``model.pt2``, which PyTorch runs without Lexel and transformers.

    program = torch.export.load("model.pt2").module()
    program(input_ids=ids, attention_mask=mask, token_type_ids=types)["logits"]

It takes any number of rows and any length. The weights are buffers of the program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody uses)
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.engines.torch_attention import attend_in_rows
from lexel.engines.torch_ops import TorchOps
from lexel.export.parity import Run
from lexel.export.standard import Binary, Reduction, StandardModel, Target, Unary, input_names

PROGRAM = "model.pt2"


def write_pt2(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write the program.

    Raises:
        OptionError: If a graph cannot have its pooling.
        WeightError: If a tensor is missing, or has another shape.
    """
    module = _Module(checkpoint, target)
    given = _example(checkpoint)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.export.export(module, (), given, dynamic_shapes=dict.fromkeys(given, sizes))
    torch.export.save(program, folder / PROGRAM)


def _example(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """Inputs for tracing; they are distinct, since the same tensor given twice would become one input."""
    return {name: torch.zeros(2, 8, dtype=torch.int64) for name in input_names(checkpoint)}


def run_pt2(folder: Path) -> Run:
    """A runner for the exported program."""
    program = torch.export.load(folder / PROGRAM).module()

    def run(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with torch.no_grad():
            found = program(**{name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in given.items()})
        return {name: tensor.numpy() for name, tensor in found.items()}

    return run


class _Module(torch.nn.Module):  # type: ignore[misc]
    """A checkpoint as a module of PyTorch, with its tensors as buffers."""

    def __init__(self, checkpoint: Checkpoint, target: Target) -> None:
        super().__init__()
        self._checkpoint, self._target = checkpoint, target
        tensors: dict[str, torch.Tensor] = {}
        model = StandardModel(StandardTorchOps(found=tensors), checkpoint, target)
        with torch.no_grad():  # pooling creates some constants only now
            model(_example(checkpoint))
        for name, tensor in tensors.items():
            self.register_buffer(_plain(name), tensor)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The outputs by name."""
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            given["token_type_ids"] = token_type_ids
        ops = StandardTorchOps(tensors=dict(self.named_buffers()))
        return {output.name: output.tensor for output in StandardModel(ops, self._checkpoint, self._target)(given)}


def _plain(name: str) -> str:
    """A valid name for a module's buffer."""
    return name.replace(".", "__").replace(" ", "_")


class StandardTorchOps(TorchOps):
    """``StandardOps`` of PyTorch in float32.

    A mask is true where a slot attends to a piece, and on the diagonal: padding that attends to nothing would be NaN.

    Args:
        tensors: The tensors by their plain names.
        found: Collects the tensors instead of using them.
    """

    def __init__(
        self, *, tensors: Mapping[str, torch.Tensor] | None = None, found: dict[str, torch.Tensor] | None = None
    ) -> None:
        super().__init__(device=torch.device("cpu"), dtype=torch.float32)
        self._tensors, self._found = tensors, found

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> torch.Tensor:
        if self._tensors is not None:
            return self._tensors[_plain(name)]
        tensor = super().constant(array, name=name, is_exact=is_exact)
        if self._found is not None:
            self._found[name] = tensor
        return tensor

    def mask(self, sequence_ids: Any, position_ids: torch.Tensor, *, window: int | None = None) -> Any:
        apart = _slots_apart(position_ids)
        seen = sequence_ids[:, None, :] > 0
        if window is not None:
            seen = seen & (apart.abs() <= window // 2)
        return (seen | (apart == 0))[:, None]

    def distances(self, position_ids: torch.Tensor, buckets: torch.Tensor, *, n_positions: int) -> torch.Tensor:
        places = _slots_apart(position_ids) + (n_positions - 1)
        return buckets[places.clamp(0, 2 * n_positions - 2)]

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
        tables = table.reshape(table.shape[0], 1 if is_shared else n_heads, head_size).permute(1, 2, 0)
        by_bucket = x.reshape(*x.shape[:2], n_heads, head_size).transpose(1, 2) @ tables
        index = distances if side == "query" else distances.T
        scores = by_bucket.gather(-1, index.expand(*by_bucket.shape[:2], *index.shape))
        return scores if side == "query" else scores.transpose(-1, -2)

    def attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: Any,
        *,
        n_heads: int,
        head_size: int,
        n_key_value_heads: int | None = None,
        scale: float | None = None,
        bias: torch.Tensor | None = None,
        far_values: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        sizes: dict[str, Any] = {"n_heads": n_heads, "n_key_value_heads": n_key_value_heads}
        if far_values is None:
            return attend_in_rows(query, key, value, mask, scale=scale, bias=bias, **sizes)
        n_own = n_key_value_heads or n_heads
        queries = query.unflatten(-1, (n_heads, head_size)).transpose(1, 2)
        keys, values = (
            x.unflatten(-1, (n_own, head_size)).transpose(1, 2).repeat_interleave(n_heads // n_own, dim=1)
            for x in (key, value)
        )
        scores = queries @ keys.transpose(-1, -2) * (head_size**-0.5 if scale is None else scale)
        scores = (scores if bias is None else scores + bias).masked_fill(~mask, -torch.inf)
        probs, (distances, table) = torch.softmax(scores, dim=-1), far_values
        mixed = probs @ values + torch.einsum("rhij,ijs->rhis", probs, table[distances])
        return mixed.transpose(1, 2).flatten(-2)

    def pick(self, x: torch.Tensor, picks: Any, *, hidden_size: int) -> torch.Tensor:
        return x if picks is None else x[:, picks]

    # What positions and pooling need ---------------------------------------------------------------------------------

    def slots(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.arange(ids.shape[1])[None]

    def counted(self, ids: torch.Tensor, pad_id: int) -> torch.Tensor:
        return ((ids != pad_id).cumsum(dim=1) - 1).clamp(min=0)

    def weights_of(self, mask: torch.Tensor) -> torch.Tensor:
        return mask[..., None].float()

    def real(self, value: float) -> torch.Tensor:
        return torch.tensor(value)

    def unary(self, kind: Unary, x: torch.Tensor) -> torch.Tensor:
        return x.sqrt() if kind == "sqrt" else x.sigmoid()

    def binary(self, kind: Binary, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        computed: torch.Tensor = getattr(torch, kind)(left, right)
        return computed

    def reduced(self, kind: Reduction, x: torch.Tensor, *, axis: int, keeps_axis: bool = False) -> torch.Tensor:
        return x.sum(dim=axis, keepdim=keeps_axis) if kind == "sum" else x.amax(dim=axis, keepdim=keeps_axis)

    def shares(self, x: torch.Tensor) -> torch.Tensor:
        return F.softmax(x, dim=1)

    def at(self, x: torch.Tensor, index: int, *, axis: int) -> torch.Tensor:
        return x.select(axis, index)

    def joined(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat(list(parts), dim=-1)


def _slots_apart(position_ids: torch.Tensor) -> torch.Tensor:
    """Slot i minus slot j, ``[length, length]``."""
    slots = torch.arange(position_ids.shape[1])
    return slots[:, None] - slots[None, :]
