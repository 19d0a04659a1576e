"""A quantised folder is held to what holds of every folder, within the tolerance that it states itself.

Order, company, threads, streams and callers who leave are in ``engines/test_contract`` and ``engines/test_neighbours``,
offsets and tiling in ``flow/test_any_text``, windows in ``flow/test_long_text``, laziness and threads of the tagger in
``flow/test_tagger``: the int8 engine is a parameter of theirs. Here is what is compared with float32.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lexel
from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.available import look_at
from lexel.checkpoint.source import bundled_folder
from lexel.data import read_jsonl
from lexel.document import Document
from lexel.evaluation.cost.measure import probs_apart, read_outputs
from lexel.evaluation.scores.run import evaluate
from lexel.export.quantize import QuantizeOptions
from tests.quantised import TEXTS, int8, needs_int8, quantised_tagger, tolerance_of

DATA = Path(__file__).parent.parent / "data"
STRATEGIES = ("none", "simple", "first", "average", "max")
ALLOWED = 0.02
"""Share of the places that may be read otherwise; the folders state less."""


def documents(name: str) -> list[Document]:
    return list(read_jsonl(DATA / f"{name}.jsonl"))


@pytest.fixture(scope="module", params=[int8("tiny"), int8("bundled")])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return quantised_tagger(pieces="chars") if request.param == "tiny" else open_checkpoint()


@pytest.fixture(scope="module")
def texts(checkpoint: Checkpoint) -> list[str]:
    """Text that the graph was not calibrated on."""
    is_tiny = checkpoint.config.vocab_size < 1000
    return [text[::-1] for text in TEXTS] if is_tiny else [document.text for document in documents("zh_hk")]


def test_probabilities_are_those_of_float32_within_the_stated_tolerance(
    checkpoint: Checkpoint, texts: list[str]
) -> None:
    exact, fast = (read_outputs(lexel.load(checkpoint, precision=p).flows[0], texts) for p in ("float32", "int8"))
    stated = tolerance_of(checkpoint)
    assert set(stated) == set(checkpoint.heads) == set(exact)
    for name, scores in exact.items():
        apart = probs_apart(scores, fast[name])
        assert np.mean(apart > stated[name]) <= ALLOWED, name
        assert apart.max() > 1e-5  # it is another computation


def test_the_stated_tolerance_is_small(checkpoint: Checkpoint) -> None:
    assert max(tolerance_of(checkpoint).values()) <= 0.1


def test_two_loads_and_any_number_of_threads_give_the_same_bits(checkpoint: Checkpoint, texts: list[str]) -> None:
    one, again, two = (
        read_outputs(lexel.load(checkpoint, precision="int8", threads=threads).flows[0], texts) for threads in (1, 1, 2)
    )
    for name, scores in one.items():
        assert np.array_equal(scores, again[name])
        assert np.array_equal(scores, two[name])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_of_the_pipeline_gives_what_it_gives_in_float32(
    checkpoint: Checkpoint, texts: list[str], strategy: str
) -> None:
    folder, options = str(checkpoint.source.folder), {"aggregation_strategy": strategy, "head": "entities"}
    exact, fast = (
        lexel.pipeline("ner", folder, precision=precision, **options)(texts) for precision in ("float32", "int8")
    )
    before, after = (set(places_of(found)) for found in (exact, fast))
    assert before
    assert len(before ^ after) <= max(2, 4 * ALLOWED * len(before))


def places_of(results: list[list[dict[str, Any]]]) -> Iterator[tuple[Any, ...]]:
    """Text, label and range of everything that a pipeline found."""
    for number, found in enumerate(results):
        for each in found:
            yield number, each.get("entity_group", each.get("entity")), each["start"], each["end"]


@needs_int8
@pytest.mark.parametrize("name", ["zh_hk", "zh_gsdsimp"])
def test_f1_on_other_data_is_within_the_drop_that_is_allowed(name: str) -> None:
    gold = documents(name)[:100]
    exact, fast = (evaluate(lexel.load(precision=precision), gold) for precision in ("float32", "int8"))
    assert exact.words is not None
    assert fast.words is not None
    assert exact.words.words.f1.value - fast.words.words.f1.value <= QuantizeOptions().max_drop / 100


@needs_int8
def test_a_copied_folder_reads_the_same_bits(checkpoint: Checkpoint, texts: list[str], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(checkpoint.source.folder, tmp_path / "copy"))
    one, other = (read_outputs(lexel.load(source, precision="int8").flows[0], texts) for source in (checkpoint, copy))
    assert all(np.array_equal(scores, other[name]) for name, scores in one.items())


@needs_int8
def test_the_available_models_say_which_have_a_graph_in_eight_bits() -> None:
    folders = (bundled_folder(), quantised_tagger(pieces="chars").source.folder)
    assert [(found := look_at(folder, "model")) is not None and found.int8 for folder in folders] == [True, True]
    plain = folders[1].with_name(folders[1].name.removesuffix("-int8"))
    assert (found := look_at(plain, "model")) is not None
    assert not found.int8
