"""Gold and predicted documents, a few hundred at a time, as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lexel.document import Document, Spans, Words
from lexel.evaluation.scores.likelihood import DocumentLoss
from lexel.metrics.spans import FlatSpans, flat_spans
from lexel.names import Layer

CHUNK_DOCUMENTS = 512


@dataclass(frozen=True, slots=True)
class Pair:
    """A gold document and the model's prediction.

    Attributes:
        number: Number of the document in the data, from 1.
        gold: The gold document.
        predicted: The prediction.
        is_strict: Whether each predicted entity also counts by the strict rule, ``[entities]``.
        losses: The loss of the gold labels, by layer.
    """

    number: int
    gold: Document
    predicted: Document
    is_strict: NDArray[np.bool_]
    losses: Mapping[Layer, DocumentLoss] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the document."""
        return self.gold.id or str(self.number)


class LabelIndex:
    """Numbers for labels, in order of their first appearance; the model's labels come first.

    Attributes:
        names: The labels by number.
        n_known: The number of the model's labels, which come first.
        mapped: Gold labels that were mapped.
    """

    def __init__(self, names: Iterable[str], mapping: Mapping[str, str] | None = None) -> None:
        self.names: list[str] = list(dict.fromkeys(names))
        self.n_known: int = len(self.names)
        self._numbers = {name: i for i, name in enumerate(self.names)}
        self._mapping = mapping or {}
        self.mapped: set[str] = set()

    def __len__(self) -> int:
        return len(self.names)

    def gold_numbers(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of gold labels after mapping them to the model's, ``[labels]``."""
        self.mapped.update(label for label in labels if label in self._mapping)
        return self.numbers([self._mapping.get(label, label) for label in labels])

    def numbers(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Numbers of labels without mapping, ``[labels]``."""
        for label in labels:
            if label not in self._numbers:
                self._numbers[label] = len(self.names)
                self.names.append(label)
        return np.array([self._numbers[label] for label in labels], np.int64)


def has_layer(document: Document, layer: str) -> bool:
    """Whether a gold document has a layer; without a layer ``nested``, its entities count as nested ones."""
    return layer in document.layers or (layer == "nested" and "entities" in document.layers)


def chunked(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """The pairs, a few hundred at a time."""
    chunk: list[Pair] = []
    for pair in pairs:
        chunk.append(pair)
        if len(chunk) == CHUNK_DOCUMENTS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def flat_layer(
    layers: Sequence[Words] | Sequence[Spans], shifts: NDArray[np.int64], labels: Sequence[NDArray[np.int64]] | None
) -> FlatSpans:
    """One layer of several documents as a table, with positions in the concatenated texts.

    Args:
        layers: The layer of each document.
        shifts: The start of each document, ``[documents + 1]``.
        labels: Number of each label, ``[spans]`` for each document.
    """
    document = np.repeat(np.arange(len(layers)), [len(layer) for layer in layers])
    if not len(layers):
        return flat_spans((), (), ())
    start = np.concatenate([layer.starts for layer in layers]) + shifts[document]
    end = np.concatenate([layer.ends for layer in layers]) + shifts[document]
    return flat_spans(document, start, end, None if labels is None else np.concatenate(labels))


def word_labels(words: Words, index: LabelIndex, *, are_gold: bool) -> NDArray[np.int64]:
    """Number of each word's tag, ``[words]``."""
    numbers = (index.gold_numbers if are_gold else index.numbers)(words.pos_labels)
    return numbers[words.pos_ids] if words.pos_ids is not None and len(words) else np.zeros(0, np.int64)


def span_labels(spans: Spans, index: LabelIndex, *, are_gold: bool) -> NDArray[np.int64]:
    """Number of each span's label, ``[spans]``."""
    numbers = (index.gold_numbers if are_gold else index.numbers)(spans.labels)
    return numbers[spans.label_ids] if len(spans) else np.zeros(0, np.int64)


def shifts_of(pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """The start of each document in the concatenated texts, ``[documents + 1]``."""
    return np.concatenate(([0], np.cumsum([len(pair.gold.text) for pair in pairs]))).astype(np.int64)
