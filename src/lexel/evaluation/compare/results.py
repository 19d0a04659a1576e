"""What a comparison finds: scores, differences, disagreements and costs of several models on several data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lexel.evaluation.compare.differences import Flip
from lexel.evaluation.compare.models import ModelFacts
from lexel.evaluation.compare.schemes import LabelMap
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.tallies import Sampling
from lexel.metrics.scores import Estimate

Against = Literal["first", "best"]


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How models are compared.

    Attributes:
        label_map: Common names for labels.
        given_words: Keep the gold words, and score tags on these.
        against: Which model the others are compared with.
        sampling: How intervals are made.
        rounds: How often the speed of each model is measured; 0: not at all.
        speed_chars: Characters that are read in a round.
    """

    label_map: LabelMap = field(default_factory=LabelMap)
    given_words: bool = False
    against: Against = "first"
    sampling: Sampling = field(default_factory=Sampling)
    rounds: int = 3
    speed_chars: int = 20_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Characters a second: the middle, the slowest and the fastest round."""

    median: float
    low: float
    high: float
    n_chars: int
    n_rounds: int


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model of a comparison; ``speed`` and ``peak_bytes`` are ``None`` where not measured."""

    facts: ModelFacts
    speed: Speed | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """One score of one model less that of the reference model.

    Attributes:
        model: Number of the model.
        score: Name of the score.
        value: The difference.
        low: Lower end of its interval; ``None`` without samples, as the next two.
        high: Its upper end.
        p_bootstrap: Two-sided, by paired bootstrap over documents, corrected for the number of models.
        p_mcnemar: Two-sided, by McNemar's exact test over the gold items found, likewise.
    """

    model: int
    score: str
    value: float
    low: float | None
    high: float | None
    p_bootstrap: float | None
    p_mcnemar: float


@dataclass(frozen=True, slots=True)
class FlipCounts:
    """How many parts of the texts two models read differently; each counter by layer, then by what."""

    model: int
    verdicts: dict[str, dict[str, int]]
    changes: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class DataResult:
    """What was found on one data set.

    Attributes:
        name: What it is called.
        described: Where it is from.
        scores: By name, the score of each model, ``None`` of one that cannot do it.
        results: Everything that ``evaluate`` says of each model.
        contrasts: Differences from the reference model.
        flips: Counts of differences to it.
        notes: What a model of the numbers should know.
    """

    name: str
    described: Mapping[str, Any]
    scores: dict[str, list[Estimate | None]]
    results: list[Results]
    contrasts: list[Contrast]
    flips: list[FlipCounts]
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models on data sets.

    Attributes:
        models: The models in the order given.
        reference: Number of the reference model.
        data: What was found on each data set.
        means: By name, the mean of each model's score over the data sets that have it; empty for one data set.
        flips: Examples of differences, with the number of the other model.
        options: How they were compared.
    """

    models: list[ModelResult]
    reference: int
    data: list[DataResult]
    means: dict[str, list[Estimate | None]]
    flips: list[tuple[int, Flip]]
    options: CompareOptions
