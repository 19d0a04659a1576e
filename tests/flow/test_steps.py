"""The three steps one by one: works of several callers computed together, and each finished alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from lexel.checkpoint import open_checkpoint
from lexel.engines.choose import EngineOptions, start_engine
from lexel.tasks.base import Block, Flow, Reading
from lexel.tasks.work import Part, Work
from tests.builders import ENTITIES, WORDS, build_tagger

REQUESTS = [["北京大学"], ["the new york times", ""], ["天下" * 300, "我"], [""], ["work " * 40]]


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    checkpoint = open_checkpoint(
        build_tagger(tmp_path_factory.mktemp("model"), heads={"words": WORDS, "entities": ENTITIES})
    )
    engine = start_engine(checkpoint, EngineOptions(engine="openvino", precision="float32", threads=1))
    return Flow("flow", checkpoint, engine, outputs=["words", "entities"], batch_pieces=256)


def alone(flow: Flow, texts: list[str]) -> Reading:
    (block,) = flow.read([Block(texts)])
    return block.readings["flow"]


def compute(flow: Flow, parts: Sequence[Work | Part]) -> None:
    """Compute parts together, and deliver the batches in another order than they were submitted in."""
    batches = list(flow.batches(parts))
    running = [(batch, flow.engine.submit(batch.rows, flow.outputs)) for batch in batches]
    random.Random(0).shuffle(running)
    for batch, future in running:
        batch.deliver(future.result())


def assert_same(found: Reading, expected: Reading) -> None:
    for output in expected.scores:
        assert np.array_equal(found.scores[output], expected.scores[output])
    assert np.array_equal(found.piece, expected.piece)


def test_requests_computed_together_are_finished_as_if_each_were_alone(flow: Flow) -> None:
    prepared = [flow.prepare(Block(texts)) for texts in REQUESTS]
    compute(flow, prepared)
    for one, texts in zip(prepared, REQUESTS, strict=True):
        assert one.is_done
        assert_same(flow.finish(one), alone(flow, texts))


def test_a_long_request_can_be_computed_window_by_window_beside_others(flow: Flow) -> None:
    long, short = flow.prepare(Block(["天下" * 300])), flow.prepare(Block(["北京"]))
    assert long.n_sequences > 4
    compute(flow, [Part(long, np.array([2, 0])), short])
    assert short.is_done
    assert (long.is_done, long.n_left) == (False, long.n_sequences - 2)
    rest = [n for n in range(long.n_sequences) if n not in (0, 2)]
    compute(flow, [Part(long, np.array(rest))])
    assert_same(flow.finish(short), alone(flow, ["北京"]))
    assert_same(flow.finish(long), alone(flow, ["天下" * 300]))


def test_a_batch_names_the_works_that_it_holds_parts_of(flow: Flow) -> None:
    first, second = flow.prepare(Block(["北京"])), flow.prepare(Block(["天下"]))
    (batch,) = flow.batches([first, second])
    assert batch.works == [first, second]


def test_a_request_of_blank_texts_is_done_before_it_is_computed(flow: Flow) -> None:
    prepared = flow.prepare(Block(["", ""]))
    assert prepared.is_done
    assert len(flow.finish(prepared).scores["words"]) == 0


def test_a_block_without_texts_lets_the_blocks_before_it_come_out(flow: Flow) -> None:
    asked: list[int] = []

    def blocks() -> Iterator[Block]:
        for number in range(3):
            asked.append(number)
            yield Block([f"北京{number}"])
            yield Block([])

    read = flow.read(blocks())
    for number in range(3):
        assert next(read).texts == [f"北京{number}"]
        assert asked[-1] == number
        assert next(read).texts == []


def test_flows_in_a_row_pass_it_on(flow: Flow) -> None:
    asked: list[int] = []

    def blocks() -> Iterator[Block]:
        for number in range(3):
            asked.append(number)
            yield Block([f"北京{number}"])
            yield Block([])

    read = flow.read(flow.read(blocks()))
    assert next(read).texts == ["北京0"]
    assert asked == [0]
