"""What a text's neighbours change: nothing in float32, the last digits of scores in bf16 and int8."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lexel
from lexel.document import Document
from tests.quantised import int8

LINES = [
    json.loads(line)["text"]
    for line in (Path(__file__).parent.parent / "data" / "zh_gsdsimp.jsonl").read_text(encoding="utf-8").splitlines()
]
LONG = ["".join(LINES[at : at + 40])[:n] for at, n in ((0, 1300), (40, 1500), (80, 2500))]
BOUND = 0.02
"""How far a probability may move by what is read beside a text, as the pages say."""


def as_one_or_alone(precision: str) -> list[tuple[Document, Document]]:
    """Texts read in one stream, and each by itself."""
    nlp = lexel.load(precision=precision, threads=2)
    texts = [*LINES[200:260], *LONG, *LINES[260:300]]
    return list(zip(nlp.stream(texts), map(nlp, texts), strict=True))


def test_float32_reads_a_text_equally_in_any_company() -> None:
    for together, alone in as_one_or_alone("float32"):
        assert together == alone
        assert together.words.pos == alone.words.pos


@pytest.mark.parametrize("precision", ["bf16", int8("int8")])
def test_lower_precisions_move_probabilities_by_little(precision: Any) -> None:
    pairs = as_one_or_alone(precision)
    alike = [pair for pair in pairs if len({str(document.words.texts) for document in pair}) == 1]
    assert len(alike) >= 0.95 * len(pairs)
    for together, alone in alike:
        assert np.abs(together.words.scores - alone.words.scores).max() <= BOUND
        same = np.array(together.words.pos) == np.array(alone.words.pos)
        assert np.abs(together.words.pos_scores - alone.words.pos_scores)[same].max() <= BOUND
        assert (alone.words.pos_scores[~same] < 0.5 + BOUND).all()  # only where two tags are nearly as probable
