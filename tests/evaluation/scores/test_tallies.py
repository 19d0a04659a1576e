"""Counting by hand: labels that turn up late, types that nobody has, mistakes side by side."""

from __future__ import annotations

import numpy as np
import pytest

from lexel.document import Document, Spans, Words
from lexel.evaluation.scores.chunks import LabelIndex, Pair
from lexel.evaluation.scores.mistakes import MistakeList
from lexel.evaluation.scores.results import EntityResult
from lexel.evaluation.scores.tallies import EntityTally, Sampling

Triples = list[tuple[int, int, str]]


def _entities(gold: Triples, predicted: Triples, *, text: str = "abcdefgh") -> Pair:
    documents = [Document(text, entities=Spans.of(text, spans)) for spans in (gold, predicted)]
    return Pair(1, documents[0], documents[1], np.ones(len(predicted), np.bool_))


def _result(*chunks: list[Pair]) -> EntityResult:
    tally = EntityTally(LabelIndex(["PER", "LOC", "MISC"]))
    for chunk in chunks:
        tally.add(chunk)
    result = tally.result(Sampling(20))
    assert result is not None
    return result


def test_macro_scores_pass_over_types_that_neither_side_has() -> None:
    result = _result([_entities([(0, 1, "PER"), (1, 2, "PER"), (3, 4, "LOC")], [(0, 1, "PER"), (4, 5, "LOC")])])
    rule = result.lenient
    assert set(rule.by_label) == {"PER", "LOC"}
    macro = (rule.macro_precision.value, rule.macro_recall.value, rule.macro_f1.value)
    assert macro == pytest.approx((1 / 2, 1 / 4, 1 / 3))


def test_a_label_that_turns_up_late_counts_as_if_it_had_always_been_known() -> None:
    early, late = _entities([(0, 1, "PER")], []), _entities([(0, 1, "GPE")], [(0, 1, "LOC")])
    in_two, at_once = _result([early], [late]), _result([early, late])
    assert in_two == at_once
    assert in_two.confusion.labels == ("PER", "LOC", "GPE")
    # rows PER, LOC, GPE, not in gold; columns PER, LOC, GPE, not found
    assert in_two.confusion.counts == [[0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_a_span_annotated_twice_counts_once() -> None:
    result = _result([_entities([(0, 1, "PER"), (0, 1, "PER")], [(0, 1, "PER")])])
    assert (result.strict.micro.n_gold, result.strict.micro.f1.value) == (1, 1.0)


def test_mistakes_side_by_side_are_two() -> None:
    text = "abcd"
    gold = Document(text, Words.of(text, [(0, 2), (2, 4)]))
    predicted = Document(text, Words.of(text, [(0, 1), (1, 2), (2, 3), (3, 4)]))
    mistakes = MistakeList(["words"], {})
    mistakes.add([Pair(1, gold, predicted, np.ones(0, np.bool_))])
    shown = [(mistake.kind, mistake.gold, mistake.predicted) for mistake in mistakes.kept]
    assert shown == [("split", "ab", "a | b"), ("split", "cd", "c | d")]


@pytest.mark.parametrize(
    ("gold", "predicted", "kind"),
    [
        ([(0, 2, "PER")], [], "missed"),
        ([], [(0, 2, "PER")], "spurious"),
        ([(0, 2, "PER")], [(0, 2, "LOC")], "wrong label"),
        ([(0, 2, "PER")], [(1, 2, "PER")], "wrong bounds"),
        ([(0, 2, "PER")], [(0, 1, "PER"), (1, 2, "LOC")], "wrong bounds"),
    ],
)
def test_a_mistake_of_entities_is_of_one_kind(gold: Triples, predicted: Triples, kind: str) -> None:
    mistakes = MistakeList(["entities"], {})
    mistakes.add([_entities(gold, predicted)])
    assert [mistake.kind for mistake in mistakes.kept] == [kind]


def test_mistakes_beyond_those_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lexel.evaluation.scores.mistakes.MOST_KEPT", 2)
    mistakes = MistakeList(["entities"], {})
    mistakes.add([_entities([(0, 1, "PER")], [])] * 5)
    assert len(mistakes.kept) == 2
    assert mistakes.counts == {"entities": 5}
