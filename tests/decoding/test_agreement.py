"""Words and entities that are best together, against an oracle that tries every pair of readings."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lexel.decoding.agreement import decode_with_words, recut
from lexel.decoding.lexicon import Lexicon
from lexel.decoding.words import decode_word_begins
from lexel.labels import detect

WORDS = detect(("B", "I"))
ENTITIES = [
    detect(("O", "B-X", "I-X")),
    detect(("O", "B-X", "I-X", "B-Y", "I-Y")),
    detect(("O", "B-X", "I-X", "E-X", "S-X")),
    detect(("I-X", "O", "I-Y"), scheme="IOB1"),
]
numbers = st.one_of(st.sampled_from([-4.0, -1.0, 0.0, 1.0, 2.0]), st.floats(-9, 9, width=32))


def read(word_scores, entity_scores, label_set, bounds, *, text=None, lexicon=None):
    """Word begins by character (a piece each) and tags, by the code that is tested."""
    chars = np.arange(len(word_scores), dtype=np.int32)
    codes = np.frombuffer((text or "x" * len(chars)).encode("utf-32-le"), np.uint32)
    space = np.zeros(len(chars), bool)
    matches = None if lexicon is None else lexicon.find(codes, bounds)
    found = decode_word_begins(
        word_scores, WORDS, piece_bounds=bounds, piece_of_char=chars, space=space, matches=matches
    )
    tags = decode_with_words(entity_scores, bounds, label_set, odds=found.odds)
    return recut(found, tags, bounds, label_set, words=WORDS, piece_of_char=chars), tags


def worth_of(begins, tags, word_scores, entity_scores, label_set):
    """The sum of scores of a pair of readings of one text; minus infinity if they may not stand together."""
    outside, edges = len(label_set), label_set.unit_edges
    allowed = all(label_set.allowed[a, b] for a, b in itertools.pairwise((outside, *tags, outside)))
    agrees = all(begins[i] or not edges[tags[i - 1], tags[i]] for i in range(1, len(tags)))
    if not (allowed and agrees and begins[0]):
        return -np.inf
    of_words = sum(float(word_scores[i, 0 if begin else 1]) for i, begin in enumerate(begins))
    return of_words + sum(float(entity_scores[i, tag]) for i, tag in enumerate(tags))


def best_worth(word_scores, entity_scores, label_set):
    n = len(word_scores)
    pairs = itertools.product(
        itertools.product([True, False], repeat=n), itertools.product(range(len(label_set)), repeat=n)
    )
    return max(worth_of(begins, tags, word_scores, entity_scores, label_set) for begins, tags in pairs)


@pytest.mark.parametrize("label_set", ENTITIES, ids=lambda label_set: f"{label_set.scheme}-{len(label_set)}")
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_pair_that_is_found_is_worth_as_much_as_the_best_of_all(label_set, data):
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    bounds = np.append(0, np.cumsum(lengths)).astype(np.int64)
    word_scores = data.draw(arrays.arrays(np.float32, (int(bounds[-1]), 2), elements=numbers))
    entity_scores = data.draw(arrays.arrays(np.float32, (int(bounds[-1]), len(label_set)), elements=numbers))
    found, tags = read(word_scores, entity_scores, label_set, bounds)
    for start, end in itertools.pairwise(bounds):
        of_text = word_scores[start:end], entity_scores[start:end], label_set
        assert worth_of(found.begins[start:end], tags[start:end], *of_text) == pytest.approx(
            best_worth(*of_text), abs=1e-4
        )


def test_a_long_text_has_no_entity_edge_inside_a_word():
    random = np.random.default_rng(3)
    word_scores, entity_scores = (random.normal(size=(3000, n)).astype(np.float32) * 3 for n in (2, 5))
    label_set, bounds = ENTITIES[1], np.array([0, 1000, 3000])
    found, tags = read(word_scores, entity_scores, label_set, bounds)
    edges = np.flatnonzero(label_set.unit_edges[tags[:-1], tags[1:]]) + 1
    assert len(edges) > 500
    assert found.begins[edges].all()
    assert (found.tags[edges] == 0).all()


def test_a_word_that_an_entity_cuts_has_the_score_of_the_cut():
    word_scores = np.array([[2, 0], [0, 1], [0, 2]], np.float32)
    entity_scores = np.array([[0, 5, 0], [5, 0, 0], [5, 0, 0]], np.float32)
    found, tags = read(word_scores, entity_scores, ENTITIES[0], np.array([0, 3]))
    assert found.begins.tolist() == [True, True, False]
    assert tags.tolist() == [1, 0, 0]
    assert found.probs[1] == pytest.approx(1 / (1 + np.exp(1)))


def test_no_entity_begins_or_ends_inside_a_forced_word():
    word_scores = np.zeros((4, 2), np.float32)
    entity_scores = np.array([[9, 0, 0], [0, 9, 0], [9, 0, 0], [9, 0, 0]], np.float32)
    lexicon = Lexicon(["天下"])
    found, tags = read(word_scores, entity_scores, ENTITIES[0], np.array([0, 4]), text="他天下人", lexicon=lexicon)
    assert found.begins.tolist() == [True, True, False, True]
    assert tags.tolist() in ([0, 1, 2, 0], [0, 0, 0, 0])
