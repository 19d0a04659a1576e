"""Pairs of texts: one stands whole beside every window of the other, in the order and with the types it asks for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.checkpoint import open_checkpoint
from lexel.engines.base import Engine
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.fake import FakeEngine
from lexel.errors import DataError
from lexel.tasks.base import Flow, Pair, Reading, gather_pairs
from lexel.tasks.framing import PartnerPieces, Picks, decided, everything, firsts, lay_out, windowed
from lexel.text.pieces import SpecialPieces
from lexel.text.windows import plan_batch
from tests.builders import VOCAB, WORDS, build_tagger

CLS, SEP = VOCAB.index("[CLS]"), VOCAB.index("[SEP]")
BERT = SpecialPieces((1,), (2,), (1,), (2,), (2,), 1, 0, None, None)
ROBERTA = SpecialPieces((1,), (2,), (1,), (2, 2), (2,), 0, 0, None, None)


def ids_of(text: str) -> list[int]:
    return [VOCAB.index(char) for char in text]


def flow_of(folder: Path, engine: Engine | None = None, *, positions: int = 64) -> Flow:
    build_tagger(folder, heads={"words": WORDS}, config={"max_position_embeddings": positions})
    copies = FakeEngine({"words": lambda ids: np.stack((ids, -ids), axis=1).astype(np.float32)})
    return Flow("pairs", open_checkpoint(folder), engine or copies, outputs=["words"])


def read(flow: Flow, pairs: list[Pair], picks: Picks, **options: int) -> list[Reading]:
    return [
        block.readings["pairs"] for block in flow.read(gather_pairs(pairs), picks=picks, read_empty=True, **options)
    ]


def picked_ids(reading: Reading) -> list[int]:
    """The vocabulary indexes at the picks, which the fake engine gives as scores."""
    return [int(score) for score in reading.scores["words"][:, 0]]


@pytest.mark.parametrize(
    ("first", "special", "ids", "types"),
    [
        (True, BERT, [1, 30, 31, 2, 10, 11, 12, 2], [0, 0, 0, 0, 1, 1, 1, 1]),
        (False, BERT, [1, 10, 11, 12, 2, 30, 31, 2], [0, 0, 0, 0, 0, 1, 1, 1]),
        (True, ROBERTA, [1, 30, 31, 2, 2, 10, 11, 12, 2], [0] * 9),
    ],
)
def test_a_pair_stands_as_its_special_pieces_say(
    first: bool, special: SpecialPieces, ids: list[int], types: list[int]
) -> None:
    windows = plan_batch(np.array([0, 3]), size=5, overlap=1)
    partners = PartnerPieces(np.array([30, 31], np.int32), np.array([0, 2]), np.array([first]))
    layout = lay_out(np.array([10, 11, 12], np.int32), windows, special, partners=partners)
    assert (layout.ids.tolist(), layout.type_ids.tolist()) == (ids, types)
    assert layout.piece.max() == 2
    assert layout.ids[layout.piece >= 0].tolist() == [10, 11, 12]


def test_the_partner_stands_whole_in_every_window(tmp_path: Path) -> None:
    flow = flow_of(tmp_path, positions=16)
    (reading,) = read(flow, [Pair("天下的我你他" * 4, "北京", True)], everything)
    sequences = np.split(np.array(picked_ids(reading)), np.flatnonzero(np.diff(reading.window)) + 1)
    assert len(sequences) == len(reading.windows) > 2
    assert all(len(sequence) <= 16 for sequence in sequences)
    assert all(sequence[:4].tolist() == [CLS, *ids_of("北"), flow.tokenizer.special.unk, SEP] for sequence in sequences)


def test_each_text_of_a_block_has_windows_of_its_own_size(tmp_path: Path) -> None:
    pairs = [Pair("天" * 40, "我"), Pair("天" * 40, "我你他我你", True)]
    (reading,) = read(flow_of(tmp_path, positions=16), pairs, decided)
    sizes = (reading.windows.end - reading.windows.start)[[0, -2]]
    assert sizes.tolist() == [16 - 3 - 1, 16 - 3 - 5]
    assert reading.piece.tolist() == list(range(80))


def test_first_pieces_are_one_a_window(tmp_path: Path) -> None:
    (reading,) = read(flow_of(tmp_path, positions=16), [Pair("天" * 40), Pair("")], firsts)
    assert picked_ids(reading) == [CLS] * len(reading.windows)
    assert reading.window.tolist() == list(range(len(reading.windows)))
    assert reading.windows.text[-1] == 1  # an empty text is read as its special pieces


def test_pieces_in_an_overlap_are_picked_in_both_windows(tmp_path: Path) -> None:
    (reading,) = read(flow_of(tmp_path, positions=16), [Pair("天下的我" * 5, "北")], windowed, overlap=4)
    assert len(reading.piece) == 20 + 4 * (len(reading.windows) - 1)
    assert [ids_of("天下的我" * 5)[piece] for piece in reading.piece] == picked_ids(reading)


def test_pairs_and_single_texts_come_in_the_order_given(tmp_path: Path) -> None:
    pairs = [Pair("天"), Pair("下"), Pair("的", "我"), Pair("你", "")]
    readings = read(flow_of(tmp_path), pairs, decided)
    assert [picked_ids(reading) for reading in readings] == [ids_of("天下"), ids_of("的你")]


@pytest.mark.parametrize("engine", ["numpy", "openvino", "torch"])
def test_a_window_of_a_pair_has_the_scores_that_it_has_alone(tmp_path: Path, engine: str) -> None:
    build_tagger(tmp_path, heads={"words": WORDS}, config={"max_position_embeddings": 16})
    precision = "auto" if engine == "numpy" else "float32"
    started = start_engine(open_checkpoint(tmp_path), EngineOptions(engine=engine, precision=precision, threads=1))
    flow = Flow("pairs", open_checkpoint(tmp_path), started, outputs=["words"])
    (reading,) = read(flow, [Pair("天下的我你他" * 5, "上不")], firsts)
    windows = reading.windows
    for k in range(len(windows)):
        text = ("天下的我你他" * 5)[windows.start[k] : windows.end[k]]
        (alone,) = read(flow, [Pair(text, "上不")], firsts)
        assert scores_of(alone)[0] == pytest.approx(scores_of(reading)[k], abs=1e-5)


def scores_of(reading: Reading) -> NDArray[np.floating]:
    return reading.scores["words"]


def test_a_partner_may_fill_what_a_short_text_leaves(tmp_path: Path) -> None:
    (reading,) = read(flow_of(tmp_path, positions=16), [Pair("天", "我" * 12), Pair("", "我" * 13)], firsts)
    assert len(reading.windows) == 2


@pytest.mark.parametrize(("text", "partner"), [("天" * 40, 11), ("天", 13), ("", 14)])
def test_a_partner_that_leaves_too_little_room_is_refused(tmp_path: Path, text: str, partner: int) -> None:
    room = 13 - min(len(text), 3)
    with pytest.raises(
        DataError, match=rf"'我+' \.\.\.: {partner} pieces .* windows of 13 pieces have room for {room}"
    ):
        read(flow_of(tmp_path, positions=16), [Pair(text, "我" * partner)], firsts)


def test_smaller_windows_count_the_partner(tmp_path: Path) -> None:
    (reading,) = read(flow_of(tmp_path), [Pair("天" * 40, "我你他")], decided, window=10)
    assert (reading.windows.end - reading.windows.start).max() == 7
