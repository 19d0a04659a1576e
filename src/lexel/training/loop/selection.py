"""Keeps the best weights during training, and decides when to stop early."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from lexel.errors import OptionError
from lexel.training.config.options import TrainingOptions


@dataclass
class Selection:
    """The best weights so far, by one figure.

    Attributes:
        metric: The name of the figure.
        options: The options of the run.
        best: Step, metric and value of the best evaluation.
        n_worse: Evaluations since the best one.
        weights: The best weights, ``[weights]``, if the run keeps them.
    """

    metric: str
    options: TrainingOptions
    best: dict[str, Any] | None = None
    n_worse: int = 0
    weights: torch.Tensor | None = None

    def add(self, figures: Mapping[str, float], *, step: int, weights: torch.Tensor) -> None:
        """Compare an evaluation with the best one.

        Args:
            figures: The figures by name.
            step: Steps taken.
            weights: The weights that were evaluated, ``[weights]``.

        Raises:
            OptionError: If the metric is not among the figures.
        """
        if self.metric not in figures:
            raise OptionError(
                f"metric_for_best_model: {self.metric}; the validation data has no labels for it, only for "
                f"{', '.join(sorted(figures))}"
            )
        value = figures[self.metric]
        if self.best is not None and not self._is_better(value, self.best["value"]):
            self.n_worse += 1
            return
        self.best, self.n_worse = {"step": step, "metric": self.metric, "value": value}, 0
        if self.options.load_best_model_at_end:
            self.weights = weights.detach().to("cpu", copy=True)

    def _is_better(self, value: float, best: float) -> bool:
        asked = self.options.greater_is_better
        is_higher_better = not self.metric.endswith("loss") if asked is None else asked
        return value > best if is_higher_better else value < best

    @property
    def wants_stop(self) -> bool:
        """Whether the last evaluations were all worse than the best."""
        patience = self.options.early_stopping_patience
        return patience is not None and self.n_worse >= patience
