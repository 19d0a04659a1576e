"""Pseudo-perplexity equals a plain computation with transformers, a piece at a time."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexel.tasks.fill import Filler
from tests.builders import VOCAB
from tests.windows import plan_windows

from .conftest import sentences_of, their_log_probs

CLS, SEP, MASK = (VOCAB.index(piece) for piece in ("[CLS]", "[SEP]", "[MASK]"))
TEXTS = ["我在北王 went wenting!", "new york", "wentinged", "北", "the new york of the new york"]


def naive(model: Any, filler: Filler, text: str, *, whole_words: bool = False) -> list[float]:
    """Log-probability of each piece of a text, each in a call of its own, windows and all."""
    flow = filler.flow
    pieces = flow.tokenizer.encode([text])
    ids, words = pieces.ids.tolist(), pieces.words.tolist()
    found: list[float] = []
    for window in plan_windows(len(ids), size=flow.window, overlap=flow.overlap):
        for place in range(window.keep_start, window.keep_end):
            masked = list(ids)
            for other in range(place, len(ids)):
                if other == place or (whole_words and words[other] == words[place]):
                    masked[other] = MASK
            log_probs = their_log_probs(model, [CLS, *masked[window.start : window.end], SEP])
            found.append(float(log_probs[1 + place - window.start, ids[place]]))
    return found


@pytest.mark.parametrize("whole_words", [False, True])
def test_each_piece_is_masked_in_turn(whole_words: bool, filler: Filler, theirs: Any) -> None:
    for found in filler.stream_perplexities(TEXTS, whole_words=whole_words):
        expected = naive(theirs, filler, found.text, whole_words=whole_words)
        assert found.log_probs.tolist() == pytest.approx(expected)
        assert found.value == pytest.approx(math.exp(-sum(expected) / len(expected)))
        assert found.log_prob == pytest.approx(sum(expected))


def test_whole_words_make_a_difference_to_words_of_several_pieces_only(filler: Filler) -> None:
    plain, whole = (filler.perplexity("wenting 北王", whole_words=whole_words) for whole_words in (False, True))
    assert (np.abs(plain.log_probs - whole.log_probs) > 1e-9).tolist() == [True, False, False, False]


@pytest.mark.parametrize("whole_words", [False, True])
def test_a_long_text_is_read_by_window_to_its_end(whole_words: bool, filler: Filler, theirs: Any) -> None:
    text = "我在北王 wenting " * 20
    found = filler.perplexity(text, whole_words=whole_words)
    assert len(found) == 120 > filler.flow.window
    assert found.log_probs.tolist() == pytest.approx(naive(theirs, filler, text, whole_words=whole_words))


def test_pieces_keep_their_places_in_the_text(filler: Filler) -> None:
    found = filler.perplexity(" 我 wenting")
    places = zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    assert [found.text[start:end] for start, end in places] == ["我", "went", "ing"]


def test_a_text_without_pieces_has_none(filler: Filler) -> None:
    (empty, blank, full) = filler.stream_perplexities(["", "  ", "北"])
    assert [len(empty), len(blank), len(full)] == [0, 0, 1]
    assert math.isnan(empty.value)
    assert json.dumps(blank.record()) == '{"text": "  ", "perplexity": null, "log_prob": 0.0, "n_pieces": 0}'


def test_many_texts_give_what_each_gives_alone(filler: Filler) -> None:
    texts = [text[:30] for text in sentences_of("en_ewt", 25)]
    together = [found.value for found in filler.stream_perplexities(texts)]
    assert together == pytest.approx([filler.perplexity(text).value for text in texts])


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_engines_agree(engine: str, folders: dict[str, Path], filler: Filler) -> None:
    other = Filler.load(folders["bert"], engine=engine, precision="float32", threads=1)
    for text in TEXTS:
        assert other.perplexity(text).log_probs == pytest.approx(filler.perplexity(text).log_probs, abs=1e-4)
