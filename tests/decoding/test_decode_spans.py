"""Spans against the shared tasks' rules, written out plainly, and against seqeval."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from lexel.decoding.spans import decode_spans, unit_begins
from lexel.labels import detect

LABEL_SETS = {
    "BIO": detect(("O", "B-X", "I-X", "B-Y", "I-Y")),
    "IOB1": detect(("O", "B-X", "I-X", "B-Y", "I-Y"), scheme="IOB1"),
    "IOE1": detect(("O", "I-X", "E-X", "I-Y", "E-Y"), scheme="IOE1"),
    "IOE2": detect(("O", "I-X", "E-X", "I-Y", "E-Y")),
    "BIOES": detect(("O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y")),
    "BILOU": detect(("O", "B-X", "I-X", "L-X", "U-X", "B-Y", "I-Y", "L-Y", "U-Y")),
}


def conlleval_spans(tags):
    """Spans as conlleval's two tables say, for tags such as ``B-X``; ``L`` and ``U`` are read as ``E`` and ``S``."""
    parts = [(tag[0].translate(str.maketrans("LU", "ES")), tag[2:]) for tag in tags]
    found, start = [], None
    for i, (tag, name) in enumerate([*parts, ("O", "")]):
        previous, previous_name = parts[i - 1] if i else ("O", "")
        ended = (previous in "ES") or (previous in "BI" and tag in "BSO") or previous_name != name
        if start is not None and ended:
            found.append((start, i, previous_name))
            start = None
        started = tag in "BS" or (previous in "ESO" and tag in "EI") or (tag != "O" and previous_name != name)
        if started:
            start = i
    return found


def spans_of(tags, label_set):
    table = decode_spans(
        np.array([label_set.labels.index(tag) for tag in tags], np.int32), np.array([0, len(tags)]), label_set
    )
    return [
        (start, end, label_set.types[type_id])
        for start, end, type_id in zip(table.start.tolist(), table.end.tolist(), table.type_id.tolist(), strict=True)
    ]


@pytest.mark.parametrize("name", LABEL_SETS)
@settings(max_examples=100)
@given(data=st.data())
def test_any_tags_give_the_spans_of_conlleval(name, data):
    label_set = LABEL_SETS[name]
    tags = data.draw(st.lists(st.sampled_from(label_set.labels), max_size=12))
    assert spans_of(tags, label_set) == conlleval_spans(tags)


@pytest.mark.parametrize("name", ["BIO", "IOB1", "IOE1", "IOE2", "BIOES"])
@settings(max_examples=100)
@given(data=st.data())
def test_any_tags_give_the_spans_of_seqeval(name, data):
    label_set = LABEL_SETS[name]
    tags = data.draw(st.lists(st.sampled_from(label_set.labels), max_size=12))
    assert spans_of(tags, label_set) == [(start, end + 1, label) for label, start, end in get_entities(tags)]


@pytest.mark.parametrize("name", LABEL_SETS)
@settings(max_examples=50)
@given(data=st.data())
def test_spans_of_a_batch_are_those_of_each_text(name, data):
    label_set = LABEL_SETS[name]
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    bounds = np.append(0, np.cumsum(lengths))
    tags = np.array(
        data.draw(st.lists(st.integers(0, len(label_set) - 1), min_size=sum(lengths), max_size=sum(lengths))), int
    )
    table = decode_spans(tags, bounds, label_set)
    alone = [
        (text, start + begin, start + end, type_id)
        for text, (start, stop) in enumerate(itertools.pairwise(bounds.tolist()))
        for begin, end, type_id in zip(
            *(column.tolist() for column in decode_spans(tags[start:stop], np.array([0, stop - start]), label_set)[1:]),
            strict=True,
        )
    ]
    assert list(zip(*(column.tolist() for column in table), strict=True)) == alone


def test_neighbours_of_the_same_bare_label_are_one_span():
    assert spans_of(["PER", "PER", "O", "ORG", "PER"], detect(("O", "PER", "ORG"))) == [
        (0, 2, "PER"),
        (3, 4, "ORG"),
        (4, 5, "PER"),
    ]


def test_labels_for_padding_are_outside():
    assert spans_of(["B-X", "X", "I-X"], detect(("O", "B-X", "I-X", "X"))) == [(0, 1, "X"), (2, 3, "X")]


@pytest.mark.parametrize(
    ("labels", "tags", "expected"),
    [
        ("B I", "B I B B I", [0, 2, 3]),
        ("B I", "I I B", [0, 2]),
        ("B M E S", "B M E S B E", [0, 3, 4]),
        ("B M E S", "E M B M S M", [0, 1, 2, 4, 5]),
    ],
)
def test_untyped_tags_give_words(labels, tags, expected):
    label_set = detect(labels.split())
    ids = np.array([label_set.labels.index(tag) for tag in tags.split()])
    assert decode_spans(ids, np.array([0, len(ids)]), label_set).start.tolist() == expected


def test_a_unit_begins_with_every_text():
    begins = unit_begins(np.array([0, 1, 1, 1, 1]), np.array([0, 0, 3, 3, 5, 5]), detect(("B", "I")))
    assert begins.tolist() == [True, False, False, True, False]


def test_every_piece_outside_counts_as_a_begin():
    begins = unit_begins(np.array([0, 0, 2, 2, 0]), np.array([0, 5]), LABEL_SETS["BIO"])
    assert begins.tolist() == [True, True, True, False, True]


def test_a_batch_without_pieces_has_no_spans():
    table = decode_spans(np.zeros(0, np.int32), np.array([0, 0]), LABEL_SETS["BIO"])
    assert (table.n_spans, table.text.tolist(), table.end.tolist()) == (0, [], [])
