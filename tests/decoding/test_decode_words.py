"""Words tile a text by one rule, whatever the pieces, the model and the lexicon say."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lexel.decoding.lexicon import Entry, Lexicon
from lexel.decoding.words import (
    WordTable,
    decode_pos,
    decode_word_begins,
    decode_words,
    joined_by,
    mean_over,
    pieces_of_words,
    words_by_piece,
)
from lexel.labels import detect

LABEL_SETS = [
    detect(("B", "I")),
    detect(("S", "M", "B", "E")),
    detect(("B-N", "I-N", "B-V", "I-V")),
    detect(("B-N", "I-N", "E-N", "S-N", "B-V", "I-V", "E-V", "S-V")),
    detect(("B-N", "I-N", "I-V"), scheme="IOB1"),
]
BMES = LABEL_SETS[1]


def plain_words(begins, black, covered):
    """The tiling rule for one text, a character at a time."""
    runs = [list(group) for is_black, group in itertools.groupby(range(len(black)), lambda i: black[i]) if is_black]
    words = []
    for run in runs:
        seen_covered = False
        words.append([run[0], run[0] + 1])
        for i in run:
            if i > run[0]:
                if begins[i] and covered[i] and (seen_covered or covered[run[0]]):
                    words.append([i, i + 1])
                words[-1][1] = i + 1
            seen_covered |= covered[i]
    return [tuple(word) for word in words]


def codes_of(texts):
    return np.array([ord(char) for char in "".join(texts)], np.uint32)


def bounds_of(texts):
    return np.append(0, np.cumsum([len(text) for text in texts])).astype(np.int64)


def spaces_of(texts):
    return np.array([char.isspace() for char in "".join(texts)], bool)


def in_own_text(table, bounds):
    shift = bounds[table.text]
    return list(zip(table.text.tolist(), (table.start - shift).tolist(), (table.end - shift).tolist(), strict=True))


masks = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()), max_size=9)


@settings(max_examples=300)
@given(st.lists(masks, min_size=1, max_size=3))
def test_words_follow_the_tiling_rule(texts):
    rows = np.array([row for text in texts for row in text], bool).reshape(-1, 4)
    begins, space, joined, covered = rows.T
    bounds = bounds_of(texts)
    table = decode_words(begins, space, bounds, joined=joined & space, covered=covered)
    expected = [
        (text, *word)
        for text, (start, end) in enumerate(itertools.pairwise(bounds.tolist()))
        for word in plain_words(begins[start:end], (~space | joined)[start:end], covered[start:end])
    ]
    assert in_own_text(table, bounds) == expected


@settings(max_examples=100)
@given(masks)
def test_words_tile_what_is_not_whitespace(rows):
    begins, space, _, covered = np.array(rows, bool).reshape(-1, 4).T
    table = decode_words(begins, space, np.array([0, len(space)]), covered=covered)
    tiled = [i for start, end in zip(table.start.tolist(), table.end.tolist(), strict=True) for i in range(start, end)]
    assert tiled == np.flatnonzero(~space).tolist()


@pytest.mark.parametrize(
    ("text", "begins", "expected"),
    [
        ("ab\u200bcd", "1 0 0 1 0", ["ab\u200b", "cd"]),
        ("\u200bab", "0 1 1", ["\u200ba", "b"]),
        ("a \u200b b", "1 1 1 1 1", ["a", "\u200b", "b"]),
        ("a \u200bb", "1 1 1 1", ["a", "\u200bb"]),
        ("ab\ncd", "0 0 0 0 0", ["ab", "cd"]),
        ("", "", []),
        (" \n\t", "1 1 1", []),
    ],
)
def test_dropped_characters_join_the_word_before_else_after_else_form_one(text, begins, expected):
    flags = np.array([flag == "1" for flag in begins.split()], bool)
    covered = np.array([char != "\u200b" for char in text], bool)
    table = decode_words(flags, spaces_of([text]), bounds_of([text]), covered=covered)
    assert [text[start:end] for start, end in zip(table.start, table.end, strict=True)] == expected


def test_a_word_begins_on_the_first_character_of_its_piece():
    piece_of_char = np.array([0, 0, -1, 1, 1, 2], np.int32)
    begins = words_by_piece(np.array([True, True, False]), piece_of_char)
    assert begins.tolist() == [True, False, False, True, False, False]


# --- with a model and a lexicon


@st.composite
def cases(draw):
    """Texts, their pieces, and entries that are likely to stand in them."""
    alphabet = st.text("甲乙丙a \u200b\n", max_size=8)
    texts = draw(st.lists(alphabet, min_size=1, max_size=3))
    piece_of_char, bounds, n_pieces = [], [0], 0
    for text in texts:
        open_piece = False
        for char in text:
            if char == "\u200b" or (char.isspace() and draw(st.booleans())):
                piece_of_char.append(-1)
                open_piece = False
                continue
            if not open_piece or draw(st.booleans()):
                n_pieces += 1
                open_piece = True
            piece_of_char.append(n_pieces - 1)
        bounds.append(n_pieces)
    word = st.text("甲乙丙a \u200b", min_size=1, max_size=3).filter(lambda word: word == word.strip())
    entry = st.builds(Entry, word, st.sampled_from(["force", "prefer"]), st.sampled_from([0.5, 30.0]))
    entries = draw(st.lists(entry, max_size=4, unique_by=lambda entry: entry.word))
    return texts, np.array(piece_of_char, np.int32), np.array(bounds, np.int64), entries


def decode(texts, piece_of_char, piece_bounds, scores, *, label_set, entries, method="viterbi"):
    bounds, space = bounds_of(texts), spaces_of(texts)
    matches = Lexicon(entries).find(codes_of(texts), bounds)
    found = decode_word_begins(
        scores,
        label_set,
        piece_bounds=piece_bounds,
        piece_of_char=piece_of_char,
        space=space,
        matches=matches,
        method=method,
    )
    table = decode_words(found.begins, space, bounds, joined=found.joined, covered=found.covered)
    return table, matches, found


@pytest.mark.parametrize("method", ["viterbi", "argmax"])
@pytest.mark.parametrize("label_set", LABEL_SETS, ids=lambda label_set: label_set.description)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_pieces_scores_and_entries_give_words_that_tile_the_text(label_set, method, data):
    texts, piece_of_char, piece_bounds, entries = data.draw(cases())
    shape = (int(piece_bounds[-1]), len(label_set))
    scores = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(-8, 8, width=32)))
    table, matches, found = decode(
        texts, piece_of_char, piece_bounds, scores, label_set=label_set, entries=entries, method=method
    )
    text = "".join(texts)
    tiled = np.zeros(len(text), int)
    for start, end in zip(table.start.tolist(), table.end.tolist(), strict=True):
        tiled[start:end] += 1
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
    assert (tiled == (~spaces_of(texts) | found.joined)).all()
    assert (np.diff(table.start) > 0).all()
    assert (table.end <= bounds_of(texts)[table.text + 1]).all()
    assert found.unit_of_char.max(initial=-1) < len(found.tags) == len(found.probs)
    assert ((found.probs >= 0) & (found.probs <= 1 + 1e-6)).all()
    assert_forced_are_words(text, table, matches)


def assert_forced_are_words(text, table, matches):
    """A forced match is a word, but that dropped characters beside it may have joined it."""
    words = [text[start:end] for start, end in zip(table.start.tolist(), table.end.tolist(), strict=True)]
    spans = list(zip(table.start.tolist(), table.end.tolist(), strict=True))
    for start, end, weight in zip(*(column.tolist() for column in matches), strict=True):
        if weight == np.inf:
            [i] = [i for i, (low, high) in enumerate(spans) if low <= start < high]
            assert spans[i][0] + len(words[i]) == spans[i][1] >= end
            assert text[spans[i][0] : start].strip("\u200b") == ""
            assert text[end : spans[i][1]].strip("\u200b") == ""


def char_case(text, label_set, *, seed=0):
    """A text in character mode with scores that are all alike but for a little noise."""
    scores = np.random.default_rng(seed).normal(size=(len(text), len(label_set))).astype(np.float32) * 0.01
    return [text], np.arange(len(text), dtype=np.int32), np.array([0, len(text)]), scores


def words_with(entries, text, label_set, scores=None, **options):
    texts, pieces, bounds, noise = char_case(text, label_set)
    scores = noise if scores is None else scores
    table, *_ = decode(texts, pieces, bounds, scores, label_set=label_set, entries=entries, **options)
    return [text[start:end] for start, end in zip(table.start, table.end, strict=True)]


def certain(label_set, tags, strength):
    """Scores that favour given tags by so many nats."""
    scores = np.zeros((len(tags), len(label_set)), np.float32)
    scores[np.arange(len(tags)), [label_set.labels.index(tag) for tag in tags]] = strength
    return scores


def test_a_forced_word_beats_a_certain_model():
    scores = certain(BMES, "BMMMME", 1000)
    assert words_with([Entry("乙丙")], "甲乙丙丁戊己", BMES, scores) == ["甲", "乙丙", "丁戊己"]


def test_a_preferred_word_beats_a_model_that_is_less_sure():
    scores = certain(BMES, "SSS", 1)
    assert words_with([Entry("甲乙", "prefer", 3)], "甲乙丙", BMES, scores) == ["甲乙", "丙"]


def test_a_preferred_word_yields_to_a_model_that_is_surer():
    scores = certain(BMES, "SSS", 10)
    assert words_with([Entry("甲乙", "prefer", 3)], "甲乙丙", BMES, scores) == ["甲", "乙", "丙"]


def test_a_preference_counts_once_for_each_boundary_it_speaks_of():
    label_set = detect(("B", "I"))
    scores = certain(label_set, "BIII", 1)
    just_too_little, enough = 0.9, 1.1
    assert words_with([Entry("乙", "prefer", just_too_little)], "甲乙丙丁", label_set, scores) == ["甲乙丙丁"]
    assert words_with([Entry("乙", "prefer", enough)], "甲乙丙丁", label_set, scores) == ["甲", "乙", "丙丁"]


def test_the_words_beside_a_forced_one_are_decoded_anew():
    scores = certain(BMES, "BEBE", 5)
    assert words_with([Entry("乙丙")], "甲乙丙丁", BMES, scores) == ["甲", "乙丙", "丁"]


def test_whitespace_belongs_to_a_forced_word_that_holds_it():
    label_set, text = detect(("B", "I")), "in New York now"
    scores = certain(label_set, "B" + "I" * (len(text) - 1), 5)
    assert words_with([Entry("New York")], text, label_set, scores) == ["in", "New York", "now"]


def test_whitespace_ends_a_preferred_word_that_the_model_parts():
    label_set = detect(("B", "I"))
    scores = certain(label_set, "BIIBBII", 50)
    assert words_with([Entry("New Yor", "prefer")], "New Yor", label_set, scores) == ["New", "Yor"]


def piece_case(label_set, strings, tags, strength=3.0):
    """Pieces of several characters without spaces, with scores that favour given tags."""
    text = "".join(strings)
    piece_of_char = np.repeat(np.arange(len(strings)), [len(s) for s in strings]).astype(np.int32)
    return [text], piece_of_char, np.array([0, len(strings)]), certain(label_set, tags, strength)


def test_a_forced_word_that_begins_with_a_dropped_character_stays_whole_after_another():
    label_set, text = detect(("B", "I")), "\u200ba\u200ba"
    pieces, bounds, scores = np.array([-1, 0, -1, 1], np.int32), np.array([0, 2]), np.zeros((2, 2), np.float32)
    table, *_ = decode([text], pieces, bounds, scores, label_set=label_set, entries=["\u200ba"])
    assert list(zip(table.start.tolist(), table.end.tolist(), strict=True)) == [(0, 2), (2, 4)]


def test_a_forced_word_cuts_pieces_it_ends_in():
    label_set = detect(("B", "I"))
    case = piece_case(label_set, ["ab", "cd", "ef"], ["B", "I", "I"])
    table, *_ = decode(*case, label_set=label_set, entries=["bc"])
    assert list(zip(table.start.tolist(), table.end.tolist(), strict=True)) == [(0, 1), (1, 3), (3, 6)]


def test_a_forced_word_may_cut_one_piece_twice():
    case = piece_case(BMES, ["x", "abcd", "y"], ["B", "M", "E"])
    table, _, found = decode(*case, label_set=BMES, entries=["bc"])
    assert list(zip(table.start.tolist(), table.end.tolist(), strict=True)) == [(0, 2), (2, 4), (4, 6)]
    assert [BMES.labels[tag] for tag in found.tags] == ["B", "E", "S", "B", "E"]


def test_a_part_of_a_piece_keeps_what_its_piece_says_of_the_side_they_share():
    case = piece_case(BMES, ["x", "ab", "y"], ["S", "S", "S"])
    _, _, found = decode(*case, label_set=BMES, entries=["b"])
    sure = float(np.exp(3) / (np.exp(3) + 3))
    begins = sure + (1 - sure) / 3  # S or B
    assert found.probs[1] == pytest.approx(begins, abs=1e-5)


@pytest.mark.parametrize(("tag", "expected"), [("B", [(0, 1), (1, 3)]), ("S", [(0, 1), (1, 2), (2, 3)])])
def test_the_last_part_of_a_piece_keeps_what_its_piece_says_of_its_end(tag, expected):
    texts, pieces, bounds, scores = piece_case(BMES, ["ab", "c"], [tag, "E"])
    scores[1] /= 6  # the second piece is not sure that it goes on
    table, *_ = decode(texts, pieces, bounds, scores, label_set=BMES, entries=["a"])
    assert list(zip(table.start.tolist(), table.end.tolist(), strict=True)) == expected


def test_a_preferred_word_that_ends_inside_a_piece_is_passed_over():
    label_set = detect(("B", "I"))
    case = piece_case(label_set, ["x", "ab", "cd"], ["B", "I", "I"], strength=0.1)
    table, *_ = decode(*case, label_set=label_set, entries=[Entry("bc", "prefer", 100)])
    assert table.n_words == 1


def test_a_piece_that_begins_with_its_space_is_not_cut_at_its_word():
    label_set = detect(("B", "I"))
    pieces, bounds = np.array([0, 0, 1, 1, 1], np.int32), np.array([0, 2])  # "in", "▁on"
    table, _, found = decode(
        ["in on"], pieces, bounds, certain(label_set, "BB", 3), label_set=label_set, entries=["on"]
    )
    assert len(found.tags) == 2
    assert list(zip(table.start.tolist(), table.end.tolist(), strict=True)) == [(0, 2), (3, 5)]


def test_types_reach_every_part_of_a_cut_piece():
    label_set = detect(("B-N", "I-N", "B-V", "I-V"))
    case = piece_case(label_set, ["ab", "c"], ["B-V", "B-N"])
    _, _, found = decode(*case, label_set=label_set, entries=["b"])
    assert [label_set.labels[tag] for tag in found.tags] == ["B-V", "B-V", "B-N"]


def test_a_lexicon_without_matches_changes_nothing():
    texts, pieces, bounds, scores = char_case("甲乙丙丁", BMES)
    without, *_ = decode(texts, pieces, bounds, scores, label_set=BMES, entries=[])
    beside, *_ = decode(texts, pieces, bounds, scores, label_set=BMES, entries=["戊"])
    assert [column.tolist() for column in without] == [column.tolist() for column in beside]


def test_only_matches_without_a_begin_within_join_their_whitespace():
    matches = Lexicon(["a b", "c d"]).find(codes_of(["a b c d"]), np.array([0, 7]))
    begins = np.array([1, 0, 0, 0, 1, 0, 1], bool)
    assert np.flatnonzero(joined_by(begins, matches, space=spaces_of(["a b c d"]))).tolist() == [1]


# --- from words back to pieces


def test_a_words_pieces_are_those_its_characters_are_in():
    piece_of_char = np.array([0, 0, 1, -1, -1, 2, 2], np.int32)
    words = WordTable(np.array([0, 1, 4, 5, 6]), np.array([1, 4, 5, 6, 7]), np.zeros(5, np.int64))
    first, end = pieces_of_words(words, piece_of_char)
    assert (end - first).tolist() == [1, 2, 0, 1, 1]
    assert first[[0, 1, 3, 4]].tolist() == [0, 0, 2, 2]


def test_pieces_that_share_their_characters_with_another_count_between_two():
    piece_of_char = np.array([0, 3], np.int32)  # pieces 1 and 2 hold the rest of the first character's bytes
    words = WordTable(np.array([0]), np.array([2]), np.array([0]))
    assert [int(edge[0]) for edge in pieces_of_words(words, piece_of_char)] == [0, 4]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)).map(sorted), max_size=6))
def test_means_are_those_of_each_range(ranges):
    values = np.array([0.5, 1, 0.25, 0, 0.75], np.float32)
    starts, ends = np.array(ranges, np.int64).reshape(-1, 2).T
    expected = [values[start:end].mean() if end > start else 0 for start, end in ranges]
    assert mean_over(values, starts, ends).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_mean_of_rows_is_taken_column_by_column():
    values = np.array([[0, 1], [1, 0], [1, 1]], np.float32)
    assert mean_over(values, np.array([0, 2]), np.array([2, 2])).tolist() == [[0.5, 0.5], [0, 0]]


POS_SCORES = np.log(np.array([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3]], np.float32))


@pytest.mark.parametrize(
    ("word_label", "labels", "probs"), [("first", [0, 0], [0.6, 0.7]), ("mean", [1, 0], [0.65, 0.7])]
)
def test_a_words_label_is_that_of_its_first_piece_or_of_the_mean(word_label, labels, probs):
    found, sure = decode_pos(POS_SCORES, np.array([0, 2]), np.array([2, 3]), word_label=word_label)
    assert found.tolist() == labels
    assert sure.tolist() == pytest.approx(probs, abs=1e-5)


@pytest.mark.parametrize("word_label", ["first", "mean"])
def test_a_word_in_no_piece_has_no_label(word_label):
    found, sure = decode_pos(POS_SCORES, np.array([0, 3]), np.array([1, 3]), word_label=word_label)
    assert (found.tolist(), sure[1]) == ([0, -1], 0)


def test_a_batch_without_pieces_gives_no_words():
    piece_of_char, bounds, scores = np.array([-1], np.int32), np.zeros(3, np.int64), np.zeros((0, 2), np.float32)
    table, *_ = decode(["", " "], piece_of_char, bounds, scores, label_set=LABEL_SETS[0], entries=["a"])
    assert table.n_words == 0
