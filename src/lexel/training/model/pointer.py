"""A head that scores spans, in PyTorch; the formula is that of ``lexel.decoding.pointers``."""

from __future__ import annotations

import torch
from torch import nn

from lexel.decoding.pointers import ROTARY_BASE
from lexel.pointers import PointerForm


class PointerHead(nn.Module):  # type: ignore[misc]
    """Queries and keys of each piece; ``span_scores`` turns them into scores.

    Args:
        hidden_size: Width of the states.
        n_labels: Number of labels.
        form: The form of the head.
        dropout: Dropout before the first map.
    """

    def __init__(self, hidden_size: int, n_labels: int, *, form: PointerForm, dropout: float) -> None:
        super().__init__()
        self.form = form
        self.dropout = nn.Dropout(dropout)
        if form.kind == "global-pointer":
            self.dense = nn.Linear(hidden_size, form.width(n_labels))
        else:
            self.p_dense = nn.Linear(hidden_size, 2 * form.size)
            self.q_dense = nn.Linear(2 * form.size, 2 * n_labels)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """The outputs that ``PointerForm.width`` describes, ``[pieces, width]``, from ``[pieces, hidden]``."""
        states = self.dropout(states)
        if self.form.kind == "global-pointer":
            whole: torch.Tensor = self.dense(states)
            return whole
        dense = self.p_dense(states)
        biases = self.q_dense(dense) / 2
        even, odd = biases[:, ::2], biases[:, 1::2]
        if self.form.layout == "pairs":
            dense, even, odd = torch.cat((dense[:, ::2], dense[:, 1::2]), 1), odd, even
        return torch.cat((dense, even, odd), 1)


def span_scores(outputs: torch.Tensor, form: PointerForm, *, n_labels: int) -> torch.Tensor:
    """The score of each span of one sequence, ``[labels, pieces, pieces]``, from ``[pieces, width]``."""
    n, size = len(outputs), form.size
    n_pairs = n_labels if form.kind == "global-pointer" else 1
    queries, keys = outputs[:, : 2 * size * n_pairs].view(n, n_pairs, 2, size).permute(2, 1, 0, 3)
    if form.rotary:
        queries, keys = _turned(queries), _turned(keys)
    products: torch.Tensor = queries @ keys.transpose(1, 2) / size**0.5
    if form.kind == "global-pointer":
        return products
    firsts, lasts = outputs[:, 2 * size :].view(n, 2, n_labels).permute(1, 2, 0)
    return products + firsts[:, :, None] + lasts[:, None, :]


def _turned(x: torch.Tensor) -> torch.Tensor:
    """Neighbouring pairs of numbers, rotated by the angles of their positions, ``[..., pieces, size]``."""
    n, size = x.shape[-2:]
    rates = ROTARY_BASE ** (-2 * torch.arange(size // 2, device=x.device, dtype=torch.float64) / size)
    angles = torch.arange(n, device=x.device)[:, None] * rates
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)
