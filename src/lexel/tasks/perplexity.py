"""Pseudo-perplexity: how well a masked-language model predicts a text, with each piece masked in turn.

For a text of pieces ``w_1 ... w_n`` (without special pieces):

    log p(w_i) = log softmax of the scores at i, where only i is masked
    perplexity = exp(-1/n sum_i log p(w_i))

(Salazar et al. 2020, https://arxiv.org/abs/1910.14659.) This overestimates the probability of a word of several pieces,
since each piece gives away the others. With ``whole_words``, the pieces of the same word after ``i`` are masked as well
(PLL-word-l2r, Kauf and Ivanova 2023, https://arxiv.org/abs/2305.10588). Words are those of the pre-tokeniser: for BERT,
each ideograph is a word.

A text longer than the model's window is read in windows; each piece is masked in the window in which it is farthest
from a cut. Each piece costs one pass over its window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.vocabulary import log_normalisers
from lexel.engines.base import Scores
from lexel.engines.packing import Sequences
from lexel.tasks.base import Flow
from lexel.tasks.masked import SET_SLOTS
from lexel.tasks.streaming import Job
from lexel.tasks.work import Work
from lexel.text.pieces import Pieces
from lexel.text.windows import Windows, plan_batch


@dataclass(frozen=True)
class Perplexity:
    """The log-probabilities of a text's pieces.

    Attributes:
        text: The text.
        starts: First character of each piece, ``[pieces]``.
        ends: One past its last, ``[pieces]``.
        log_probs: Natural logarithm of the probability of each piece when it is masked, ``[pieces]``.
    """

    text: str
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    log_probs: NDArray[np.float64]

    @cached_property
    def value(self) -> float:
        """The pseudo-perplexity, 1 or more; NaN for a text without pieces."""
        return float(np.exp(-self.log_probs.mean())) if len(self.log_probs) else float("nan")

    @property
    def log_prob(self) -> float:
        """The pseudo-log-likelihood of the text: the sum over its pieces."""
        return float(self.log_probs.sum())

    def record(self) -> dict[str, Any]:
        """The perplexity for JSON: ``null`` for a text without pieces."""
        value = self.value if len(self) else None
        return {"text": self.text, "perplexity": value, "log_prob": self.log_prob, "n_pieces": len(self)}

    def __len__(self) -> int:
        return len(self.log_probs)


def measuring(flow: Flow, texts: Sequence[str], *, mask: int, whole_words: bool) -> Job[Perplexity]:
    """The perplexity of each text, as a job; the memory for scores over the vocabulary limits the size of a work.

    Args:
        flow: A masked-language model, with the head that fills masks as its only output.
        texts: The texts.
        mask: The mask piece.
        whole_words: Mask the rest of the same word too.
    """
    pieces = flow.tokenizer.encode(texts)
    windows = plan_batch(pieces.bounds, size=flow.window, overlap=flow.overlap)
    words = pieces.words if whole_words else None
    log_probs = np.empty(len(pieces), np.float64)

    def works() -> Iterator[tuple[Flow, Work]]:
        done = 0
        for some in _in_sets(_masked(flow, pieces, windows, mask=mask, words=words)):
            n_asked = int(np.count_nonzero(some.picked))
            yield flow, flow.work_of(some, partial(take, slice(done, done + n_asked)))
            done += n_asked

    def take(asked: slice, scores: Scores) -> None:
        found, ids = scores[flow.outputs[0]], pieces.ids[asked]
        log_probs[asked] = found[np.arange(len(ids)), ids] - log_normalisers(found)

    yield works()
    bounds = pieces.bounds.tolist()
    return [
        Perplexity(text, pieces.starts[low:high], pieces.ends[low:high], log_probs[low:high])
        for text, low, high in zip(texts, bounds[:-1], bounds[1:], strict=True)
    ]


def _masked(
    flow: Flow, pieces: Pieces, windows: Windows, *, mask: int, words: NDArray[np.int32] | None
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
    """Copies of each window, ``[copies, length]``, and the masked slot of each, in the order of the pieces."""
    special = flow.tokenizer.special
    prefix, suffix = np.array(special.prefix, np.int32), np.array(special.suffix, np.int32)
    for window in zip(windows.start, windows.end, windows.keep_start, windows.keep_end, strict=True):
        start, end, keep_start, keep_end = map(int, window)
        framed = np.concatenate((prefix, pieces.ids[start:end], suffix))
        step = max(1, SET_SLOTS // len(framed))
        for low in range(keep_start, keep_end, step):
            chosen = np.arange(low, min(low + step, keep_end))
            copies = np.repeat(framed[None], len(chosen), axis=0)
            slots = chosen - start + len(prefix)
            copies[np.arange(len(chosen)), slots] = mask
            if words is not None:
                rest = (words[start:end] == words[chosen, None]) & (np.arange(start, end) > chosen[:, None])
                copies[:, len(prefix) : len(prefix) + end - start][rest] = mask
            yield copies, slots


def _in_sets(masked: Iterable[tuple[NDArray[np.int32], NDArray[np.int64]]]) -> Iterator[Sequences]:
    """Copies of windows in sets of about ``SET_SLOTS`` slots."""
    waiting: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
    n_slots = 0
    for one in masked:
        if waiting and n_slots + one[0].size > SET_SLOTS:
            yield _set_of(waiting)
            waiting, n_slots = [], 0
        waiting.append(one)
        n_slots += one[0].size
    if waiting:
        yield _set_of(waiting)


def _set_of(masked: list[tuple[NDArray[np.int32], NDArray[np.int64]]]) -> Sequences:
    ids = np.concatenate([copies.ravel() for copies, _ in masked])
    lengths = np.concatenate([np.full(len(copies), copies.shape[1]) for copies, _ in masked])
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    picked = np.zeros(len(ids), np.bool_)
    picked[bounds[:-1] + np.concatenate([slots for _, slots in masked])] = True
    return Sequences(ids, np.zeros(len(ids), np.int32), picked, bounds)
