"""Where prediction and gold differ, in context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lexel.document import Document
from lexel.evaluation.chunks import Pair
from lexel.evaluation.results import Mistake

CONTEXT_CHARS = 24
MOST_KEPT = 4_000
"""Mistakes of one layer that are kept to be shown; all are counted."""


class _Piece(NamedTuple):
    start: int
    end: int
    label: str


class _Region(NamedTuple):
    """A stretch of text that gold and prediction read differently."""

    start: int
    end: int
    gold: list[_Piece]
    predicted: list[_Piece]


class MistakeList:
    """Mistakes from the start of the data.

    Attributes:
        kept: Those that can be shown.
        counts: How many there are, by layer.
    """

    def __init__(self, layers: Sequence[str], mapping: Mapping[str, str]) -> None:
        self.kept: list[Mistake] = []
        self.counts = dict.fromkeys(layers, 0)
        self._mapping = mapping

    def add(self, pairs: Sequence[Pair]) -> None:
        """Look for mistakes in a chunk, in the layers that gold has."""
        for pair in pairs:
            for layer in self.counts:
                if layer in pair.gold.layers:
                    for kind, region in _mistakes(pair, layer, self._mapping):
                        self._add(pair, layer, kind=kind, region=region)

    def _add(self, pair: Pair, layer: str, *, kind: str, region: _Region) -> None:
        self.counts[layer] += 1
        if self.counts[layer] > MOST_KEPT:
            return
        text, start, end = pair.gold.text, region.start, region.end
        self.kept.append(
            Mistake(
                layer=layer,
                kind=kind,
                document=pair.name,
                before=("…" if start > CONTEXT_CHARS else "") + text[max(0, start - CONTEXT_CHARS) : start],
                text=text[start:end],
                after=text[end : end + CONTEXT_CHARS] + ("…" if end + CONTEXT_CHARS < len(text) else ""),
                gold=_shown(region.gold, text, layer),
                predicted=_shown(region.predicted, text, layer),
                n_chars=len(text),
            )
        )


def _mistakes(pair: Pair, layer: str, mapping: Mapping[str, str]) -> Iterator[tuple[str, _Region]]:
    gold = [piece._replace(label=mapping.get(piece.label, piece.label)) for piece in _pieces(pair.gold, layer)]
    predicted = _pieces(pair.predicted, layer)
    if layer == "pos":
        yield from _wrong_tags(gold, predicted)
        return
    for region in _regions(gold, predicted):
        yield (_word_kind if layer == "words" else _entity_kind)(region), region


def _pieces(document: Document, layer: str) -> list[_Piece]:
    if layer == "entities":
        return [_Piece(span.start, span.end, span.label) for span in document.entities]
    words = document.words
    labels = (words.pos or []) if layer == "pos" else [""] * len(words)
    return list(map(_Piece, words.starts.tolist(), words.ends.tolist(), labels))


def _wrong_tags(gold: list[_Piece], predicted: list[_Piece]) -> Iterator[tuple[str, _Region]]:
    """Words that were found, with another tag."""
    found = {(piece.start, piece.end): piece for piece in predicted}
    for piece in gold:
        other = found.get((piece.start, piece.end))
        if other is not None and other.label != piece.label:
            yield "wrong label", _Region(piece.start, piece.end, [piece], [other])


def _regions(gold: list[_Piece], predicted: list[_Piece]) -> Iterator[_Region]:
    """Stretches covered by pieces that only one side has; those that touch the same text are one stretch."""
    both = set(gold) & set(predicted)
    pieces = [(piece, 0) for piece in gold if piece not in both]
    pieces += [(piece, 1) for piece in predicted if piece not in both]
    region: _Region | None = None
    for piece, side in sorted(pieces):
        if region is None or piece.start >= region.end:
            if region is not None:
                yield region
            region = _Region(piece.start, piece.end, [], [])
        (region.gold, region.predicted)[side].append(piece)
        region = region._replace(end=max(region.end, piece.end))
    if region is not None:
        yield region


def _word_kind(region: _Region) -> str:
    if len(region.gold) == 1 and len(region.predicted) > 1:
        return "split"
    if len(region.predicted) == 1 and len(region.gold) > 1:
        return "merged"
    return "shifted"


def _entity_kind(region: _Region) -> str:
    if not region.predicted:
        return "missed"
    if not region.gold:
        return "spurious"
    same_places = [piece[:2] for piece in region.gold] == [piece[:2] for piece in region.predicted]
    return "wrong label" if same_places else "wrong bounds"


def _shown(pieces: list[_Piece], text: str, layer: str) -> str:
    if layer == "pos":
        return pieces[0].label
    return " | ".join(text[piece.start : piece.end] + (f" {piece.label}" if piece.label else "") for piece in pieces)
