"""Training sequences: the windows of documents, with the labels that each window decides.

Windows are the same as in prediction, and a piece is labelled in the window that decides it, so every label of a long
document counts exactly once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.tasks.base import OVERLAP, frame
from lexel.tasks.gold import BEGIN, IGNORE
from lexel.tasks.span_windows import are_decided
from lexel.text.alignment import ranges_to_indexes
from lexel.text.pieces import SpecialPieces
from lexel.text.windows import Windows, plan_batch
from lexel.training.data.features import Features
from lexel.training.data.heads import TrainedHead

IntArray = NDArray[np.int64]
_BLOCK_PIECES = 1 << 20

TEXT_START, TEXT_END = 1, 2
"""Bits of a piece's edge: the first piece of a text, the last piece of a text."""


@dataclass(frozen=True, slots=True)
class GatheredSequences:
    """Concatenated sequences, special pieces included.

    Attributes:
        ids: The pieces, ``[pieces]``.
        type_ids: BERT's sentence A or B, ``[pieces]``.
        labels: By head, the label of each piece, ``IGNORE`` where there is none, ``[pieces]``.
        begins: Whether a word begins with the piece, if words are known, ``[pieces]``.
        decided: Whether the piece is decided in this sequence; special pieces are not, ``[pieces]``.
        bounds: Where each sequence begins and ends, ``[sequences + 1]``.
        targets: By head, the target of each sequence: a class, ``[sequences]``; classes or a number as
            ``[sequences, labels]``; first and last slot of an answer in its sequence, ``[sequences, 2]``.
        text_edges: For a CRF, 1 at the first piece of a text, 2 at the last, ``[pieces]``.
        spans: By head for spans, the spans of each sequence.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.int32]
    labels: Mapping[str, NDArray[np.int16]]
    begins: NDArray[np.bool_]
    decided: NDArray[np.bool_]
    bounds: IntArray
    targets: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    text_edges: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    spans: Mapping[str, Sequence[GoldSpans]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoldSpans:
    """The spans of one sequence; its pieces count from 0, after the special ones.

    Attributes:
        rows: Label, first piece and last piece of each, ``[spans, 3]``.
        is_known: Whether the text's entities are annotated.
        decided: Whether each pair of a first and a last piece is decided in this sequence, ``[pieces, pieces]``;
            ``None`` for all, if the text is one sequence.
    """

    rows: IntArray
    is_known: bool
    decided: NDArray[np.bool_] | None = None


class WindowExamples:
    """The windows of several files.

    Args:
        files: The files' columns.
        heads: The heads; those for tagging get labels.
        special: The model's special pieces.
        max_length: Longest sequence, special pieces included.
        overlap: Pieces that neighbouring windows share; ``None`` for the value of prediction.
        only_labelled: Leave out windows in which no head has a label.
        chosen: Whether to use each document of a file, ``[documents]``; all by default.

    Attributes:
        lengths: Length of each window with its special pieces, ``[windows]``.
        groups: Where each file's windows begin and end, ``[files + 1]``.
        n_long: Documents with more than one window.
    """

    def __init__(
        self,
        files: Sequence[Features],
        heads: Sequence[TrainedHead],
        *,
        special: SpecialPieces,
        max_length: int,
        overlap: int | None = None,
        only_labelled: bool = False,
        chosen: Callable[[Features], NDArray[np.bool_]] | None = None,
    ) -> None:
        self._special = special
        self._n_special = len(special.prefix) + len(special.suffix)
        size = max_length - self._n_special
        shared = min(OVERLAP, size // 4) if overlap is None else overlap
        self._tagging = [head for head in heads if head.is_tagging]
        self._spanning = [head for head in heads if head.task == "spans"]
        self._files = [
            _FileWindows(features, self._tagging, self._spanning, size=size, overlap=shared) for features in files
        ]
        if chosen is not None:
            for file in self._files:
                file.keep(chosen(file.features)[file.windows.text])
        if only_labelled and all(head.is_tagging for head in heads):
            for file in self._files:
                file.keep_labelled()
        counts = [len(file.windows) for file in self._files]
        self.groups = [0, *np.cumsum(counts).tolist()]
        self.n_long = sum(file.n_long for file in self._files)
        empty = np.zeros(0, np.int64)
        self.lengths: IntArray = (
            np.concatenate([empty, *(file.windows.end - file.windows.start for file in self._files)]) + self._n_special
        )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def files(self) -> list[Features]:
        """The files' columns."""
        return [file.features for file in self._files]

    def gather(self, sequences: IntArray) -> GatheredSequences:
        """Concatenate sequences in the given order."""
        owners = np.searchsorted(self.groups, sequences, side="right") - 1
        spans = []
        for owner, sequence in zip(owners.tolist(), sequences.tolist(), strict=True):
            spans.append((self._files[owner], sequence - self.groups[owner]))
        ranges = [(file, *file.edges(k)) for file, k in spans]
        ids = np.concatenate([file.features.ids[a:b] for file, a, b, _, _ in ranges])
        sizes = np.array([b - a for _, a, b, _, _ in ranges], np.int64)
        starts = np.cumsum(sizes) - sizes
        keep = np.array([(c - a, d - a) for _, a, _, c, d in ranges], np.int64).reshape(-1, 2)
        windows = Windows(np.arange(len(sizes)), starts, starts + sizes, starts + keep[:, 0], starts + keep[:, 1])
        framed = frame(ids, windows, self._special)
        slots = ranges_to_indexes(framed.bounds[:-1] + len(self._special.prefix), sizes)
        edges = np.concatenate([file.features.column("words_edges")[a:b] for file, a, b, _, _ in ranges])
        begins = np.ones(len(framed.ids), np.bool_)
        begins[slots] = (edges & BEGIN > 0) | (edges > 3)
        labels = {}
        for head in self._tagging:
            column = np.full(len(framed.ids), IGNORE, np.int16)
            column[slots] = np.concatenate([file.labels[head.name][a:b] for file, a, b, _, _ in ranges])
            column[~framed.picked] = IGNORE
            labels[head.name] = column
        text_edges = np.zeros(len(framed.ids), np.uint8)
        for (file, k), (a, c, d), first in zip(
            spans, ((a, c, d) for _, a, _, c, d in ranges), slots[starts.clip(max=len(slots) - 1)], strict=True
        ):
            start, end = file.features.bounds[file.windows.text[k] : file.windows.text[k] + 2]
            if d > c:
                text_edges[first + c - a] |= TEXT_START * (c == start)
                text_edges[first + d - 1 - a] |= TEXT_END * (d == end)
        return GatheredSequences(
            framed.ids,
            framed.type_ids,
            labels,
            begins,
            framed.picked,
            framed.bounds,
            text_edges=text_edges,
            spans={head.name: [file.spans(head.name, k) for file, k in spans] for head in self._spanning},
        )

    def document_chunks(self, n_pieces: int) -> Iterator[tuple[IntArray, IntArray]]:
        """All sequences in order with their documents' numbers, in chunks of whole documents of about ``n_pieces``."""
        for first, file in zip(self.groups, self._files, strict=False):
            text = file.windows.text
            starts = np.flatnonzero(np.diff(text, prepend=-1))  # where documents begin
            lengths = self.lengths[first : first + len(text)]
            done = np.append(0, np.cumsum(lengths))
            at = 0
            while at < len(text):
                end = int(np.searchsorted(done, done[at] + n_pieces))
                k = int(np.searchsorted(starts, max(end, at + 1)))
                end = int(starts[k]) if k < len(starts) else len(text)
                yield np.arange(first + at, first + end), text[at:end]
                at = end

    def label_totals(self, head: TrainedHead) -> IntArray:
        """Number of occurrences of each label of a head in the files, ``[labels]``."""
        totals = np.zeros(len(head.labels), np.int64)
        for file in self._files:
            labels = file.labels[head.name]
            for at in range(0, len(labels), _BLOCK_PIECES):
                block = labels[at : at + _BLOCK_PIECES]
                totals += np.bincount(block[block >= 0], minlength=len(totals))
        return totals


class _FileWindows:
    """One file's windows and labels."""

    def __init__(
        self,
        features: Features,
        heads: Sequence[TrainedHead],
        spanning: Sequence[TrainedHead],
        *,
        size: int,
        overlap: int,
    ) -> None:
        self.features = features
        self.windows = plan_batch(features.bounds, size=size, overlap=overlap)
        self.n_long = len(self.windows) - len(np.unique(self.windows.text))
        self.labels = {head.name: _label_column(features, head) for head in heads}
        self._span_types = {head.name: head.span_types(features) for head in spanning}

    def spans(self, head: str, k: int) -> GoldSpans:
        """The spans of a window that are decided in it."""
        windows, features = self.windows, self.features
        start, end = int(windows.start[k]), int(windows.end[k])
        first, last = features.column("span_firsts"), features.column("span_lasts")
        inside = slice(*np.searchsorted(first, (start, end)).tolist())
        first, last, labels = first[inside], last[inside], self._span_types[head][inside]
        kept = np.flatnonzero(last < end)
        kept = kept[are_decided(windows, k, first[kept], last[kept] + 1)]
        rows = np.stack((labels[kept], first[kept] - start, last[kept] - start), axis=1).astype(np.int64)
        is_known = bool(features.column("span_known")[windows.text[k]])
        return GoldSpans(rows, is_known, self._decided(k, end - start))

    def _decided(self, k: int, n: int) -> NDArray[np.bool_] | None:
        windows = self.windows
        near = windows.text[max(k - 1, 0) : k + 2]
        if int((near == windows.text[k]).sum()) == 1:
            return None
        first, last = np.triu_indices(n)
        decided = np.zeros((n, n), np.bool_)
        decided[first, last] = are_decided(windows, k, first + windows.start[k], last + windows.start[k] + 1)
        return decided

    def edges(self, k: int) -> tuple[int, int, int, int]:
        """First piece of a window, one past its last, and the same of the pieces that it decides."""
        windows = self.windows
        return int(windows.start[k]), int(windows.end[k]), int(windows.keep_start[k]), int(windows.keep_end[k])

    def keep_labelled(self) -> None:
        """Leave out the windows in which no head has a label to learn."""
        windows, has = self.windows, np.zeros(len(self.windows), np.bool_)
        for labels in self.labels.values():
            counted = np.zeros(len(labels) + 1, np.int32)
            np.cumsum(labels >= 0, out=counted[1:])
            has |= counted[windows.keep_end] > counted[windows.keep_start]
        self.keep(has)

    def keep(self, which: NDArray[np.bool_]) -> None:
        """Keep only the given windows."""
        windows = self.windows
        if not which.all():
            columns = (windows.text, windows.start, windows.end, windows.keep_start, windows.keep_end)
            self.windows = Windows(*(column[which] for column in columns))


def _label_column(features: Features, head: TrainedHead) -> NDArray[np.int16]:
    """A head's labels of a whole file, ``[pieces]``; computed block by block, and stored with the columns."""
    assert head.label_set is not None
    key = json.dumps([head.task, head.gold_labels, head.label_set.scheme, head.word_label])
    path = features.folder / f"labels-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
    if not path.exists():
        partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
        with partial.open("wb") as file:
            for first, last in _document_blocks(features.bounds):
                bounds = features.bounds[first : last + 1]
                pieces = slice(int(bounds[0]), int(bounds[-1]))
                file.write(head.piece_labels(features, pieces, bounds - bounds[0]).tobytes())
        partial.replace(path)
    return np.asarray(np.memmap(path, np.int16, "r")) if path.stat().st_size else np.zeros(0, np.int16)


def _document_blocks(bounds: IntArray) -> Iterator[tuple[int, int]]:
    """Ranges of documents of about a million pieces."""
    n_documents, first = len(bounds) - 1, 0
    while first < n_documents:
        last = int(np.searchsorted(bounds, bounds[first] + _BLOCK_PIECES, side="right")) - 1
        last = min(max(last, first + 1), n_documents)
        yield first, last
        first = last
