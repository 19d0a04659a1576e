"""The loss and gain of a derived model against its original: as data, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lexel.evaluation.compare.differences import Flip
from lexel.metrics.scores import Estimate

Names = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LayerCost:
    """A score of a layer before and after, and by how much it changed, each with its 95 % interval.

    Attributes:
        before: F1, or another score of the head.
        after: The same score after.
        change: After minus before; its interval uses the same bootstrap samples for both.
        score: The name of the score.
    """

    before: Estimate
    after: Estimate
    change: Estimate
    score: str = "F1"

    @property
    def points(self) -> float:
        """Points that were lost."""
        return 100 * (self.before.value - self.after.value)

    def in_words(self, names: Names) -> str:
        """Both in one line, in points."""
        before, after = (_with_interval(estimate) for estimate in (self.before, self.after))
        change = _with_interval(self.change, sign="+")
        return f"{self.score} {before} {names[0]}, {after} {names[1]}, {change} points"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of vectors with those before, on the same texts, each figure with its 95 % interval.

    Attributes:
        cosine: The mean cosine of a text's two vectors; ``None`` if their sizes differ, since then only neighbours can
            be compared.
        nearest: Share of the texts with the same nearest text.
        n_texts: Number of distinct texts.
        sizes: Sizes of a vector before and after.
    """

    cosine: Estimate | None
    nearest: Estimate
    n_texts: int
    sizes: tuple[int, int]

    def in_words(self, names: Names) -> str:
        """Both figures in one line."""
        near = f"the same nearest text for {_with_interval(self.nearest)} % of {self.n_texts:,} texts"
        if self.cosine is None:
            return f"{near}; vectors of {self.sizes[1]:,} numbers have no cosine with {names[0]} of {self.sizes[0]:,}"
        return f"mean cosine {_with_interval(self.cosine, times=1, digits=4)} with {names[0]}, {near}"


@dataclass(frozen=True, slots=True)
class Loss:
    """Differences in predictions.

    Attributes:
        layers: Scores by layer on gold data; empty without any.
        flips: By output, changed decisions per thousand; for ``hidden.N`` and vectors, a thousand times the mean cosine
            distance.
        changed: By layer, changed places per thousand words.
        examples: Some of these places, in context.
        tolerance: By output with probabilities, the maximum difference of probabilities for 999 of 1,000 pieces.
        agreement: By head for vectors, the agreement with the vectors before.
    """

    layers: Mapping[str, LayerCost] = field(default_factory=dict)
    flips: Mapping[str, float] = field(default_factory=dict)
    changed: Mapping[str, float] = field(default_factory=dict)
    examples: Sequence[Flip] = ()
    tolerance: Mapping[str, float] = field(default_factory=dict)
    agreement: Mapping[str, Agreement] = field(default_factory=dict)

    def is_within(self, max_drop: float, max_flips: float) -> bool:
        """Whether the loss is allowed: by points of F1 with gold data, else by flips."""
        if self.layers:
            return all(layer.points <= max_drop for layer in self.layers.values())
        return all(flips <= max_flips for flips in self.flips.values())

    def in_words(self) -> str:
        """The loss in one line."""
        if self.layers:
            return ", ".join(f"{layer.points:.2f} points of {name}" for name, layer in self.layers.items())
        return ", ".join(f"{flips:.1f} of 1,000 {name}" for name, flips in self.flips.items())


@dataclass(frozen=True, slots=True)
class Cost:
    """The loss and the gain of a written folder.

    Attributes:
        loss: Differences in predictions.
        n_bytes: Size of its weights.
        n_bytes_before: Size of the original's weights.
        chars_per_second: Speed from text to results.
        chars_per_second_before: Speed of the original, as prediction computes it on this machine, in the same run.
    """

    loss: Loss
    n_bytes: int
    n_bytes_before: int
    chars_per_second: float
    chars_per_second_before: float

    @property
    def times_as_fast(self) -> float:
        """Its speed divided by the original's."""
        return self.chars_per_second / max(self.chars_per_second_before, 1e-9)

    def record(self) -> dict[str, Any]:
        """The values for a folder's files."""
        values = asdict(self)
        loss = values.pop("loss")
        loss["examples"] = [{name: flip[name] for name in _SHOWN} for flip in loss["examples"]]
        return {**loss, **values}


_SHOWN = ("layer", "before", "text", "after", "gold", "first", "second")


def described_loss(loss: Loss, *, names: Names = ("before", "after")) -> list[str]:
    """The differences, one line each; ``names`` are those of the two models."""
    lines = [f"{name}: {layer.in_words(names)}" for name, layer in loss.layers.items()]
    for name, flips in loss.flips.items():
        if name.startswith("hidden."):
            lines.append(f"{name}: mean cosine {1 - flips / 1000:.5f} with the vectors before")
        else:
            lines.append(f"{name}: {flips:.2f} of 1,000 decisions change")
    lines += [f"{name}: {found.in_words(names)}" for name, found in loss.agreement.items()]
    if loss.changed:
        places = ", ".join(f"{name} {n:.2f}" for name, n in loss.changed.items())
        lines.append(f"changed per 1,000 words: {places}")
    for flip in loss.examples:
        right = f" (right: {flip.gold})" if flip.gold else ""
        lines.append(
            f"  {flip.layer}: {flip.before}[{flip.text}]{flip.after}: {flip.first or 'nothing'} becomes "
            f"{flip.second or 'nothing'}{right}".replace("\n", "⏎")
        )
    return lines


def _with_interval(score: Estimate, *, sign: str = "", times: int = 100, digits: int = 2) -> str:
    value = f"{times * score.value + 0.0:{sign}.{digits}f}"
    if score.low is None or score.high is None:
        return value
    return f"{value} [{times * score.low:{sign}.{digits}f}, {times * score.high:{sign}.{digits}f}]"


def described_student(cost: Cost) -> list[str]:
    """The cost of a student against its teacher, one line each."""
    lines = described_loss(cost.loss, names=("the teacher's", "the student's"))
    lines.append(f"size: {cost.n_bytes / 1e6:,.1f} MB of weights, the teacher's {cost.n_bytes_before / 1e6:,.1f}")
    lines.append(f"speed: {cost.chars_per_second:,.0f} characters/s, {cost.times_as_fast:.2f} times the teacher's")
    return lines


def described_quantised(cost: Cost, *, what: str = "int8") -> list[str]:
    """The cost of a smaller graph, such as int8, against the original weights, one line each."""
    lines = described_loss(cost.loss)
    if not lines:
        lines.append("the cost is unknown: there was no text to measure it on. Pass --calibration or --data")
    if cost.chars_per_second:
        slower = ": no gain on this machine" if cost.times_as_fast < 1 else ""
        times = f"{cost.times_as_fast:.2f} times as many as before"
        lines.append(f"speed: {cost.chars_per_second:,.0f} characters/s, {times}{slower}")
    sizes = (f"{size / 1e6:,.1f} MB" for size in (cost.n_bytes, cost.n_bytes_before))
    lines.append("size: {} graph of {} beside weights of {}".format(what, *sizes))
    return lines
