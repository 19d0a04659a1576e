"""Nested entities are scored by place and label: in memory, in a report's rows, and as claims of a card."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import lexel
from lexel.document import Document, Spans
from lexel.evaluation.scores.chunks import Pair
from lexel.evaluation.scores.results import Results
from lexel.evaluation.scores.run import Abilities, EvaluationOptions, Judge, evaluate
from lexel.evaluation.verify.claims import Claim, figure_of
from tests.builders import build_span_model

TEXT = "北京大学在北京"
GOLD = [(0, 4, "ORG"), (0, 2, "LOC"), (5, 7, "LOC")]
ABLE = Abilities({"entities": ("LOC", "ORG"), "nested": ("LOC", "ORG")}, "viterbi")


def spans(*found: tuple[int, int, str]) -> Spans:
    return Spans.of(TEXT, found)


def judged(gold: Document, *found: tuple[int, int, str]) -> Results:
    predicted = Document(TEXT, None, spans(found[0]), nested=spans(*found))
    judge = Judge(ABLE, EvaluationOptions())
    judge.add([Pair(1, gold, predicted, np.ones(1, np.bool_))])
    return judge.results(seconds=1)


def test_spans_inside_of_others_count_each_by_itself() -> None:
    results = judged(Document(TEXT, nested=spans(*GOLD)), (0, 4, "ORG"), (0, 2, "ORG"), (5, 7, "LOC"), (2, 4, "LOC"))
    assert results.nested is not None
    micro = results.nested.spans.micro
    assert (micro.n_gold, micro.n_predicted, micro.n_correct) == (3, 4, 2)
    assert micro.f1.value == pytest.approx(4 / 7)
    assert results.nested.spans.by_label["LOC"].recall.value == 0.5
    assert results.entities is None
    assert results.has_scores


def test_entities_are_gold_where_a_document_has_no_layer_of_nested_ones() -> None:
    results = judged(Document(TEXT, None, spans(*GOLD)), *GOLD)
    assert results.nested is not None
    assert results.nested.spans.micro.f1.value == 1


def test_mistakes_of_nested_entities_are_listed() -> None:
    results = judged(Document(TEXT, nested=spans(*GOLD)), (0, 4, "ORG"), (5, 7, "LOC"))
    assert [(each.layer, each.kind, each.gold) for each in results.mistakes] == [("nested", "missed", "北京 LOC")]


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> lexel.Tagger:
    return lexel.load(build_span_model(tmp_path_factory.mktemp("spans") / "model"), engine="numpy")


def test_what_a_model_reads_scores_full_marks_with_an_interval(tagger: lexel.Tagger) -> None:
    texts = ["天下大王", "在臺北市長", "小明我他你們"]
    found = [Document(doc.text, None, doc.entities, nested=doc.nested) for doc in tagger.stream(texts)]
    results = evaluate(tagger, found)
    assert results.nested is not None
    assert results.entities is not None
    f1 = results.nested.spans.micro.f1
    assert (f1.value, f1.low, f1.high) == (1, 1, 1)
    assert results.nested.spans.micro.n_gold == sum(len(doc.nested) for doc in found)
    assert results.entities.strict.micro.f1.value == 1


def test_the_report_has_rows_for_nested_entities(tagger: lexel.Tagger, tmp_path: Path) -> None:
    from lexel.evaluation.reports.report import score_rows

    text = "天下大王"
    results = evaluate(tagger, [Document(text, nested=tagger(text).nested)])
    assert [row[0] for row in score_rows(results)] == ["nested entities, exact, micro", "nested entities, exact, macro"]


@pytest.mark.parametrize("name", ["nested entity F1", "Nested F1", "F1"])
def test_a_claim_of_a_span_model_is_about_nested_entities(name: str) -> None:
    claim = Claim("data", 0.5, "f1", name)
    figure = figure_of(claim, ("entities", "nested"))
    assert not isinstance(figure, str)
    results = judged(Document(TEXT, nested=spans(*GOLD)), *chain(GOLD, [(2, 4, "LOC")]))
    found = figure.of(results)
    assert found is not None
    assert found.value == pytest.approx(6 / 7)
