"""A long text loses nothing and shows no seam: each piece has the scores of its deciding window alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.engines.base import Engine, Rows
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.fake import FakeEngine
from lexel.tasks.base import OVERLAP, Block, Flow, gather_blocks
from tests.builders import CHARS, ENTITIES, VOCAB, WORDS, build_tagger, fake_tagger
from tests.quantised import int8, needs_int8, quantised_tagger
from tests.windows import Window, plan_windows

N_CHARS = 100_000
LONG = "".join(np.random.default_rng(0).choice(list(CHARS + "，。 "), N_CHARS))
CLS, SEP = VOCAB.index("[CLS]"), VOCAB.index("[SEP]")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(build(tmp_path_factory.mktemp("model"), max_position_embeddings=64))


def build(folder: Path, *, max_length: int | None = None, **config: int) -> Path:
    return build_tagger(
        folder,
        heads={"words": WORDS},
        pieces="chars",
        max_length=max_length,
        config={"hidden_act": "relu", "num_hidden_layers": 1, **config},
    )


def read(checkpoint: Checkpoint, engine: Engine, texts: list[str]) -> list[NDArray[np.floating]]:
    flow = Flow("long", checkpoint, engine, outputs=["words"])
    return [block.readings["long"].scores["words"] for block in flow.read(gather_blocks(texts))]


def window_alone(engine: Engine, ids: NDArray[np.int32], window: Window) -> NDArray[np.floating]:
    """The scores of the pieces that a window decides, from a run that sees this window and nothing else."""
    framed = np.concatenate(([CLS], ids[window.start : window.end], [SEP])).astype(np.int32)[None]
    positions = np.arange(framed.size, dtype=np.int32)[None]
    picks = np.arange(window.keep_start - window.start + 1, window.keep_end - window.start + 1, dtype=np.int32)
    rows = Rows(framed, positions, np.zeros_like(framed), np.ones_like(framed), picks)
    return next(iter(engine.run([rows], ["words"])))["words"]


@pytest.mark.parametrize(
    ("engine_name", "tolerance", "every"), [("numpy", 1e-9, 1), ("openvino", 2e-5, 9), ("torch", 2e-5, 9)]
)
def test_each_piece_has_the_scores_of_its_deciding_window(
    checkpoint: Checkpoint, engine_name: str, tolerance: float, every: int
) -> None:
    reference = start_engine(checkpoint, EngineOptions(engine="numpy"))
    precision = "auto" if engine_name == "numpy" else "float32"
    engine = start_engine(checkpoint, EngineOptions(engine=engine_name, precision=precision, threads=1))
    (scores,) = read(checkpoint, engine, [LONG])
    assert scores.shape == (N_CHARS, len(WORDS))
    ids = Flow("ids", checkpoint, engine, outputs=[]).tokenizer.encode([LONG]).ids
    windows = plan_windows(N_CHARS, size=62, overlap=62 // 4)
    assert [window.keep_start for window in windows[1:]] == [window.keep_end for window in windows[:-1]]
    assert min(window.keep_start - window.start for window in windows[1:]) >= 62 // 4 // 2
    assert min(window.end - window.keep_end for window in windows[:-1]) >= 62 // 4 // 2
    for window in windows[:3] + windows[3:-3:every] + windows[-3:]:
        expected = window_alone(reference, ids, window)
        assert np.abs(scores[window.keep_start : window.keep_end] - expected).max() <= tolerance


@pytest.mark.parametrize("precision", ["float32", int8("int8")])
def test_a_long_text_among_short_ones_changes_nothing(checkpoint: Checkpoint, precision: str) -> None:
    checkpoint = checkpoint if precision == "float32" else quantised_tagger(pieces="chars")
    engine = start_engine(checkpoint, EngineOptions(engine="openvino", precision=precision, threads=2))
    (alone,) = read(checkpoint, engine, [LONG[:5000]])
    (among,) = read(checkpoint, engine, ["天下", LONG[:5000], "", "我的中国"])
    assert np.abs(among[2:5002] - alone).max() <= 1e-6


@needs_int8
def test_in_eight_bits_each_piece_has_the_scores_of_its_deciding_window_too() -> None:
    checkpoint = quantised_tagger(pieces="chars")
    engine = start_engine(checkpoint, EngineOptions(precision="int8", threads=1))
    text = LONG[:2000]
    (scores,) = read(checkpoint, engine, [text])
    ids = Flow("ids", checkpoint, engine, outputs=[]).tokenizer.encode([text]).ids
    for window in plan_windows(len(text), size=62, overlap=62 // 4):
        alone = window_alone(engine, ids, window)
        assert np.abs(scores[window.keep_start : window.keep_end] - alone).max() <= 2e-5


def test_no_character_of_a_long_text_is_lost(tmp_path: Path) -> None:
    document = fake_tagger(build(tmp_path))(LONG)
    assert "".join(document.words.texts) == LONG.replace(" ", "")
    assert document.words[-1].end == len(LONG.rstrip())


@given(
    st.lists(st.text(alphabet=CHARS + " ", max_size=300), max_size=6),
    st.sampled_from([64, 2048]),
    st.sampled_from([1, 200]),
)
@example(["", "天下", "", "", "我", ""], 2048, 1)
@settings(max_examples=40)
def test_scores_come_back_in_the_order_of_the_pieces(
    checkpoint: Checkpoint, texts: list[str], batch_pieces: int, block_chars: int
) -> None:
    engine = FakeEngine({"words": lambda ids: np.stack((ids, -ids), axis=1).astype(np.float32)})
    flow = Flow("order", checkpoint, engine, outputs=["words"], batch_pieces=batch_pieces)
    blocks = list(flow.read(gather_blocks(texts, block_chars=block_chars)))
    assert [text for block in blocks for text in block.texts] == texts
    for block in blocks:
        reading = block.readings["order"]
        assert reading.scores["words"][:, 0].tolist() == reading.pieces.ids.tolist()


@pytest.mark.parametrize(
    ("positions", "max_length", "window", "overlap"),
    [(64, None, 62, 15), (64, 32, 30, 7), (64, 1000, 62, 15), (512, None, 510, 127), (1024, None, 1022, OVERLAP)],
)
def test_a_window_is_what_model_and_tokenizer_allow(
    tmp_path: Path, positions: int, max_length: int | None, window: int, overlap: int
) -> None:
    checkpoint = open_checkpoint(build(tmp_path, max_length=max_length, max_position_embeddings=positions))
    flow = Flow("window", checkpoint, FakeEngine({}), outputs=[])
    assert (flow.window, flow.overlap) == (window, overlap)


def test_a_reading_may_choose_smaller_windows(checkpoint: Checkpoint) -> None:
    engine = start_engine(checkpoint, EngineOptions(engine="numpy"))
    flow = Flow("small", checkpoint, engine, outputs=["words"])
    text = LONG[:100]
    (block,) = flow.read([Block([text])], window=20, overlap=6)
    ids = flow.tokenizer.encode([text]).ids
    for window in plan_windows(len(text), size=20, overlap=6):
        found = block.readings["small"].scores["words"][window.keep_start : window.keep_end]
        assert np.abs(found - window_alone(engine, ids, window)).max() <= 1e-12


def test_packing_spends_little_on_a_long_text(tmp_path: Path) -> None:
    checkpoint = open_checkpoint(build(tmp_path, max_position_embeddings=512))
    engine = FakeEngine({"words": lambda ids: np.zeros((len(ids), 2), np.float32)})
    read(checkpoint, engine, [LONG])
    assert engine.n_pieces / engine.n_slots >= 0.97


def test_entities_cross_the_seams_of_windows(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"entities": ENTITIES}, pieces="chars")
    begin, inside = VOCAB.index("北"), VOCAB.index("市")

    def rule(ids: NDArray[np.int32]) -> NDArray[np.float32]:
        scores = np.zeros((len(ids), len(ENTITIES)), np.float32)
        scores[:, 0] = 1
        scores[ids == begin, 3] = 9
        scores[ids == inside, 4] = 9
        return scores

    text = "天" * 40 + "北" + "市" * 200 + "天" * 40
    (entity,) = fake_tagger(folder, FakeEngine({"entities": rule}))(text).entities
    assert (entity.start, entity.end, entity.label) == (40, 241, "LOC")
