"""The loss on gold labels: their mean negative log-likelihood.

Training minimises it, so the loss in a report is comparable with the losses in a training table: natural logarithm, per
piece (words, entities) or per word (one tag per word), without special pieces. A piece is computed once, in the window
that decides it. Labels that the model does not have are left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.document import Document
from lexel.names import Layer
from lexel.tasks.base import Block, Reading
from lexel.tasks.gold import IGNORE, PieceUnits, Units, unit_labels, word_labels
from lexel.tasks.layers import LayerHead

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DocumentLoss:
    """The loss of one layer of one document: its sum, and the number of pieces or words (``unit``)."""

    total: float
    n_items: int
    unit: str


class GoldLosses:
    """Computes the loss of gold labels, block by block.

    Args:
        layers: The layers, and their sources; spans from a head for spans have no such loss.
        label_map: The model's names for gold labels, if they differ.
    """

    def __init__(self, layers: Mapping[Layer, LayerHead], label_map: Mapping[str, str]) -> None:
        self._layers = {layer: head for layer, head in layers.items() if head.head.task != "spans"}
        self._label_map = label_map

    def of_block(self, block: Block, documents: Sequence[Document]) -> list[dict[Layer, DocumentLoss]]:
        """By layer that both gold and model have, the loss of each text of a block."""
        found: list[dict[Layer, DocumentLoss]] = [{} for _ in documents]
        for layer, head in self._layers.items():
            reading = block.readings[head.flow]
            unit = "words" if head.label_set.task == "labels" else "pieces"
            costs, text = self._costs(layer, head, reading, documents)
            sums = np.bincount(text, costs, minlength=len(documents))
            counts = np.bincount(text, minlength=len(documents))
            for i, document in enumerate(documents):
                if layer in document.layers:
                    found[i][layer] = DocumentLoss(float(sums[i]), int(counts[i]), unit)
        return found

    def _costs(
        self, layer: Layer, head: LayerHead, reading: Reading, documents: Sequence[Document]
    ) -> tuple[FloatArray, NDArray[np.int64]]:
        """The loss of each labelled piece, or word, and its text."""
        units, type_ids = self._units(layer, head, reading, documents)
        log_probs = log_softmax(reading.scores[head.head.name])
        if head.label_set.task == "labels":
            how = head.head.word_label or "first"
            targets = word_labels(units, label_ids=type_ids, word_label=how)
            return (
                _word_costs(log_probs, targets, units, reading)
                if how == "mean"
                else _costs(log_probs, targets, reading)
            )
        bounds = reading.pieces.bounds
        return _costs(log_probs, unit_labels(units, head.label_set, type_ids=type_ids, bounds=bounds), reading)

    def _units(
        self, layer: Layer, head: LayerHead, reading: Reading, documents: Sequence[Document]
    ) -> tuple[Units, NDArray[np.int64]]:
        """Gold labels of the pieces, by the head's indexes."""
        names = head.head.labels if head.label_set.task == "labels" else head.label_set.types
        numbers = {name: i for i, name in enumerate(names)}

        def numbered(labels: Sequence[str], ids: NDArray[np.int32] | None, n: int) -> NDArray[np.int64]:
            table = [numbers.get(self._label_map.get(label, label), IGNORE) for label in labels]
            return np.array(table, np.int64)[ids] if n and ids is not None else np.zeros(n, np.int64)

        on_pieces = PieceUnits([document.text for document in documents], reading.pieces)
        if layer == "entities":
            spans = [document.entities if layer in document.layers else None for document in documents]
            types = [None if each is None else numbered(each.labels, each.label_ids, len(each)) for each in spans]
            return on_pieces.entities(spans, types), np.arange(max(len(names), 1))
        words = [document.words if layer in document.layers else None for document in documents]
        tags = [
            None if each is None or layer == "words" else numbered(each.pos_labels, each.pos_ids, len(each))
            for each in words
        ]
        return on_pieces.words(words, tags), np.arange(max(len(names), 1))


def log_softmax(scores: NDArray[np.floating]) -> FloatArray:
    """Log-probabilities, ``[pieces, labels]``."""
    shifted = scores.astype(np.float64) - scores.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), np.float64)


def _costs(log_probs: FloatArray, targets: NDArray[np.int16], reading: Reading) -> tuple[FloatArray, NDArray[np.int64]]:
    labelled = np.flatnonzero(targets != IGNORE)
    return -log_probs[labelled, targets[labelled]], reading.pieces.texts[labelled]


def _word_costs(
    log_probs: FloatArray, targets: NDArray[np.int16], units: Units, reading: Reading
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The loss of each word, if the mean probability over its pieces decides its tag."""
    labelled = np.flatnonzero(targets != IGNORE)
    word = np.cumsum((units.edges[labelled] & 1) > 0) - 1
    n_words = int(word[-1]) + 1 if len(word) else 0
    probs = np.bincount(word, np.exp(log_probs[labelled, targets[labelled]]), minlength=n_words)
    texts = np.zeros(n_words, np.int64)
    texts[word] = reading.pieces.texts[labelled]
    return -np.log(probs / np.bincount(word, minlength=n_words)), texts
