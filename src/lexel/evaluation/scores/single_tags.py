"""Accuracy of single tags, which scripts print next to F1: one tag per word (entities) or per character (words).

It is high whenever most tags are ``O``; it is meant for checking claims of cards, not for judging models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from lexel.document import Document
from lexel.evaluation.scores.tallies import Sampling
from lexel.metrics.resampling import interval, resample
from lexel.metrics.scores import Estimate, ratio
from lexel.names import Layer
from lexel.tasks.tag import Tagger

Tag = tuple[str, str]


def single_tag_accuracy(
    tagger: Tagger, documents: Iterable[Document], *, layer: Layer, sampling: Sampling
) -> Estimate | None:
    """Share of gold tags (BIO of entities, BI of words) that the model predicts.

    Args:
        tagger: The model.
        documents: Gold documents; those without the layer are skipped.
        layer: ``entities`` (a tag for each gold word, or for each character without gold words) or ``words``.
        sampling: How the interval is computed.

    Returns:
        The accuracy; ``None`` if no document has the layer.
    """
    gold = [document for document in documents if layer in document.layers]
    predicted = tagger.stream_documents(gold, live=False)
    counts = np.array([_count(*pair, layer) for pair in zip(gold, predicted, strict=True)], np.int64).reshape(-1, 2)
    if not counts[:, 1].any():
        return None
    value = float(ratio(*counts.sum(axis=0)))
    if not sampling.n_samples:
        return Estimate(value)
    drawn = resample(counts, n_samples=sampling.n_samples, seed=sampling.seed)
    low, high = interval(ratio(drawn[:, 0], drawn[:, 1]))
    return Estimate(value, float(low), float(high))


def _count(gold: Document, predicted: Document, layer: Layer) -> tuple[int, int]:
    """Number of right tags and of all tags in a document."""
    starts = list(_tokens(gold, layer))
    right, found = _tags(gold, layer), _tags(predicted, layer)
    return sum(right.get(start) == found.get(start) for start in starts), len(starts)


def _tokens(gold: Document, layer: Layer) -> Iterator[int]:
    """The start of each tagged unit."""
    if layer == "entities" and "words" in gold.layers:
        yield from gold.words.starts.tolist()
    else:
        yield from (i for i, char in enumerate(gold.text) if not char.isspace())


def _tags(document: Document, layer: Layer) -> dict[int, Tag]:
    """The tag of each character that has one."""
    if layer == "words":
        spans = [(word.start, word.end, "") for word in document.words]
    else:
        spans = [(span.start, span.end, span.label) for span in document.entities]
    return {at: ("B" if at == start else "I", label) for start, end, label in spans for at in range(start, end)}
