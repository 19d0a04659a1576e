"""Finds differences between prediction and gold, in context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lexel.document import Document
from lexel.evaluation.scores.chunks import Pair, has_layer
from lexel.evaluation.scores.results import Mistake

CONTEXT_CHARS = 24
MOST_KEPT = 4_000
"""Maximum number of mistakes per layer that are kept; all are counted."""


class Stretch(NamedTuple):
    """A word or an entity: a range of characters and its label."""

    start: int
    end: int
    label: str


class Region(NamedTuple):
    """A part of a text where two annotations differ (gold and prediction, or two models), with both of them."""

    start: int
    end: int
    gold: list[Stretch]
    predicted: list[Stretch]


class MistakeList:
    """Mistakes from the start of the data.

    Attributes:
        kept: The mistakes to show.
        counts: Number of mistakes by layer.
    """

    def __init__(self, layers: Sequence[str], mapping: Mapping[str, str]) -> None:
        self.kept: list[Mistake] = []
        self.counts = dict.fromkeys(layers, 0)
        self._mapping = mapping

    def add(self, pairs: Sequence[Pair]) -> None:
        """Find mistakes in a chunk, in the layers of the gold data."""
        for pair in pairs:
            for layer in self.counts:
                if has_layer(pair.gold, layer):
                    for kind, region in _mistakes(pair, layer, self._mapping):
                        self._add(pair, layer, kind=kind, region=region)

    def _add(self, pair: Pair, layer: str, *, kind: str, region: Region) -> None:
        self.counts[layer] += 1
        if self.counts[layer] > MOST_KEPT:
            return
        text = pair.gold.text
        before, inside, after = context_of(text, region.start, region.end)
        self.kept.append(
            Mistake(
                layer=layer,
                kind=kind,
                document=pair.name,
                before=before,
                text=inside,
                after=after,
                gold=shown(region.gold, text, layer),
                predicted=shown(region.predicted, text, layer),
                n_chars=len(text),
            )
        )


def context_of(text: str, start: int, end: int) -> tuple[str, str, str]:
    """The text before a part, the part, and the text after it."""
    before = ("…" if start > CONTEXT_CHARS else "") + text[max(0, start - CONTEXT_CHARS) : start]
    return before, text[start:end], text[end : end + CONTEXT_CHARS] + ("…" if end + CONTEXT_CHARS < len(text) else "")


def _mistakes(pair: Pair, layer: str, mapping: Mapping[str, str]) -> Iterator[tuple[str, Region]]:
    gold = [piece._replace(label=mapping.get(piece.label, piece.label)) for piece in stretches_of(pair.gold, layer)]
    predicted = stretches_of(pair.predicted, layer)
    for region in regions_of(gold, predicted, layer=layer):
        if layer == "pos":
            yield "wrong label", region
        else:
            yield (_word_kind if layer == "words" else _entity_kind)(region), region


def stretches_of(document: Document, layer: str) -> list[Stretch]:
    """The words, the words with their tags, the entities, or the nested entities of a document."""
    if layer == "entities":
        return [Stretch(span.start, span.end, span.label) for span in document.entities]
    if layer == "nested":
        return sorted(Stretch(span.start, span.end, span.label) for span in document.all_entities)
    words = document.words
    labels = (words.pos or []) if layer == "pos" else [""] * len(words)
    return list(map(Stretch, words.starts.tolist(), words.ends.tolist(), labels))


def regions_of(gold: list[Stretch], predicted: list[Stretch], *, layer: str) -> Iterator[Region]:
    """Differences between two annotations of a layer; for tags, only on words that both have."""
    return _other_tags(gold, predicted) if layer == "pos" else _regions(gold, predicted)


def _other_tags(gold: list[Stretch], predicted: list[Stretch]) -> Iterator[Region]:
    """Words that both have, with different tags."""
    found = {(piece.start, piece.end): piece for piece in predicted}
    for piece in gold:
        other = found.get((piece.start, piece.end))
        if other is not None and other.label != piece.label:
            yield Region(piece.start, piece.end, [piece], [other])


def _regions(gold: list[Stretch], predicted: list[Stretch]) -> Iterator[Region]:
    """Parts of the text with spans that only one side has; overlapping ones are merged."""
    both = set(gold) & set(predicted)
    pieces = [(piece, 0) for piece in gold if piece not in both]
    pieces += [(piece, 1) for piece in predicted if piece not in both]
    region: Region | None = None
    for piece, side in sorted(pieces):
        if region is None or piece.start >= region.end:
            if region is not None:
                yield region
            region = Region(piece.start, piece.end, [], [])
        (region.gold, region.predicted)[side].append(piece)
        region = region._replace(end=max(region.end, piece.end))
    if region is not None:
        yield region


def _word_kind(region: Region) -> str:
    if len(region.gold) == 1 and len(region.predicted) > 1:
        return "split"
    if len(region.predicted) == 1 and len(region.gold) > 1:
        return "merged"
    return "shifted"


def _entity_kind(region: Region) -> str:
    if not region.predicted:
        return "missed"
    if not region.gold:
        return "spurious"
    same_places = [piece[:2] for piece in region.gold] == [piece[:2] for piece in region.predicted]
    return "wrong label" if same_places else "wrong bounds"


def shown(pieces: list[Stretch], text: str, layer: str) -> str:
    """The annotation in a region, as text."""
    if layer == "pos":
        return pieces[0].label
    return " | ".join(text[piece.start : piece.end] + (f" {piece.label}" if piece.label else "") for piece in pieces)
