"""A run for each fold: every document is held out once, and figures have a mean and a spread."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from lexel.training.data.holdout import Holdout
from lexel.training.loop.cross_validation import cross_validate
from tests.training import runs


class Texts:
    """Checksums of a thousand texts."""

    def column(self, name: str) -> np.ndarray:
        return np.random.default_rng(0).integers(0, 1 << 63, 1000).astype(np.uint64)


def test_every_document_is_held_out_in_one_fold(tmp_path: Path) -> None:
    masks = []
    for number in (1, 2, 3):
        holdout = Holdout.of(runs.options(tmp_path, folds=3, fold_number=number, eval_strategy="epoch"))
        assert holdout is not None
        masks.append(holdout.mask(Texts()))
    assert np.sum(masks, 0).tolist() == [1] * 1000
    assert min(mask.sum() for mask in masks) > 250


def test_the_figures_of_the_folds_have_a_mean_and_a_spread(tmp_path: Path) -> None:
    options = runs.options(tmp_path, folds=2, eval_strategy="steps", eval_steps=4)
    result = cross_validate(options)
    record = json.loads((tmp_path / "out" / "folds.json").read_text(encoding="utf-8"))
    values = []
    for number in (1, 2):
        training = json.loads((tmp_path / "out" / f"fold-{number}" / "training.json").read_text(encoding="utf-8"))
        values.append(training["best"]["value"])
    assert result.figures["f1"].values == tuple(values)
    assert record["figures"]["f1"] == {"mean": mean(values), "deviation": stdev(values), "values": values}
    assert values[0] != values[1]
