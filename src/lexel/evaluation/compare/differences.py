"""Finds where two models differ, in context, and which of them is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lexel.evaluation.scores.chunks import Pair, has_layer
from lexel.evaluation.scores.mistakes import Region, Stretch, context_of, regions_of, shown, stretches_of
from lexel.names import Layer

MOST_KEPT = 2_000
"""Maximum number of examples per layer and pair of models; all differences are counted."""

Verdict = Literal["first right", "second right", "both wrong", "no gold"]


@dataclass(frozen=True, slots=True)
class Flip:
    """A part of a text that two models read differently.

    Attributes:
        data: The data set.
        layer: ``words``, ``pos`` or ``entities``.
        change: The kind of change: ``LOC → ORG``, ``nothing → PER``, ``other bounds``, ``split`` ...
        verdict: Which model is right.
        document: The document's id, else its number from 1.
        before: The text before it.
        text: The text itself.
        after: The text after it.
        gold: The gold annotation.
        first: The first model's prediction.
        second: The second model's prediction.
    """

    data: str
    layer: str
    change: str
    verdict: Verdict
    document: str
    before: str
    text: str
    after: str
    gold: str
    first: str
    second: str


class FlipList:
    """Differences between two models on one data set.

    Attributes:
        kept: Examples to show, from the start of the data.
        verdicts: Counts by layer and verdict.
        changes: Counts by layer and change.
    """

    def __init__(self, data: str, layers: Sequence[Layer]) -> None:
        self.kept: list[Flip] = []
        self.verdicts: Counter[tuple[str, Verdict]] = Counter()
        self.changes: Counter[tuple[str, str]] = Counter()
        self._data = data
        self._layers = layers

    def add(self, firsts: Sequence[Pair], seconds: Sequence[Pair]) -> None:
        """Find differences in a chunk that both models have read."""
        for first, second in zip(firsts, seconds, strict=True):
            for layer in self._layers:
                self._add_layer(layer, first, second)

    def _add_layer(self, layer: Layer, first: Pair, second: Pair) -> None:
        spans = [stretches_of(pair.predicted, layer) for pair in (first, second)]
        gold = stretches_of(first.gold, layer) if has_layer(first.gold, layer) else None
        for region in regions_of(*spans, layer=layer):
            verdict = _verdict(gold, spans, region)
            change = _change(region, layer)
            self.verdicts[layer, verdict] += 1
            self.changes[layer, change] += 1
            if sum(n for (name, _), n in self.verdicts.items() if name == layer) <= MOST_KEPT:
                self.kept.append(self._flip(layer, first, region, gold=gold, verdict=verdict, change=change))

    def _flip(
        self, layer: Layer, pair: Pair, region: Region, *, gold: list[Stretch] | None, verdict: Verdict, change: str
    ) -> Flip:
        text = pair.gold.text
        before, inside, after = context_of(text, region.start, region.end)
        right = [] if gold is None else _within(gold, region)
        return Flip(
            data=self._data,
            layer=layer,
            change=change,
            verdict=verdict,
            document=pair.name,
            before=before,
            text=inside,
            after=after,
            gold=shown(right, text, layer) if right else "",
            first=shown(region.gold, text, layer),
            second=shown(region.predicted, text, layer),
        )


def _within(stretches: list[Stretch], region: Region) -> list[Stretch]:
    """The items that overlap a region."""
    return [each for each in stretches if each.start < region.end and each.end > region.start]


def _verdict(gold: list[Stretch] | None, spans: Sequence[list[Stretch]], region: Region) -> Verdict:
    if gold is None:
        return "no gold"
    right = _within(gold, region)
    first, second = (_within(found, region) == right for found in spans)
    return "first right" if first else "second right" if second else "both wrong"


def _change(region: Region, layer: Layer) -> str:
    """The kind of difference between the second model and the first."""
    first, second = region.gold, region.predicted
    if layer == "words":
        return "split" if len(first) < len(second) else "merged" if len(first) > len(second) else "shifted"
    before, after = (" ".join(each.label for each in part) or "nothing" for part in (first, second))
    return "other bounds" if before == after else f"{before} → {after}"
