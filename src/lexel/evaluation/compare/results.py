"""Results of a comparison: scores, differences and costs of several models on several data sets."""

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
        given_words: Keep the gold words, and score tags on them.
        against: The model that the others are compared with.
        sampling: How intervals are computed.
        rounds: Number of speed measurements of each model; 0 for none.
        speed_chars: Number of characters read in a round.
    """

    label_map: LabelMap = field(default_factory=LabelMap)
    given_words: bool = False
    against: Against = "first"
    sampling: Sampling = field(default_factory=Sampling)
    rounds: int = 3
    speed_chars: int = 20_000


@dataclass(frozen=True, slots=True)
class Speed:
    """Characters per second: the median, the slowest and the fastest round."""

    median: float
    low: float
    high: float
    n_chars: int
    n_rounds: int


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model of a comparison; ``speed`` and ``peak_bytes`` are ``None`` if not measured."""

    facts: ModelFacts
    speed: Speed | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True)
class Contrast:
    """The difference between a score of a model and that of the reference model.

    Attributes:
        model: Number of the model.
        score: Name of the score.
        value: The difference.
        low: Lower end of its interval; ``None`` without samples, like the next two.
        high: Upper end of its interval.
        p_bootstrap: Two-sided p-value of a paired bootstrap over documents, corrected for the number of models.
        p_mcnemar: Two-sided p-value of McNemar's exact test over the gold items found, corrected in the same way.
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
    """Numbers of differences between two models, by layer and verdict, and by layer and change."""

    model: int
    verdicts: dict[str, dict[str, int]]
    changes: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class DataResult:
    """The results on one data set.

    Attributes:
        name: Its name.
        described: Its provenance.
        scores: By name, the score of each model, ``None`` for a model without that layer.
        results: The full results of ``evaluate`` for each model.
        contrasts: Differences of scores from the reference model.
        flips: Counts of differences in predictions from it.
        notes: Notes for readers of the figures.
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
    """The results of a comparison.

    Attributes:
        models: The models in the given order.
        reference: Number of the reference model.
        data: The results on each data set.
        means: By name, the mean of each model's score over the data sets that have it; empty for one data set.
        flips: Examples of differences, with the number of the other model.
        options: The options of the comparison.
    """

    models: list[ModelResult]
    reference: int
    data: list[DataResult]
    means: dict[str, list[Estimate | None]]
    flips: list[tuple[int, Flip]]
    options: CompareOptions
