"""How far two embedders' vectors agree, on vectors whose nearest ones are known."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from lexel.evaluation.cost.agreement import vector_agreement
from lexel.evaluation.cost.cost import Agreement
from lexel.tasks.embed import Embedder

ANGLES = {"a": 0, "b": 10, "c": 100, "d": 115}


class Turned:
    """Gives each text a vector of two numbers, at the angle of its first letter (degrees) and some more."""

    def __init__(self, more: dict[str, float] | float = 0.0, *, width: int = 2) -> None:
        self._more, self._width = more, width

    def encode(self, texts: list[str]) -> np.ndarray:
        angles = np.radians([ANGLES[text] + self._of(text) for text in texts])
        vectors = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
        return np.pad(vectors, ((0, 0), (0, self._width - 2)))

    def _of(self, text: str) -> float:
        return self._more.get(text, 0.0) if isinstance(self._more, dict) else self._more


def agreement(before: Any, after: Any, texts: list[str]) -> Agreement | None:
    return vector_agreement(cast(Embedder, before), cast(Embedder, after), texts)


def test_vectors_that_are_all_turned_alike_have_the_same_nearest_ones() -> None:
    found = agreement(Turned(), Turned(60), list(ANGLES))
    assert found is not None
    assert found.cosine is not None
    assert found.cosine.value == pytest.approx(0.5, abs=1e-6)
    assert found.nearest.value == 1
    assert (found.n_texts, found.sizes) == (4, (2, 2))


def test_a_text_that_moved_has_another_nearest_one_and_so_has_its_new_neighbour() -> None:
    found = agreement(Turned(), Turned({"b": 88}), list(ANGLES))  # b comes to lie at 98, beside c
    assert found is not None
    assert found.nearest.value == pytest.approx(1 / 2)  # a, to which b is still nearest, and d with c
    assert found.nearest.low is not None
    assert found.nearest.low < found.nearest.value


def test_vectors_of_two_sizes_have_no_cosine() -> None:
    found = agreement(Turned(), Turned(width=3), list(ANGLES))
    assert found is not None
    assert (found.cosine, found.nearest.value, found.sizes) == (None, 1, (2, 3))


def test_twins_and_blank_texts_are_left_out() -> None:
    found = agreement(Turned(), Turned(), ["a", "a", "", " ", "b"])
    assert found is not None
    assert found.n_texts == 2


@pytest.mark.parametrize("texts", [[], ["a"], ["a", "a", "  "]])
def test_without_two_texts_there_is_nothing_to_compare(texts: list[str]) -> None:
    assert agreement(Turned(), Turned(), texts) is None
