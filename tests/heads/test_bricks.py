"""Every head of every family on every engine gives what transformers gives.

The reference is transformers in float64, each sequence by itself; Lexel computes them packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
)
from transformers.utils import logging

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.encoder.families import FAMILIES
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.packing import Sequences
from tests import nezha
from tests.builders import RECIPES, compute, in_float64, random_sequences

nezha.register()

LENGTHS = (64, 1, 2, 17, 30, 5)
LABELS = ("good", "bad", "so so")
RECIPE_OF = {
    "bert": "bert-sharp",
    "modernbert means": "modernbert-biased",
    "deberta": "deberta-v3",
    "deberta v2": "deberta-v2",
    **{
        name: name
        for name in ("roberta", "albert", "electra", "distilbert", "ernie", "data2vec", "rembert", "modernbert")
    },
    "eurobert": "eurobert",
    "eurobert means": "eurobert-biased",
    **{name: name for name in ("gte", "mpnet", "nezha", "roformer")},
    **{
        name: name.replace("_", "-")
        for name in ("roberta_prelayernorm", "xlm_roberta_xl", "megatron_bert", "nomic_bert", "jina_embeddings_v3")
    },
}
"""The tiny models by family; a family with heads of several kinds has several."""
CLASSES: Mapping[str, Any] = {
    "fill": AutoModelForMaskedLM,
    "fill untied": AutoModelForMaskedLM,
    "classify": AutoModelForSequenceClassification,
    "answer": AutoModelForQuestionAnswering,
}


LACKS_ANSWERS = ("eurobert", "gte", "nomic_bert")
"""Families for which transformers has no model that answers questions."""
CASES = [
    (family, kind)
    for family in RECIPE_OF
    for kind in CLASSES
    if kind != "answer" or not family.startswith(LACKS_ANSWERS)
]


@dataclass(frozen=True, slots=True)
class Case:
    """A tiny model with one head, some sequences, and what transformers computes for the head's picks."""

    checkpoint: Checkpoint
    head: str
    sequences: Sequences
    exact: NDArray[np.float64]
    float32_error: float

    def error_of(self, engine: str, precision: str) -> float:
        options = EngineOptions(engine=engine, precision=precision, threads=1)
        started = start_engine(self.checkpoint, options, heads=[self.head])
        config = self.checkpoint.config
        found = compute(
            started, self.sequences, [self.head], max_length=config.max_positions, batch_pieces=128, pad=config.pad_id
        )
        assert found[self.head].shape == self.exact.shape
        return float(np.abs(found[self.head] - self.exact).max())


def build_model(folder: Path, family: str, kind: str) -> Any:
    """A folder that transformers wrote, with one random head; gives transformers' model in float64."""
    recipe = RECIPES[RECIPE_OF[family]]
    settings = {**recipe.settings, "tie_word_embeddings": kind != "fill untied"}
    config = AutoConfig.for_model(recipe.model_type, **settings)
    if kind == "classify":
        config.id2label = dict(enumerate(LABELS))
        config.label2id = {label: i for i, label in enumerate(LABELS)}
    torch.manual_seed(0)
    model = CLASSES[kind].from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_norm = "norm" in name.lower() and name.endswith("weight")
            parameter.normal_(mean=1.0 if is_norm else 0.0, std=0.1)
    model.save_pretrained(folder)
    return model


def read_alone(model: Any, checkpoint: Checkpoint, sequences: Sequences, kind: str) -> NDArray[np.float64]:
    """Transformers' scores for every sequence (``classify``) or piece."""
    results = []
    for start, end in zip(sequences.bounds, sequences.bounds[1:], strict=False):
        inputs = {"input_ids": torch.from_numpy(sequences.ids[None, start:end].astype(np.int64))}
        if checkpoint.config.n_types:
            inputs["token_type_ids"] = torch.from_numpy(sequences.type_ids[None, start:end].astype(np.int64))
        with torch.no_grad():
            given = model(**inputs)
        if kind == "answer":
            results.append(torch.stack((given.start_logits[0], given.end_logits[0]), dim=-1))
        else:
            results.append(given.logits[0] if given.logits.ndim == 3 else given.logits)
    return np.asarray(torch.cat(results).numpy())


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    family, kind = request.param
    return build_case(tmp_path_factory.mktemp(family), family, kind)


def build_case(folder: Path, family: str, kind: str) -> Case:
    """A family's tiny model with one head, and what transformers computes with it."""
    logging.disable_progress_bar()
    model = build_model(folder, family, kind)
    checkpoint = open_checkpoint(folder)
    sequences = random_sequences(LENGTHS, n_types=checkpoint.config.n_types)
    approximate = read_alone(model.float(), checkpoint, sequences, kind)
    exact = read_alone(in_float64(model), checkpoint, sequences, kind)
    error = float(np.abs(approximate - exact).max())
    if kind == "classify":
        sequences.picked[:] = False
        sequences.picked[sequences.bounds[:-1]] = True
    return Case(checkpoint, kind.split()[0], sequences, exact, error)


def test_numpy_agrees_to_nine_digits(case: Case) -> None:
    assert case.error_of("numpy", "auto") <= 1e-9 * np.abs(case.exact).max()


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_float32_agrees_to_five_digits_or_as_theirs_does(case: Case, engine: str) -> None:
    close = 2e-5 * max(1.0, float(np.abs(case.exact).max()))
    assert case.error_of(engine, "float32") <= max(close, 4 * case.float32_error)


def test_bf16_stays_close(case: Case) -> None:
    close = 0.1 * float(np.abs(case.exact).max())
    assert case.error_of("torch", "bf16") <= max(close, 2**16 * case.float32_error)  # bf16 has 16 bits fewer


def test_every_family_has_every_head() -> None:
    assert {name.split()[0] for name in RECIPE_OF} == {family.name for family in FAMILIES}
