"""The loss of spans, and the spans that a head finds, sequence by sequence."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from lexel.pointers import PointerForm
from lexel.training.data.examples import GoldSpans
from lexel.training.data.rows import SpanTargets
from lexel.training.model.pointer import span_scores


def spans_loss(outputs: torch.Tensor, targets: SpanTargets, form: PointerForm, *, n_labels: int) -> torch.Tensor:
    """Multi-label categorical cross entropy (https://arxiv.org/abs/2208.02955), summed over known sequences.

    For each label, gold spans should score above 0 and all others below: the logarithm of one plus the sum of
    ``exp(score)`` over other spans, plus the same of ``exp(-score)`` over gold spans, averaged over the labels.

    Args:
        outputs: The head's outputs for the pieces of all sequences, ``[pieces, width]``.
        targets: The gold spans.
        form: The form of the head.
        n_labels: Number of its labels; other labels of the data are left out.
    """
    losses = [outputs.float().sum() * 0]
    for gold, scores, allowed in _sequences(outputs, targets, form, n_labels=n_labels):
        right = torch.zeros_like(allowed).expand_as(scores).clone()
        label, first, last = torch.from_numpy(gold.rows[gold.rows[:, 0] < n_labels]).to(scores.device).unbind(1)
        right[label, first, last] = True
        wrong = (allowed & ~right).flatten(1)
        flat = scores.flatten(1)
        above = _one_and(flat.masked_fill(~wrong, -torch.inf))
        below = _one_and((-flat).masked_fill(~right.flatten(1), -torch.inf))
        losses.append((above + below).mean())
    return torch.stack(losses).sum()


def count_found(
    outputs: torch.Tensor, targets: SpanTargets, form: PointerForm, *, n_labels: int, n_gold_labels: int
) -> NDArray[np.float64]:
    """Gold, predicted and correct spans of each label, ``[gold labels, 3]``; a score above 0 predicts a span."""
    counts = np.zeros((n_gold_labels, 3))
    for gold, scores, allowed in _sequences(outputs, targets, form, n_labels=n_labels):
        found = (scores > 0) & allowed
        label, first, last = gold.rows[gold.rows[:, 0] < n_labels].T
        correct = found.cpu().numpy()[label, first, last]
        counts[:, 0] += np.bincount(gold.rows[:, 0], minlength=n_gold_labels)
        counts[:n_labels, 1] += found.sum((1, 2)).cpu().numpy()
        counts[:n_labels, 2] += np.bincount(label[correct], minlength=n_labels)
    return counts


def _sequences(
    outputs: torch.Tensor, targets: SpanTargets, form: PointerForm, *, n_labels: int
) -> Iterator[tuple[GoldSpans, torch.Tensor, torch.Tensor]]:
    """For each known sequence, its spans, all scores ``[labels, pieces, pieces]``, and the pairs that count."""
    for i, gold in enumerate(targets.gold):
        start, end = targets.bounds[i], targets.bounds[i + 1]
        if not gold.is_known or start == end:
            continue
        scores = span_scores(outputs[start:end].float(), form, n_labels=n_labels)
        n = end - start
        allowed = torch.ones(n, n, dtype=torch.bool).triu() if gold.decided is None else torch.from_numpy(gold.decided)
        yield gold, scores, allowed.to(scores.device)[None]


def _one_and(scores: torch.Tensor) -> torch.Tensor:
    """The logarithm of one plus the sum of exponentials, along the last axis."""
    zero = scores.new_zeros(scores.shape[0], 1)
    return torch.cat((zero, scores), 1).logsumexp(1)
