"""What a format could not hold, counted while reading or writing, so that nothing is dropped silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lexel.document import Document

NESTED = "nested entities"
"""What formats without the layer ``nested`` lose."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that did not get through, and how often.

    ``str(loss)`` is a line for people: ``scores: 120 not held by CoNLL columns``.
    """

    what: str
    count: int
    format: str

    def __str__(self) -> str:
        return f"{self.what}: {self.count:,} not held by {self.format}"


class Losses:
    """Collects losses of one reading or writing; hand one in, and look at it when the documents are through."""

    def __init__(self) -> None:
        """Start with nothing lost."""
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, what: str, count: int, *, format: str) -> None:
        """Count something that the format does not hold; zero is not a loss."""
        if count:
            self._counts[what, format] += count

    def __iter__(self) -> Iterator[Loss]:
        return (Loss(what, count, format) for (what, format), count in self._counts.items())

    def __len__(self) -> int:
        return len(self._counts)

    def summary(self) -> tuple[Loss, ...]:
        """All losses so far, in the order in which they first came up."""
        return tuple(self)


def n_scores(document: Document) -> int:
    """How many scores a document carries."""
    words = document.words
    layers = (words.scores, words.pos_scores, document.entities.scores, document.nested.scores)
    return sum(len(scores) for scores in layers if scores is not None)
