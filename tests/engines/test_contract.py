"""What every engine promises: one answer a batch, in order, safe from threads, unharmed by callers who leave."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import Queue
from typing import Any

import numpy as np
import openvino as ov
import pytest

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.base import Engine, Rows, Scores, failure, run_ahead
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


@pytest.fixture(scope="module", params=["numpy", "openvino", int8("int8"), "onnxruntime", "torch"])
def engine(request: pytest.FixtureRequest, checkpoint: Checkpoint) -> Engine:
    if request.param == "int8":
        return start_engine(quantised_tagger(), EngineOptions(precision="int8", threads=1))
    return start_engine(
        checkpoint, EngineOptions(engine=request.param, precision=precision_of(request.param), threads=1)
    )


def precision_of(engine: str) -> str:
    """The precision in which engines are compared."""
    return "auto" if engine == "numpy" else "float32"


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


# One batch at a time -------------------------------------------------------------------------------------------------


def test_a_submitted_batch_gets_what_a_stream_of_batches_gives(engine: Engine) -> None:
    expected = [scores["entities"] for scores in engine.run(batches(), ["entities"])]
    futures = [engine.submit(rows, ["entities"]) for rows in batches()]
    found = [future.result()["entities"] for future in futures]
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))


def test_a_submitted_batch_calls_back_although_nobody_waits_for_it(engine: Engine) -> None:
    called: Queue[Future[Scores]] = Queue()
    future = engine.submit(batches()[0], ["words"])
    future.add_done_callback(called.put)
    assert called.get(timeout=30) is future
    assert list(future.result()) == ["words"]


def test_batches_that_were_submitted_and_forgotten_harm_nobody(engine: Engine) -> None:
    expected = [scores["words"] for scores in engine.run(batches(), ["words"])]
    for rows in batches():
        engine.submit(rows, ["words"]).cancel()
    gc.collect()
    found = [scores["words"] for scores in engine.run(batches(), ["words"])]
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", ["numpy", "openvino", "torch"])
def test_the_future_of_a_batch_that_fails_holds_the_error(checkpoint: Checkpoint, name: str) -> None:
    engine = start_engine(checkpoint, EngineOptions(engine=name, precision=precision_of(name), threads=1))
    rows = batches()[0]
    failing = engine.submit(replace(rows, position_ids=rows.position_ids[:, 1:]), ["words"])
    good = engine.submit(rows, ["words"])
    with pytest.raises(EngineError, match=rf"^{name}: a batch of shape \(1, 64\) failed: "):
        failing.result(timeout=30)
    assert good.result(timeout=30)["words"].shape == (len(rows.picks), 2)


def test_a_failure_without_words_is_named_by_its_kind() -> None:
    assert str(failure("numpy", batches()[0], MemoryError())).endswith("failed: MemoryError")


@pytest.mark.parametrize("is_waited_for", [True, False])
def test_a_failure_inside_openvino_reaches_the_future(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, is_waited_for: bool
) -> None:
    engine = start_engine(checkpoint, EngineOptions(engine="openvino", precision="float32", threads=1))
    monkeypatch.setattr("lexel.engines.openvino._check_shapes", lambda inputs: None)
    rows = batches()[0]
    failing = engine.submit(replace(rows, position_ids=rows.position_ids[:, 1:]), ["words"])
    if not is_waited_for:
        called: Queue[Future[Scores]] = Queue()
        failing.add_done_callback(called.put)
        while called.empty():  # the next callers notice
            engine.submit(rows, ["words"]).result()
    with pytest.raises(EngineError, match=r"openvino: a batch of shape \(1, 64\) failed: "):
        failing.result(timeout=30)


def test_a_program_may_end_with_batches_in_flight(checkpoint: Checkpoint) -> None:
    program = f"""
import numpy as np
from lexel.checkpoint import open_checkpoint
from lexel.engines.base import Rows
from lexel.engines.choose import EngineOptions, start_engine

engine = start_engine(open_checkpoint({str(checkpoint.source.folder)!r}), EngineOptions(precision="float32"))
ids = np.ones((64, 64), np.int32)
for _ in range(20):
    engine.submit(Rows(ids, ids, ids * 0, ids, np.arange(64, dtype=np.int32)), ["words"])
left = engine.run((Rows(ids, ids, ids * 0, ids, np.arange(64, dtype=np.int32)) for _ in range(9)), ["words"])
next(left)
print("ends")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


# Nothing is held back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_waiting", [1, 2, 3])
def test_what_was_given_comes_out_while_the_source_waits(engine: Engine, n_waiting: int) -> None:
    given: Queue[Rows] = Queue()

    def live() -> Iterator[Rows | None]:
        while True:
            yield None if given.empty() else given.get()

    answers = engine.run(live(), ["words"])
    for _ in range(2):
        for rows in batches()[:n_waiting]:
            given.put(rows)
        found = [next(answers) for _ in range(n_waiting + 1)]
        assert [list(scores) for scores in found] == [["words"]] * n_waiting + [[]]


def test_a_finished_result_comes_out_before_another_batch_is_taken() -> None:
    futures: list[Future[Scores]] = []
    taken = 0

    def submit(rows: Rows) -> Future[Scores]:
        futures.append(Future())
        return futures[-1]

    def counted() -> Iterator[Rows]:
        nonlocal taken
        for rows in batches():
            taken += 1
            if taken == 3:
                futures[0].set_result({"words": np.zeros(1)})
                futures[1].set_result({"words": np.ones(1)})
            yield rows

    answers = run_ahead(submit, counted(), in_flight=4)
    assert [next(answers)["words"][0] for _ in range(2)] == [0, 1]
    assert taken == 3
    for future in futures[2:]:
        future.set_result({})
    answers.close()  # type: ignore[attr-defined]


def test_many_threads_that_submit_and_stream_get_their_own_answers(engine: Engine) -> None:
    given = [rows for seed in range(4) for rows in batches(seed=seed)]
    expected = [scores["entities"] for scores in engine.run(given, ["entities"])]

    def ask(number: int) -> list[Any]:
        if number % 2:
            return [scores["entities"] for scores in engine.run(given, ["entities"])]
        return [engine.submit(rows, ["entities"]).result()["entities"] for rows in given]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(ask, range(16)):
            assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))
