"""Spans that are the same, spans that stand there twice, and labels taken for others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lexel.metrics.spans import FlatSpans, count_spans, distinct, flat_spans, match_spans
from lexel.metrics.tags import count_confusion, count_tags

Row = tuple[int, int, int, int]
rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(5, 6), st.integers(0, 2)), max_size=25)


def _flat(table: list[Row]) -> FlatSpans:
    document, start, end, label = zip(*table, strict=True) if table else ((), (), (), ())
    return flat_spans(document, start, end, label)


@given(rows, rows)
def test_counts_are_those_of_sets(gold: list[Row], predicted: list[Row]) -> None:
    counts = count_spans(_flat(gold), _flat(predicted), n_documents=4, n_labels=3)
    for i in range(4):
        for label in range(3):
            a, b = ({row for row in part if row[0] == i and row[3] == label} for part in (gold, predicted))
            assert counts[i, label].tolist() == [len(a), len(b), len(a & b)]


@given(rows, rows)
def test_a_match_is_a_span_of_the_same_place_and_label(gold: list[Row], predicted: list[Row]) -> None:
    matching = match_spans(_flat(gold), _flat(predicted))
    for row, at in zip(gold, matching.of_gold.tolist(), strict=True):
        assert predicted.index(row) == at if row in predicted else at == -1


@given(rows)
def test_distinct_spans_are_sorted_and_stand_there_once(table: list[Row]) -> None:
    assert list(zip(*map(np.ndarray.tolist, distinct(_flat(table))), strict=True)) == sorted(set(table))


@given(rows, rows)
def test_every_span_is_once_in_the_confusion(gold: list[Row], predicted: list[Row]) -> None:
    confusion = count_confusion(_flat(gold), _flat(predicted), n_labels=3)
    counts = count_spans(_flat(gold), _flat(predicted), n_documents=4, n_labels=3).sum(axis=0)
    assert confusion[:3].sum(axis=1).tolist() == counts[:, 0].tolist()
    assert confusion[:, :3].sum(axis=0).tolist() == counts[:, 1].tolist()
    assert np.diagonal(confusion)[:3].tolist() == counts[:, 2].tolist()


def test_places_that_multiply_beyond_64_bits_are_told_apart() -> None:
    far = 2**32  # document times size of the starts is 0 in 64 bits
    spans = flat_spans([0, far], [far - 1, far - 1], [far, far], [0, 0])
    assert match_spans(spans, spans).of_gold.tolist() == [0, 1]


def test_a_tag_counts_where_its_word_was_found() -> None:
    gold = flat_spans([0, 0, 1], [0, 1, 0], [1, 3, 2], [0, 1, 0])
    predicted = flat_spans([0, 0, 1, 1], [0, 1, 0, 1], [1, 3, 1, 2], [0, 0, 0, 0])
    assert count_tags(gold, predicted, n_documents=2).tolist() == [[2, 1], [0, 0]]
