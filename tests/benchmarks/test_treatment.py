"""How peers are treated: each is measured on what it was made for, and its result is used in the same way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import throughput
from benchmarks.readers import READERS
from benchmarks.setting import Setting
from benchmarks.texts import SENTENCES

RATES = {("lexel", "simplified"): 60.0, ("jieba", "simplified"): 30.0, ("lexel", "traditional"): 42.0}


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The part about the bundled model, with made-up rates: jieba's is 1 on traditional text."""
    monkeypatch.setattr(throughput, "lexel_reader", lambda folder, *, threads: lambda texts: sum(map(len, texts)))
    monkeypatch.setattr(throughput, "_one_core", lambda reader, script, n: RATES.get((reader, script), 1.0))
    sizes: Any = SimpleNamespace(bundled_sentences=4, sentences=2, repetitions=2)
    return throughput.measure_bundled(Setting(sizes, SimpleNamespace(), threads=2))  # type: ignore[arg-type]


def test_everyone_on_one_core_has_a_line_for_each_script(part: Any) -> None:
    names = [row.name for row in part.rows if "one core" in row.name]
    assert [name.rpartition(", ")[2] for name in names] == ["simplified"] * 3 + ["traditional"] * 3
    assert all(row.is_peer == row.name.startswith("jieba") for row in part.rows)


def test_a_multiple_over_jieba_is_of_simplified_text_on_one_core_each(part: Any) -> None:
    bar = next(bar for bar in part.bars if "jieba" in bar.figure)
    assert bar.value == pytest.approx(2.0)
    assert "simplified text, one core each" in bar.figure


@pytest.mark.parametrize(("script", "own", "other"), [("simplified", "们", "們"), ("traditional", "們", "们")])
def test_sentences_of_a_script_are_of_it(script: str, own: str, other: str) -> None:
    text = "".join(SENTENCES[script](300))
    assert own in text
    assert other not in text


def test_words_and_tags_of_jieba_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    posseg = pytest.importorskip("jieba.posseg")
    looked: list[str] = []

    class Pair:
        word = property(lambda self: looked.append("word") or "a")
        flag = property(lambda self: looked.append("flag") or "n")

    monkeypatch.setattr(posseg, "cut", lambda text: [Pair()])
    assert READERS["jieba"]()(["他"]) == 1
    assert looked == ["word", "flag"]
