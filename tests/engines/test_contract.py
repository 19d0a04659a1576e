"""What every engine promises: one answer a batch, in order, safe from threads, unharmed by callers who leave."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import pytest

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.base import Engine, Rows
from lexel.engines.choose import EngineOptions, describe, start_engine
from lexel.engines.openvino import OpenVinoEngine
from lexel.engines.packing import build_rows, pack
from lexel.errors import EngineError
from tests.builders import ENTITIES, POS, VOCAB, WORDS, build_tagger, random_sequences
from tests.quantised import computed_outputs, int8, quantised_tagger

HEADS = {"words": WORDS, "pos": POS, "entities": ENTITIES}
ACROSS_GRAPHS = {"int8": 0.3}
"""The graphs of different outputs are fused differently, and between int8 products they round in bf16."""
LENGTHS = (9, 30, 16, 4, 64, 21, 7, 50, 64, 60, 33, 58)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(build_tagger(tmp_path_factory.mktemp("model"), heads=HEADS))


@pytest.fixture(scope="module", params=["numpy", "openvino", int8("int8"), "torch"])
def engine(request: pytest.FixtureRequest, checkpoint: Checkpoint) -> Engine:
    if request.param == "int8":
        return start_engine(quantised_tagger(), EngineOptions(precision="int8", threads=1))
    precision = "auto" if request.param == "numpy" else "float32"
    return start_engine(checkpoint, EngineOptions(engine=request.param, precision=precision, threads=1))


def batches(*, seed: int = 0) -> list[Rows]:
    """Batches of one row each, in several lengths."""
    sequences = random_sequences(LENGTHS, n_pieces=len(VOCAB), seed=seed)
    placements = pack(np.diff(sequences.bounds), max_length=64, batch_pieces=1)
    return [build_rows(sequences, placement, pad=0)[0] for placement in placements]


def test_answers_come_in_the_order_of_the_batches(engine: Engine) -> None:
    one_by_one = [next(iter(engine.run([rows], ["entities"])))["entities"] for rows in batches()]
    together = [scores["entities"] for scores in engine.run(batches(), ["entities"])]
    assert len(together) == len(one_by_one) > 4
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(together, one_by_one, strict=True))


def test_each_output_is_the_same_whatever_else_is_asked_for(engine: Engine, checkpoint: Checkpoint) -> None:
    outputs = computed_outputs(checkpoint, engine.precision)
    together = next(iter(engine.run(batches()[:1], outputs)))
    assert list(together) == outputs
    for name in outputs:
        alone = next(iter(engine.run(batches()[:1], [name])))[name]
        assert np.allclose(alone, together[name], atol=ACROSS_GRAPHS.get(engine.precision, 1e-5)), name


def test_scores_are_given_for_the_picked_pieces_only(engine: Engine) -> None:
    rows = batches()[0]
    whole = next(iter(engine.run([rows], ["pos"])))["pos"]
    fewer = Rows(rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids, rows.picks[::-3].copy())
    assert np.allclose(next(iter(engine.run([fewer], ["pos"])))["pos"], whole[::-3], atol=1e-6)


def test_no_batches_give_no_answers(engine: Engine) -> None:
    assert list(engine.run([], ["words"])) == []


def test_answers_do_not_change_when_later_ones_are_computed(engine: Engine) -> None:
    answers = engine.run(batches(), ["words"])
    first = next(answers)["words"]
    kept = first.copy()
    list(answers)
    assert np.array_equal(first, kept)


def test_batches_are_taken_at_most_a_few_ahead(engine: Engine) -> None:
    taken = 0

    def counted() -> Iterator[Rows]:
        nonlocal taken
        for rows in batches():
            taken += 1
            yield rows

    answers = engine.run(counted(), ["words"])
    assert taken == 0
    next(answers)
    assert taken <= 1 + 2 * engine.threads < len(batches())


def test_eight_threads_at_once_each_get_their_own_answers(engine: Engine) -> None:
    def run(seed: int) -> list[Any]:
        return [scores["entities"] for scores in engine.run(batches(seed=seed), ["entities"])]

    expected = [run(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(run, range(8)))
    assert all(
        np.allclose(a, b, atol=1e-6)
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def test_a_caller_who_leaves_harms_nobody(engine: Engine) -> None:
    expected = [scores["words"] for scores in engine.run(batches(), ["words"])]
    for _ in range(5):
        left = engine.run(batches(), ["words"])
        next(left)
        del left
    held = engine.run(batches(), ["words"])
    next(held)
    gc.collect()
    found = [scores["words"] for scores in engine.run(batches(), ["words"])]
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))


def test_an_error_of_the_caller_passes_through_and_the_engine_goes_on(engine: Engine) -> None:
    def failing() -> Iterator[Rows]:
        yield from batches()[:2]
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        list(engine.run(failing(), ["words"]))
    assert len(list(engine.run(batches(), ["words"]))) == len(batches())


def test_batches_that_fail_together_give_one_error_of_the_engine(checkpoint: Checkpoint) -> None:
    engine = start_engine(checkpoint, EngineOptions(engine="openvino", precision="float32", threads=1))
    misshapen = [replace(rows, position_ids=rows.position_ids[:, 1:]) for rows in batches()[:3]]
    with pytest.raises(EngineError, match=r"a batch of shape \(1, 64\) failed"):
        list(engine.run(misshapen, ["entities"]))


def test_an_engine_says_what_it_is(engine: Engine) -> None:
    assert describe(engine).startswith(f"{engine.name} {engine.precision}, {engine.threads} thread")


@pytest.mark.parametrize(
    ("name", "precision"), [("openvino", "float16"), ("openvino", "float64"), ("torch", "float64")]
)
def test_a_precision_that_an_engine_lacks_is_refused(checkpoint: Checkpoint, name: str, precision: str) -> None:
    with pytest.raises(EngineError, match=rf"^{name}: precision '{precision}'; expected .*float32, bf16"):
        start_engine(checkpoint, EngineOptions(engine=name, precision=precision))


class StubbornCore:
    """OpenVINO on a processor that has float32 only."""

    def compile_model(self, graph: ov.Model, device: str, options: Mapping[str, Any]) -> ov.CompiledModel:
        return ov.Core().compile_model(graph, device, {**options, "INFERENCE_PRECISION_HINT": ov.Type.f32})


def test_a_precision_that_the_processor_lacks_is_not_substituted(checkpoint: Checkpoint) -> None:
    engine = OpenVinoEngine(checkpoint, precision="bf16", threads=1, streams=1)
    engine._core = StubbornCore()
    with pytest.raises(EngineError, match=r"computes in f32 where bf16 was asked for; use precision float32"):
        list(engine.run(batches(), ["words"]))
