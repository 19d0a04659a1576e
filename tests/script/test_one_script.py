"""A model of one script reads the other as well as its own, once text is converted for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from lexel.data import read_jsonl
from lexel.evaluation.scores.run import EvaluationOptions, evaluate
from lexel.evaluation.scores.tallies import Sampling
from lexel.tasks.tag import Tagger
from tests.script.one_script import make

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def f1_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], float]:
    folder = make(tmp_path_factory.mktemp("models") / "hans")

    def f1(file: str, script: str) -> float:
        tagger = Tagger.load(words=folder, script=script, precision="float32")
        documents = islice(read_jsonl(DATA / f"{file}.jsonl"), 60)
        words = evaluate(tagger, documents, options=EvaluationOptions(sampling=Sampling(0, 0))).words
        assert words is not None
        return words.words.f1.value

    return f1


def test_conversion_gives_a_model_of_one_script_the_other(f1_of: Callable[[str, str], float]) -> None:
    own, other = f1_of("zh_gsdsimp", "as-is"), f1_of("zh_gsd", "as-is")
    converted = f1_of("zh_gsd", "simplified")
    assert other < own - 0.08
    assert converted == pytest.approx(own, abs=0.003)
