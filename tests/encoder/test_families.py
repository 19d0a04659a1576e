"""Every family on every engine gives what transformers gives, layer by layer.

The reference is transformers in float64, each sequence by itself; Lexel computes them packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers.utils import logging

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.encoder import families
from lexel.encoder.families import FAMILIES, family_of
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.packing import Sequences
from lexel.errors import EngineError
from tests.builders import RECIPES, build_reference, compute, in_float64, openvino_has_bf16, random_sequences

LENGTHS = (64, 1, 2, 17, 30, 5, 40, 9, 3, 23)
"""From a single piece to as many as the models have positions."""

FLOAT32_FLOOR = 5e-7
"""Transformers' own float32 error counts as at least this much: a unit in the last place of a number near 4."""

Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Case:
    """A tiny model, some sequences, and what transformers computes for them."""

    checkpoint: Checkpoint
    sequences: Sequences
    exact: Scores
    float32_error: float

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.exact)

    def computed_by(self, engine: str, precision: str) -> Scores:
        config = self.checkpoint.config
        started = start_engine(self.checkpoint, EngineOptions(engine=engine, precision=precision, threads=1))
        return compute(
            started, self.sequences, self.outputs, max_length=config.max_positions, batch_pieces=128, pad=config.pad_id
        )

    def error_of(self, scores: Scores) -> float:
        """The largest absolute difference over the head and all hidden states."""
        return max(float(np.abs(scores[name] - self.exact[name]).max()) for name in self.outputs)


@pytest.fixture(scope="module", params=RECIPES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return build_case(tmp_path_factory.mktemp(request.param), request.param)


def build_case(folder: Path, recipe: str) -> Case:
    """A recipe's tiny model, and what transformers computes with it."""
    logging.disable_progress_bar()
    model = build_reference(folder, RECIPES[recipe])
    checkpoint = open_checkpoint(folder)
    sequences = random_sequences(LENGTHS, n_types=checkpoint.config.n_types)
    approximate = read_alone(model, checkpoint, sequences)
    exact = read_alone(in_float64(model), checkpoint, sequences)
    error = max(float(np.abs(approximate[name] - exact[name]).max()) for name in exact)
    return Case(checkpoint, sequences, exact, error)


def read_alone(model: torch.nn.Module, checkpoint: Checkpoint, sequences: Sequences) -> Scores:
    """Transformers' scores and hidden states, one sequence at a time."""
    config = checkpoint.config
    results = []
    for start, end in zip(sequences.bounds, sequences.bounds[1:], strict=False):
        inputs = {"input_ids": torch.from_numpy(sequences.ids[None, start:end].astype(np.int64))}
        if config.n_types:
            inputs["token_type_ids"] = torch.from_numpy(sequences.type_ids[None, start:end].astype(np.int64))
        with torch.no_grad():
            given = model(**inputs, output_hidden_states=True)
        states = given.hidden_states[:: config.layers_per_group]  # theirs are one a layer, ours one a turn of a group
        results.append([tensor[0].numpy() for tensor in (given.logits, *states)])
    names = ["entities", *(f"hidden.{i}" for i in range(config.n_layers + 1))]
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*results, strict=True), strict=True)}


def probs_of(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_numpy_agrees_to_nine_digits(case: Case) -> None:
    scores = case.computed_by("numpy", "auto")
    for name in case.outputs:
        assert np.abs(scores[name] - case.exact[name]).max() <= 1e-9 * np.abs(case.exact[name]).max(), name


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_float32_is_as_good_as_theirs(case: Case, engine: str) -> None:
    error = case.error_of(case.computed_by(engine, "float32"))
    assert error <= 1e-5
    assert error <= 4 * max(case.float32_error, FLOAT32_FLOOR)


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_bf16_probabilities_stay_close(case: Case, engine: str) -> None:
    if engine == "openvino" and not openvino_has_bf16():
        with pytest.raises(EngineError, match="where bf16 was asked for"):
            case.computed_by(engine, "bf16")
        return
    scores = case.computed_by(engine, "bf16")
    assert np.abs(probs_of(scores["entities"]) - probs_of(case.exact["entities"])).max() <= 0.02


def test_the_steep_heads_cover_the_range_of_probabilities(case: Case) -> None:
    probs = probs_of(case.exact["entities"])
    assert probs.max() > 0.8
    assert probs.min() < 0.01


def test_every_family_is_compared() -> None:
    compared = {family_of(recipe.model_type).name for recipe in RECIPES.values()}
    assert compared == {family.name for family in FAMILIES}


def test_the_table_has_every_file_of_a_family() -> None:
    files = {path.stem for path in Path(families.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {family.name for family in FAMILIES}
