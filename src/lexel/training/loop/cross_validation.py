"""Cross-validation: one run for each fold of the training documents, and the mean and deviation of the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from lexel.disk import write_json
from lexel.errors import OptionError
from lexel.training.config.options import TrainingOptions
from lexel.training.loop.fit import train
from lexel.training.loop.progress import Progress
from lexel.training.outcome.finish import WEIGHTS

RECORD = "folds.json"
_NO_FIGURES = ("step", "epoch", "learning_rate")


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over the folds.

    Attributes:
        mean: The mean.
        deviation: The sample standard deviation.
        values: The value of each fold.
    """

    mean: float
    deviation: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The result of a cross-validation.

    Attributes:
        folder: The folder with ``folds.json`` and a model folder ``fold-N`` for each fold.
        figures: Each figure at the best evaluation of its fold, by name.
    """

    folder: Path
    figures: Mapping[str, Spread]


def cross_validate(options: TrainingOptions, *, progress: Progress | None = None) -> CrossValidation:
    """Train once for each fold; the documents of the fold are held out and evaluated.

    Equal texts are always in one fold. Call it again with the same options to resume: finished folds are kept.

    Args:
        options: The options; ``folds`` is the number of folds.
        progress: Receives the progress of each run.

    Raises:
        OptionError: If ``folds`` is not given.
    """
    if options.folds is None:
        raise OptionError("folds: not given; expected a whole number, 2 or more")
    folder = Path(options.output_dir)
    rows = []
    for number in range(1, options.folds + 1):
        own = replace(options, fold_number=number, output_dir=str(folder / f"fold-{number}"))
        if not (folder / f"fold-{number}" / WEIGHTS).exists():
            train(own, progress=progress)
        rows.append(_best_row(folder / f"fold-{number}"))
    figures = _spreads(rows)
    record = {name: {"mean": f.mean, "deviation": f.deviation, "values": list(f.values)} for name, f in figures.items()}
    write_json(folder / RECORD, {"format": 1, "folds": options.folds, "figures": record})
    return CrossValidation(folder, figures)


def _best_row(folder: Path) -> dict[str, Any]:
    """The row of a finished run's table at its best evaluation."""
    record = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    best = record["best"]
    rows: list[dict[str, Any]] = [row for row in record["table"] if best is None or row["step"] == best["step"]]
    return rows[-1]


def _spreads(rows: Sequence[Mapping[str, Any]]) -> dict[str, Spread]:
    """Mean and deviation of each figure that all folds have."""
    names = [name for name, value in rows[0].items() if name not in _NO_FIGURES and isinstance(value, float)]
    found = {}
    for name in names:
        values = tuple(row[name] for row in rows if row.get(name) is not None)
        if len(values) == len(rows):
            found[name] = Spread(mean(values), stdev(values), values)
    return found
