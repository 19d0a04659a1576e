"""Finds the best tags for a batch of texts: argmax if it is valid, else exact Viterbi.

The worth of a path is the sum of its tags' scores (and of biases and lexicon bonuses, if any); only paths with allowed
transitions count. No path is worth more than the argmax path, so if that one is valid, the search is over. Otherwise,
only the surroundings of its faults are searched, with free ends: if the result fits the argmax path on both sides, it
is optimal. If not, wider surroundings are searched, and finally the whole text. All ranges go through Viterbi together,
step by step. A long range is cut into chunks that run in parallel from a guessed entry, and each guess is checked
against the actual end of the chunk before it (``docs/design/decoding.md``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.spans import look_up, text_of
from lexel.errors import CheckpointError, LabelError
from lexel.labels import LabelSet

Method = Literal["viterbi", "argmax"]
FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
TagArray = NDArray[np.int32]

CHUNK = 256
"""Number of pieces of a long text that are decoded as one row."""

WARM_UP = 64
"""Number of pieces before a chunk from which its entry is guessed."""

REACHES = (6, 24)
"""Number of pieces on either side of a fault that are searched before the whole text."""

_FEW_OFFERS = 4096
"""Number of transitions up to which a loop is faster than array operations."""

_CACHED = 1 << 18  # scores that are turned into columns at a time
_FEW = 4096  # scores for which columns are not worth their price
_FLOOR = -1e6  # a tag this far below its piece's best is used only if validity requires it
_SAME = 1e-8  # nats; scores are float32


def decode_tags(
    scores: FloatArray,
    bounds: IntArray,
    label_set: LabelSet,
    *,
    method: Method = "viterbi",
    biases: NDArray[np.floating] | None = None,
    cuts: DoubleArray | None = None,
) -> TagArray:
    """Decide one tag for each piece.

    Of several best paths, any may be returned; of several best tags by argmax, the first.

    Args:
        scores: Scores before softmax, ``[pieces, labels]``. Minus infinity is a tag the model excludes.
        bounds: Text ``i`` owns the pieces ``[bounds[i], bounds[i + 1])``, ``[texts + 1]``.
        label_set: The labels, and which may follow which.
        method: ``viterbi`` for the best valid path, ``argmax`` for the best tag of each piece.
        biases: Added to each transition, ``[labels + 1, labels + 1]``; the last index is the outside, as in
            ``LabelSet.allowed``; ``None`` for none. Not used by ``argmax``.
        cuts: Bonus of a lexicon or another head for an edge of a unit before each piece, ``[pieces]``: positive for an
            edge, negative against one; infinities decide. Between two tags outside, there is no edge.

    Returns:
        Index of the tag, ``[pieces]``.

    Raises:
        CheckpointError: If a score is NaN.
        LabelError: If the scores do not have one column per label.
    """
    _check(scores, bounds, label_set)
    if cuts is not None and method == "argmax":
        scores = scores + np.where(label_set.begins, np.clip(cuts, _FLOOR, -_FLOOR)[:, None], 0).astype(np.float32)
    tags, peaks = best_tags(scores)
    if np.isnan(peaks).any():
        raise CheckpointError(_nan_message(peaks, bounds))
    if method == "argmax" or not len(tags):
        return tags
    if biases is not None:
        texts = np.flatnonzero(np.diff(bounds))
        _Search(*_bounded(scores, peaks), label_set, biases, cuts).decode(bounds[texts], bounds[texts + 1], tags)
    elif len(faults := _faults(tags, bounds, label_set, cuts)):
        _Search(*_bounded(scores, peaks), label_set, None, cuts).mend(faults, bounds, tags)
    return tags


def best_tags(scores: FloatArray) -> tuple[TagArray, FloatArray]:
    """The first of the best tags of each piece, and its score, both ``[pieces]``.

    If a score is NaN, so is the best, and the tag has no meaning.

    Many pieces are processed by columns, because ``argmax`` is slow for few labels per piece.
    """
    n_pieces, n_labels = scores.shape
    if 0 < scores.size <= _FEW:
        return scores.argmax(axis=1).astype(np.int32), scores.max(axis=1)
    tags, peaks = np.empty(n_pieces, np.int32), np.empty(n_pieces, scores.dtype)
    size = max(_CACHED // max(n_labels, 1), 1)
    ranks = np.arange(n_labels, 0, -1).astype(np.min_scalar_type(n_labels))[:, None]  # the first label's is highest
    for start in range(0, n_pieces, size):
        columns = np.ascontiguousarray(scores[start : start + size].T)
        peak = columns.max(axis=0)
        best = ((columns == peak) * ranks).max(axis=0, initial=1)
        peaks[start : start + size] = peak
        np.subtract(n_labels, best, out=tags[start : start + size], casting="unsafe")
    return tags, peaks


def softmax(scores: FloatArray) -> FloatArray:
    """Probabilities of the labels, ``[pieces, labels]``; stable for any scores but NaN."""
    scores, peaks = _bounded(scores, _peaks(scores))
    probs = scores - peaks[:, None]
    np.exp(probs, out=probs)
    probs /= np.einsum("ij->i", probs)[:, None]
    return probs


def probs_of(scores: FloatArray, tags: NDArray[np.integer]) -> FloatArray:
    """The probability of one tag per piece, ``[pieces]``, without storing those of the others."""
    scores, peaks = _bounded(scores, _peaks(scores))
    shifted = scores - peaks[:, None]
    np.exp(shifted, out=shifted)
    chosen = shifted.reshape(-1)[np.arange(0, shifted.size, shifted.shape[1] or 1) + tags]
    probs: FloatArray = chosen / np.einsum("ij->i", shifted)
    return probs


def _bounded(scores: FloatArray, peaks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scores and the best of each row, made finite so that they can be subtracted."""
    if not np.isfinite(peaks).all():
        scores = np.clip(scores, -1e37, 1e37)
        peaks = _peaks(scores)
    return scores, peaks


def _peaks(scores: FloatArray) -> FloatArray:
    """The best score of each piece, ``[pieces]``; by columns like ``best_tags``."""
    if 0 < scores.size <= _FEW:
        peaks: FloatArray = scores.max(axis=1)
        return peaks
    size = max(_CACHED // max(scores.shape[1], 1), 1)
    parts = [np.ascontiguousarray(scores[at : at + size].T).max(axis=0) for at in range(0, len(scores), size)]
    return np.concatenate(parts) if parts else np.empty(0, scores.dtype)


def _check(scores: FloatArray, bounds: IntArray, label_set: LabelSet) -> None:
    if scores.ndim != 2 or scores.shape[1] != len(label_set):
        raise LabelError(
            f"scores: shape {scores.shape}, expected a column for each of {len(label_set)} labels; "
            "pass the labels of the head that gave them"
        )
    if len(scores) != bounds[-1]:
        raise ValueError(f"scores: {len(scores)} pieces, but the bounds end at {bounds[-1]}")


def _nan_message(peaks: FloatArray, bounds: IntArray) -> str:
    piece = int(np.flatnonzero(np.isnan(peaks))[0])
    text = int(text_of(np.array([piece]), bounds)[0])
    return (
        f"text {text}: piece {piece - int(bounds[text])} has NaN among its scores; expected numbers. The weights are "
        "damaged, or overflow in this precision: try precision float32, or fetch the checkpoint again"
    )


def _faults(tags: TagArray, bounds: IntArray, label_set: LabelSet, cuts: DoubleArray | None) -> IntArray:
    """Pieces before which (or, for a text's last, after which) a transition is not allowed or a bonus not earned.

    If there are none, the argmax path is the best one.
    """
    if cuts is None and label_set.allowed.all():
        return np.zeros(0, np.int64)
    outside = len(label_set)
    heads = bounds[:-1][bounds[:-1] < bounds[1:]]
    tails = np.empty_like(heads)
    tails[:-1], tails[-1:] = heads[1:] - 1, len(tags) - 1
    faulty = np.empty(len(tags), bool)
    faulty[1:] = _are_faulty(tags[:-1], tags[1:], label_set, None if cuts is None else cuts[1:])
    faulty[heads] = ~label_set.allowed[outside, tags[heads]]
    faulty[tails] |= ~label_set.allowed[tags[tails], outside]
    return faulty.nonzero()[0]


def _are_faulty(before: TagArray, after: TagArray, label_set: LabelSet, bonus: DoubleArray | None) -> BoolArray:
    """Whether the transition between two tags is not allowed, or misses a bonus for an edge, ``[transitions]``."""
    faulty = ~look_up(label_set.allowed, before, after)
    if bonus is not None:
        parted = look_up(label_set.unit_edges, before, after)
        faulty |= np.where(parted, bonus < 0, bonus > 0)
    return faulty


def _around(faults: IntArray, reach: int, bounds: IntArray) -> tuple[IntArray, IntArray]:
    """Ranges of pieces around faults, within their texts; adjacent ones are merged. Both ``[ranges]``."""
    text = text_of(faults, bounds)
    start, end = np.maximum(faults - reach, bounds[text]), np.minimum(faults + reach, bounds[text + 1])
    apart = (start[1:] > end[:-1]) | (text[1:] != text[:-1])
    return start[np.append(True, apart)], end[np.append(apart, True)]


class _Transitions:
    """One Viterbi step for many rows: the best predecessor of every tag.

    Tags that may follow the same tags at the same price share the search: in BIOES with 18 types, the 73 tags have 19
    sets of predecessors, one with 37 tags and 18 with two.
    """

    def __init__(self, weights: DoubleArray) -> None:
        """Make the step for transition weights ``[labels, labels]``, minus infinity for forbidden ones."""
        kinds, kind_of_tag = np.unique(weights, axis=1, return_inverse=True)
        self.kind_of_tag: IntArray = kind_of_tag.reshape(-1)
        self.n_kinds = kinds.shape[1]
        self.groups: list[tuple[IntArray, IntArray, DoubleArray | None]] = []
        sizes = np.isfinite(kinds).sum(axis=0)
        for size in np.unique(sizes[sizes > 0]).tolist():
            members = np.flatnonzero(sizes == size)
            tags = np.stack([np.flatnonzero(np.isfinite(kinds[:, kind])) for kind in members.tolist()])
            prices = kinds[tags, members[:, None]]
            self.groups.append((members, tags, prices if prices.any() else None))

    @cached_property
    def predecessors(self) -> tuple[tuple[tuple[int, float], ...], ...]:
        """By tag, the tags that it may follow, in order, each with its price."""
        found: list[tuple[tuple[int, float], ...]] = [()] * self.n_kinds
        for kinds, tags, prices in self.groups:
            for row, kind in enumerate(kinds.tolist()):
                costs = [0.0] * tags.shape[1] if prices is None else prices[row].tolist()
                found[kind] = tuple(zip(tags[row].tolist(), costs, strict=True))
        return tuple(found[kind] for kind in self.kind_of_tag.tolist())

    def step_one(self, worths: list[float]) -> tuple[list[float], list[int]]:
        """Like ``step``, for one row of plain numbers."""
        best, origin = [], []
        for offers in self.predecessors:
            chosen, most = 0, -math.inf
            for tag, price in offers:
                worth = worths[tag] + price
                if worth > most:
                    chosen, most = tag, worth
            best.append(most)
            origin.append(chosen)
        return best, origin

    def step(self, worths: DoubleArray) -> tuple[DoubleArray, IntArray]:
        """Best worth before each tag and the tag it comes from, both ``[rows, labels]``, from ``[rows, labels]``."""
        best = np.full((len(worths), self.n_kinds), -np.inf)
        origin = np.zeros((len(worths), self.n_kinds), np.int64)
        for kinds, tags, prices in self.groups:
            offers = worths[:, tags]
            if prices is not None:
                offers = offers + prices
            if tags.shape[1] == 2:
                second = offers[:, :, 1] > offers[:, :, 0]
                best[:, kinds] = np.where(second, offers[:, :, 1], offers[:, :, 0])
                origin[:, kinds] = np.where(second, tags[:, 1], tags[:, 0])
            else:
                chosen = offers.argmax(axis=2)
                best[:, kinds] = np.take_along_axis(offers, chosen[:, :, None], axis=2)[:, :, 0]
                origin[:, kinds] = tags[np.arange(len(tags)), chosen]
        return best[:, self.kind_of_tag], origin[:, self.kind_of_tag]


@dataclass(frozen=True, slots=True)
class _Steps:
    """The transitions of a label set, prepared for the search.

    Attributes:
        at_start: Cost of each tag at the start of a text, ``[labels]``.
        at_end: Cost of each tag at the end of a text, ``[labels]``.
        free: A step between any tags.
        cutting: A step across a boundary.
        joining: A step within a unit.
    """

    at_start: DoubleArray
    at_end: DoubleArray
    free: _Transitions
    cutting: _Transitions
    joining: _Transitions

    @classmethod
    def of(cls, label_set: LabelSet, prices: DoubleArray) -> _Steps:
        """The steps where a transition earns ``prices``, ``[labels + 1, labels + 1]``."""
        weights = np.where(label_set.allowed, prices, -np.inf)
        inner, parted = weights[:-1, :-1], label_set.unit_edges
        return cls(
            weights[-1, :-1],
            weights[:-1, -1],
            _Transitions(inner),
            _Transitions(np.where(parted, inner, -np.inf)),
            _Transitions(np.where(parted, -np.inf, inner)),
        )


@lru_cache(maxsize=64)
def _steps_of(label_set: LabelSet) -> _Steps:
    """The steps of a label set without biases, cached by its names and scheme."""
    return _Steps.of(label_set, np.zeros(label_set.allowed.shape))


class _Chunks(NamedTuple):
    """Ranges of pieces that are processed in parallel.

    Attributes:
        begin: First piece of each, ``[rows]``.
        length: Number of pieces of each, ``[rows]``.
        follows: Whether it continues the row before, ``[rows]``.
        opening: Cost of each first tag, for rows that do not, ``[rows, labels]``.
    """

    begin: IntArray
    length: IntArray
    follows: BoolArray
    opening: DoubleArray

    def at(self, rows: IntArray) -> _Chunks:
        """A selection of the rows."""
        return _Chunks(self.begin[rows], self.length[rows], self.follows[rows], self.opening[rows])


class _Search:
    """Viterbi over the texts of one batch."""

    def __init__(
        self,
        scores: FloatArray,
        peaks: FloatArray,
        label_set: LabelSet,
        biases: NDArray[np.floating] | None,
        cuts: DoubleArray | None,
    ) -> None:
        self.scores, self.peaks, self.label_set, self.cuts = scores, peaks, label_set, cuts
        self.n_labels = len(label_set)
        if biases is None:
            self.steps = _steps_of(label_set)
        else:
            self.steps = _Steps.of(label_set, _checked_biases(biases, label_set))

    def mend(self, faults: IntArray, bounds: IntArray, tags: TagArray) -> None:
        """Write the best tags of the texts with faults into ``tags``, which holds the argmax path."""
        for reach in REACHES:
            starts, ends = _around(faults, reach, bounds)
            text = text_of(starts, bounds)
            opens, closes = starts == bounds[text], ends == bounds[text + 1]
            lost = self._search(starts, ends, tags, opens=opens, closes=closes)
            lost[~opens] |= self._are_faulty(starts[~opens], tags)
            lost[~closes] |= self._are_faulty(ends[~closes], tags)
            if not lost.any():
                return
            faults = faults[np.isin(text_of(faults, bounds), text[lost])]
        texts = np.unique(text_of(faults, bounds))
        self.decode(bounds[texts], bounds[texts + 1], tags)

    def _are_faulty(self, pieces: IntArray, tags: TagArray) -> BoolArray:
        """Whether the transition to each piece from the one before it is a fault, ``[pieces]``."""
        bonus = None if self.cuts is None else self.cuts[pieces]
        return _are_faulty(tags[pieces - 1], tags[pieces], self.label_set, bonus)

    def decode(self, starts: IntArray, ends: IntArray, tags: TagArray) -> None:
        """Write the best tags of the texts ``[starts, ends)`` into ``tags``."""
        whole = np.ones(len(starts), bool)
        lost = self._search(starts, ends, tags, opens=whole, closes=whole)
        if (
            lost.any() and self.cuts is not None
        ):  # the scheme cannot express the lexicon's request, so leave it to the model
            self.cuts = None
            self.decode(starts[lost], ends[lost], tags)

    def _search(
        self, starts: IntArray, ends: IntArray, tags: TagArray, *, opens: BoolArray, closes: BoolArray
    ) -> BoolArray:
        """Write the best tags of the ranges ``[starts, ends)`` into ``tags``.

        Args:
            starts: First piece of each range, ``[ranges]``.
            ends: One past its last, ``[ranges]``.
            tags: Where the tags are written, ``[pieces]``.
            opens: Whether it begins with a text's first piece; otherwise any tag may be first, ``[ranges]``.
            closes: Whether it ends with a text's last piece; otherwise any tag may be last, ``[ranges]``.

        Returns:
            Whether a range has no valid path, ``[ranges]``.
        """
        sizes = ends - starts
        if int(sizes.sum()) * self.n_labels * self.n_labels <= _FEW_OFFERS and int(sizes.max()) <= CHUNK:
            ranges = zip(starts.tolist(), ends.tolist(), opens.tolist(), closes.tolist(), strict=True)
            return np.array([self._search_one(*one, tags) for one in ranges], bool)
        n_chunks = -(-sizes // CHUNK)
        first = np.cumsum(n_chunks) - n_chunks  # each range's first row
        offset = (np.arange(n_chunks.sum()) - np.repeat(first, n_chunks)) * CHUNK
        begin = np.repeat(starts, n_chunks) + offset
        length = np.minimum(np.repeat(ends, n_chunks) - begin, CHUNK)
        origins = np.empty((int(length.sum()), self.n_labels), np.min_scalar_type(self.n_labels))
        place = np.cumsum(length) - length  # the place of a row's origins
        opening = np.where(np.repeat(opens, n_chunks)[:, None], self.steps.at_start, 0.0)
        leaving = self._run_chunks(_Chunks(begin, length, offset > 0, opening), place, origins)
        final = leaving[first + n_chunks - 1] + np.where(closes[:, None], self.steps.at_end, 0.0)
        last_tag = _stitch(final.argmax(axis=1), first, n_chunks, (length, place, origins))
        _read_back(last_tag, begin, (length, place, origins), tags)
        lost: BoolArray = ~np.isfinite(final.max(axis=1))
        return lost

    def _search_one(self, start: int, end: int, opens: bool, closes: bool, tags: TagArray) -> bool:
        """``_search`` of one short range, with plain numbers."""
        emissions = self._emissions(np.arange(start, end)).tolist()
        cuts = [0.0] * len(emissions) if self.cuts is None else self.cuts[start:end].tolist()
        entry = self.steps.at_start.tolist() if opens else [0.0] * self.n_labels
        worths = [opening + emission for opening, emission in zip(entry, emissions[0], strict=True)]
        origins = []
        for emission, cut in zip(emissions[1:], cuts[1:], strict=True):
            best, origin = self.steps.free.step_one(worths) if cut == 0 else self._step_one(worths, cut)
            worths = [before + own for before, own in zip(best, emission, strict=True)]
            origins.append(origin)
        peak = max(worths)
        exits = self.steps.at_end.tolist() if closes else [0.0] * self.n_labels
        final = [worth - (peak if math.isfinite(peak) else 0) + cost for worth, cost in zip(worths, exits, strict=True)]
        most = max(final)
        path = [final.index(most)]
        for origin in reversed(origins):
            path.append(origin[path[-1]])
        tags[start:end] = path[::-1]
        return not math.isfinite(most)

    def _step_one(self, worths: list[float], bonus: float) -> tuple[list[float], list[int]]:
        """``_step`` of one row, with a bonus for an edge, or against one."""
        cut, cut_origin = self.steps.cutting.step_one(worths)
        join, join_origin = self.steps.joining.step_one(worths)
        if_cut = -math.inf if bonus == -math.inf else 0.0 if math.isinf(bonus) else max(bonus, 0.0)
        if_join = -math.inf if bonus == math.inf else 0.0 if math.isinf(bonus) else max(-bonus, 0.0)
        best, origin = [], []
        for cut_worth, join_worth, cut_tag, join_tag in zip(cut, join, cut_origin, join_origin, strict=True):
            is_cut = cut_worth + if_cut > join_worth + if_join
            best.append(cut_worth + if_cut if is_cut else join_worth + if_join)
            origin.append(cut_tag if is_cut else join_tag)
        return best, origin

    def _run_chunks(self, chunks: _Chunks, place: IntArray, origins: NDArray[np.unsignedinteger]) -> DoubleArray:
        """Run all rows, each from a guessed entry, until every entry matches the end of the row before it.

        Returns:
            Worth of the best path to each tag at a row's end, minus that of the best of all, ``[rows, labels]``.
        """
        entry = np.zeros_like(chunks.opening)
        later = np.flatnonzero(chunks.follows)
        if len(later):
            guessing = chunks.at(later)
            reach = np.full(len(later), WARM_UP)
            entry[later] = self._run(guessing._replace(begin=guessing.begin - WARM_UP, length=reach), entry[later])
        leaving = self._run(chunks, entry, _keeper(place, origins))
        rows, patience = later, 1
        while len(rows := later[~_same(entry[later], leaving[later - 1])]):
            if patience == 0:  # guesses do not work for texts with long dependencies: continue from the first wrong one
                text = np.cumsum(~chunks.follows)[rows]
                rows = rows[np.append(True, text[1:] != text[:-1])]
            patience = 0
            entry[rows] = leaving[rows - 1]
            leaving[rows] = self._run(chunks.at(rows), entry[rows], _keeper(place[rows], origins))
        return leaving

    def _run(
        self, chunks: _Chunks, entry: DoubleArray, keep: Callable[[IntArray, int, IntArray], None] | None = None
    ) -> DoubleArray:
        """Run rows of pieces forward, longest first, one step of all rows at a time."""
        order = np.argsort(-chunks.length, kind="stable")
        chunks, worths = chunks.at(order), entry[order]
        n_active = np.searchsorted(-chunks.length, -np.arange(int(chunks.length[0])), side="left").tolist()
        for step, n_rows in enumerate(n_active):
            at = chunks.begin[:n_rows] + step
            best, origin = self._step(worths[:n_rows], at)
            if step == 0:
                best = np.where(chunks.follows[:, None], best, chunks.opening)
            worths[:n_rows] = best + self._emissions(at)
            if keep is not None:
                keep(order[:n_rows], step, origin)
        leaving = np.empty_like(worths)
        peak = worths.max(axis=1, keepdims=True)
        leaving[order] = worths - np.where(np.isfinite(peak), peak, 0)
        return leaving

    def _step(self, worths: DoubleArray, at: IntArray) -> tuple[DoubleArray, IntArray]:
        if self.cuts is None or not (cuts := self.cuts[at]).any():
            return self.steps.free.step(worths)
        cut, cut_origin = self.steps.cutting.step(worths)
        join, join_origin = self.steps.joining.step(worths)
        bonus = np.where(np.isfinite(cuts), cuts, 0)
        cut += np.where(cuts == -np.inf, -np.inf, np.maximum(bonus, 0))[:, None]
        join += np.where(cuts == np.inf, -np.inf, np.maximum(-bonus, 0))[:, None]
        cutting = cut > join
        return np.where(cutting, cut, join), np.where(cutting, cut_origin, join_origin)

    def _emissions(self, at: IntArray) -> DoubleArray:
        """Scores minus the piece's best, ``[rows, labels]``: the softmax's denominator is the same for every path."""
        emissions: DoubleArray = self.scores[at].astype(np.float64)
        emissions -= self.peaks[at][:, None]
        return np.maximum(emissions, _FLOOR, out=emissions)


_Rows = tuple[IntArray, IntArray, NDArray[np.unsignedinteger]]


def _checked_biases(biases: NDArray[np.floating], label_set: LabelSet) -> DoubleArray:
    expected = label_set.allowed.shape
    if biases.shape != expected or not np.isfinite(biases).all():
        raise LabelError(
            f"biases: shape {biases.shape}; expected finite numbers of shape {expected}, the last for the outside"
        )
    return biases.astype(np.float64)


def _keeper(place: IntArray, origins: NDArray[np.unsignedinteger]) -> Callable[[IntArray, int, IntArray], None]:
    def keep(rows: IntArray, step: int, origin: IntArray) -> None:
        origins[place[rows] + step] = origin

    return keep


def _same(left: DoubleArray, right: DoubleArray) -> BoolArray:
    """Whether two rows of worths are equal up to rounding, ``[rows]``."""
    with np.errstate(invalid="ignore"):
        alike: BoolArray = ((left == right) | (np.abs(left - right) <= _SAME)).all(axis=1)
    return alike


def _stitch(final: IntArray, first: IntArray, n_chunks: IntArray, rows: _Rows) -> IntArray:
    """The last tag of every row, from the last tag of every text, ``[rows]``."""
    length, place, origins = rows
    last_tag = np.zeros(len(length), np.int64)
    last_tag[first + n_chunks - 1] = final
    follows = np.ones(len(length), bool)
    follows[first] = False
    later = np.flatnonzero(follows)
    if not len(later):
        return last_tag
    order = later[np.argsort(-length[later], kind="stable")]
    origin = np.tile(np.arange(origins.shape[1]), (len(order), 1))  # of the row before, for each last tag
    for step in range(int(length[order[0]]) - 1, -1, -1):
        n_rows = int(np.searchsorted(-length[order], -step, side="left"))
        active = origins[place[order[:n_rows]] + step]
        origin[:n_rows] = np.take_along_axis(active, origin[:n_rows], axis=1)
    row_of = dict(zip(order.tolist(), origin, strict=True))
    for row in later[::-1].tolist():
        last_tag[row - 1] = row_of[row][last_tag[row]]
    return last_tag


def _read_back(last_tag: IntArray, begin: IntArray, rows: _Rows, tags: TagArray) -> None:
    """Follow the origins from each row's last tag to its first and write the path into ``tags``."""
    length, place, origins = rows
    order = np.argsort(-length, kind="stable")
    current = last_tag[order]
    for step in range(int(length[order[0]]) - 1, -1, -1):
        n_rows = int(np.searchsorted(-length[order], -step, side="left"))
        active = order[:n_rows]
        tags[begin[active] + step] = current[:n_rows]
        current[:n_rows] = origins[place[active] + step, current[:n_rows]]
