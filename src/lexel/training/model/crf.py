"""A linear-chain conditional random field over the tags of a text (https://arxiv.org/abs/1508.01991).

The encoder gives the emissions. The transition scores are trained with them and stored with the head, and the decoder
adds them in its Viterbi search. Transitions that the scheme forbids are excluded from the partition function and from
the search.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lexel.labels import LabelSet
from lexel.training.data.examples import TEXT_END, TEXT_START

_FORBIDDEN = -1e4


class Crf(nn.Module):  # type: ignore[misc]
    """Transition scores between tags.

    Attributes:
        transitions: Score of each tag after each tag, ``[labels, labels]``.
        start_transitions: Score of each tag at the start of a text, ``[labels]``.
        end_transitions: Score of each tag at the end of a text, ``[labels]``.
    """

    def __init__(self, label_set: LabelSet) -> None:
        super().__init__()
        n = len(label_set)
        self.transitions = nn.Parameter(torch.zeros(n, n))
        self.start_transitions = nn.Parameter(torch.zeros(n))
        self.end_transitions = nn.Parameter(torch.zeros(n))
        forbidden = torch.from_numpy(np.where(label_set.allowed, 0.0, _FORBIDDEN)).float()
        self.register_buffer("_forbidden", forbidden, persistent=False)

    def forward(
        self, emissions: torch.Tensor, labels: torch.Tensor, *, sequences: torch.Tensor, edges: torch.Tensor
    ) -> torch.Tensor:
        """The negative log-likelihood of the labels, summed over runs of labelled slots of one sequence.

        A run that does not begin (end) with the first (last) piece of its text has no start (end) score.

        Args:
            emissions: Scores of the tags, ``[slots, labels]``.
            labels: The gold tags; anything that is not the index of a tag is unlabelled, ``[slots]``.
            sequences: A number for each sequence, ``[slots]``.
            edges: ``TEXT_START`` and ``TEXT_END`` bits, ``[slots]``.
        """
        known = (labels >= 0) & (labels < emissions.shape[1])
        at = torch.nonzero(known)[:, 0]
        if not len(at):
            return emissions.sum() * 0
        begins = torch.ones(len(at), dtype=torch.bool, device=at.device)
        begins[1:] = (at[1:] != at[:-1] + 1) | (sequences[at[1:]] != sequences[at[:-1]])
        run = begins.cumsum(0) - 1
        firsts = torch.nonzero(begins)[:, 0]
        sizes = torch.diff(firsts, append=firsts.new_tensor([len(at)]))
        opens = (edges[at[firsts]] & TEXT_START) > 0
        closes = (edges[at[firsts + sizes - 1]] & TEXT_END) > 0
        step = torch.arange(len(at), device=at.device) - firsts[run]
        scores, gold = emissions[at].float(), labels[at]
        inner, start, end = self._scores()
        rows = scores.new_zeros(len(firsts) * int(sizes.max()), scores.shape[1])
        rows = rows.index_copy(0, run * int(sizes.max()) + step, scores).view(len(firsts), -1, scores.shape[1])
        partition = _partition(rows, sizes, inner, start * opens[:, None], end * closes[:, None])
        path = scores.gather(1, gold[:, None]).sum() + inner[gold[:-1], gold[1:]][~begins[1:]].sum()
        path = path + start[gold[firsts]][opens].sum() + end[gold[firsts + sizes - 1]][closes].sum()
        loss: torch.Tensor = partition.sum() - path
        return loss

    def _scores(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores between tags, at the start and at the end, in float32, forbidden ones far below all others."""
        forbidden: torch.Tensor = self._forbidden
        return (
            self.transitions.float() + forbidden[:-1, :-1],
            self.start_transitions.float() + forbidden[-1, :-1],
            self.end_transitions.float() + forbidden[:-1, -1],
        )

    def biases(self) -> NDArray[np.float32]:
        """The scores for ``decode_tags``, ``[labels + 1, labels + 1]``; the last index is outside the text."""
        n = len(self.start_transitions)
        biases = np.zeros((n + 1, n + 1), np.float32)
        for part, values in (
            ((slice(n), slice(n)), self.transitions),
            ((n, slice(n)), self.start_transitions),
            ((slice(n), n), self.end_transitions),
        ):
            biases[part] = values.detach().float().cpu().numpy()
        return biases


def _partition(
    rows: torch.Tensor, sizes: torch.Tensor, inner: torch.Tensor, start: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """Log of the summed weights of all paths, ``[runs]``, by the forward algorithm.

    Args:
        rows: Emissions, ``[runs, longest, labels]``.
        sizes: Slots of each run, ``[runs]``.
        inner: Scores between tags, ``[labels, labels]``.
        start: Start scores of each run, ``[runs, labels]``.
        end: End scores of each run, ``[runs, labels]``.
    """
    weights = rows[:, 0] + start
    for step in range(1, rows.shape[1]):
        longer = torch.logsumexp(weights[:, :, None] + inner[None], 1) + rows[:, step]
        weights = torch.where((sizes > step)[:, None], longer, weights)
    return torch.logsumexp(weights + end, 1)
