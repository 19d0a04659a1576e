"""Entities from tags by both rules, against seqeval and a naive conlleval on thousands of random sequences."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from seqeval.metrics import sequence_labeling, v1
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE2, Entities

from lexel.labels import LabelSet, detect
from lexel.metrics.scores import rates_of
from lexel.metrics.spans import FlatSpans, Rule, count_spans, spans_of_tags
from tests.metrics.naive import conlleval_scores, conlleval_spans

SCHEMES = {"BIO": ("BI", IOB2), "IOE2": ("IE", IOE2), "BIOES": ("BIES", IOBES), "BILOU": ("BILU", BILOU)}
LENIENT_SCHEMES = {"BIO": "BI", "IOB1": "BI", "IOE1": "IE", "IOE2": "IE", "BIOES": "BIES"}
TYPES = ("PER", "LOC")
Sentences = list[list[str]]


def _labels(roles: str) -> tuple[str, ...]:
    return ("O", *(f"{role}-{kind}" for kind in TYPES for role in roles))


def _random(labels: Sequence[str], *, n_sentences: int, seed: int) -> Sentences:
    random = np.random.default_rng(seed)
    lengths = random.integers(0, 9, n_sentences)
    return [[labels[i] for i in random.integers(len(labels), size=n)] for n in lengths]


def _flat(sentences: Sentences, label_set: LabelSet) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    index = {label: i for i, label in enumerate(label_set.labels)}
    tags = np.array([index[tag] for sentence in sentences for tag in sentence], np.int64)
    return tags, np.concatenate(([0], np.cumsum([len(sentence) for sentence in sentences]))).astype(np.int64)


def _spans(sentences: Sentences, label_set: LabelSet, rule: Rule) -> FlatSpans:
    return spans_of_tags(*_flat(sentences, label_set), label_set, rule=rule)


def _read(sentences: Sentences, label_set: LabelSet, rule: Rule) -> list[tuple[int, int, int, str]]:
    """Sentence, start and end in it, type."""
    bounds = _flat(sentences, label_set)[1]
    return [
        (int(i), int(start - bounds[i]), int(end - bounds[i]), label_set.types[label])
        for i, start, end, label in zip(*_spans(sentences, label_set, rule), strict=True)
    ]


@pytest.mark.parametrize("scheme", LENIENT_SCHEMES)
def test_the_lenient_rule_reads_what_seqeval_and_conlleval_read(scheme: str) -> None:
    label_set = detect(_labels(LENIENT_SCHEMES[scheme]), scheme=scheme)
    sentences = _random(label_set.labels, n_sentences=3000, seed=1)
    found = _read(sentences, label_set, "lenient")
    assert found == [(i, *span) for i, tags in enumerate(sentences) for span in conlleval_spans(tags)]
    assert found == [
        (i, s, e + 1, t) for i, tags in enumerate(sentences) for t, s, e in sequence_labeling.get_entities(list(tags))
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_strict_rule_reads_what_seqeval_reads_in_its_strict_mode(scheme: str) -> None:
    roles, theirs = SCHEMES[scheme]
    label_set = detect(_labels(roles), scheme=scheme)
    sentences = _random(label_set.labels, n_sentences=3000, seed=2)
    expected = [entity for sentence in Entities(sentences, theirs).entities for entity in sentence]
    assert _read(sentences, label_set, "strict") == [(e.sent_id, e.start, e.end, e.tag) for e in expected]
    assert len(expected) < len(_read(sentences, label_set, "lenient"))


@pytest.mark.parametrize(
    ("scheme", "tags", "strict"),
    [
        ("IOB1", "I-PER I-PER B-PER O B-LOC", [(0, 2), (2, 3)]),
        ("IOB1", "B-PER I-PER", []),
        ("IOE1", "I-PER E-PER I-PER O E-LOC", [(0, 2), (2, 3)]),
        ("IOE1", "I-PER E-PER", []),
    ],
)
def test_the_older_schemes_mark_only_what_touches(scheme: str, tags: str, strict: list[tuple[int, int]]) -> None:
    label_set = detect(_labels(LENIENT_SCHEMES[scheme]), scheme=scheme)
    assert [(start, end) for _, start, end, _ in _read([tags.split()], label_set, "strict")] == strict


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [(("O", "B-PER", "I-PER", "I-LOC"), "BIO"), (("O", "S-PER", "B-PER", "I-PER", "E-PER", "I-LOC"), "BIOES")],
)
def test_a_tag_that_a_type_lacks_is_not_asked_for(labels: tuple[str, ...], scheme: str) -> None:
    label_set = detect(labels, scheme=scheme)
    assert _read([["I-LOC", "I-LOC", "O", "I-PER"]], label_set, "strict") == [(0, 0, 2, "LOC")]


def test_where_a_type_has_no_tag_for_a_span_of_one_its_first_tag_stands_for_it() -> None:
    label_set = detect(("O", "B-LOC", "I-LOC", "E-LOC", "B-PER", "E-PER", "S-PER"), scheme="BIOES")
    assert _read([["B-LOC", "O", "B-PER", "O", "E-LOC"]], label_set, "strict") == [(0, 0, 1, "LOC")]


@pytest.mark.parametrize(("scheme", "rule"), [("BIO", "strict"), ("BIO", "lenient"), ("BIOES", "strict")])
def test_precision_recall_and_f1_are_seqevals_micro_macro_and_per_type(scheme: str, rule: Rule) -> None:
    roles, theirs = SCHEMES[scheme]
    label_set = detect(_labels(roles), scheme=scheme)
    gold = _random(label_set.labels, n_sentences=1500, seed=3)
    predicted = [
        [
            new if flip else old
            for old, new, flip in zip(tags, other, np.random.default_rng(i).random(9) < 0.3, strict=False)
        ]
        for i, (tags, other) in enumerate(zip(gold, _same_sizes(gold, label_set), strict=True))
    ]
    counts = count_spans(
        _spans(gold, label_set, rule), _spans(predicted, label_set, rule), n_documents=1500, n_labels=2
    ).sum(axis=0)
    scorer, options = (v1, {"scheme": theirs}) if rule == "strict" else (sequence_labeling, {})
    for average, mine in (("micro", rates_of(counts.sum(axis=0))), (None, rates_of(counts))):
        expected = scorer.precision_recall_fscore_support(gold, predicted, average=average, **options)
        order = [0] if average else [label_set.types.index(name) for name in sorted(TYPES)]
        for values, wanted in zip(mine, expected, strict=False):
            np.testing.assert_allclose(np.atleast_1d(values)[order], np.atleast_1d(wanted))


def _same_sizes(sentences: Sentences, label_set: LabelSet) -> Sentences:
    random = np.random.default_rng(4)
    return [[label_set.labels[i] for i in random.integers(len(label_set), size=len(tags))] for tags in sentences]


@pytest.mark.parametrize("seed", range(5))
def test_counts_by_type_are_those_of_a_naive_conlleval(seed: int) -> None:
    label_set = detect(_labels("BI"))
    gold = _random(label_set.labels, n_sentences=400, seed=seed)
    predicted = _same_sizes(gold, label_set)
    spans = [_spans(sentences, label_set, "lenient") for sentences in (gold, predicted)]
    counts = count_spans(*spans, n_documents=400, n_labels=2).sum(axis=0)
    assert {t: row.tolist() for t, row in zip(TYPES, counts, strict=True)} == conlleval_scores(gold, predicted)


def test_well_formed_tags_in_iob1_are_read_as_seqeval_reads_them() -> None:
    label_set = detect(("O", "B-PER", "I-PER"), scheme="IOB1")
    sentences = [tags for tags in _random(label_set.labels, n_sentences=4000, seed=5) if _writes(tags, label_set)]
    assert len(sentences) > 100
    expected = [entity for sentence in Entities(sentences, IOB1).entities for entity in sentence]
    assert _read(sentences, label_set, "strict") == [(e.sent_id, e.start, e.end, e.tag) for e in expected]


def _writes(tags: list[str], label_set: LabelSet) -> bool:
    index = [label_set.labels.index(tag) for tag in tags]
    outside = len(label_set)
    path = [outside, *index, outside]
    return all(label_set.allowed[a, b] for a, b in pairwise(path))


@pytest.mark.parametrize(
    ("gold", "predicted"), [([], []), ([[]], [[]]), ([["O"]], [["B-PER"]]), ([["B-PER"]], [["O"]]), ([["O"]], [["O"]])]
)
def test_without_gold_or_predictions_scores_are_zero(gold: Sentences, predicted: Sentences) -> None:
    label_set = detect(_labels("BI"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = count_spans(
            _spans(gold, label_set, "strict"), _spans(predicted, label_set, "strict"), n_documents=len(gold), n_labels=2
        )
        assert [float(rate) for rate in rates_of(counts.sum(axis=(0, 1)))] == [0.0, 0.0, 0.0]
