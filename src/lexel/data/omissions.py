"""Counts what a format could not hold while reading or writing, so that nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lexel.document import Document

NESTED = "nested entities"
"""The loss of formats without the layer ``nested``."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of lost information, with its count.

    ``str(loss)`` is a readable line: ``scores: 120 not held by CoNLL columns``.
    """

    what: str
    count: int
    format: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,} not held by {self.format}"


class Losses:
    """Collects losses while reading or writing. Pass one in, and read it when all documents are done."""

    def __init__(self) -> None:
        """Start empty."""
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, what: str, count: int, *, format: str) -> None:
        """Count something that the format does not hold; a count of zero is ignored."""
        if count:
            self._counts[what, format] += count

    def __iter__(self) -> Iterator[Loss]:
        return (Loss(what, count, format) for (what, format), count in self._counts.items())

    def __len__(self) -> int:
        return len(self._counts)

    def summary(self) -> tuple[Loss, ...]:
        """All losses so far, in order of first occurrence."""
        return tuple(self)


def n_scores(document: Document) -> int:
    """The number of scores in a document."""
    words = document.words
    layers = (words.scores, words.pos_scores, document.entities.scores, document.nested.scores)
    return sum(len(scores) for scores in layers if scores is not None)
