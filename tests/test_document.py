"""Documents: columns that are their own, read-only, and the tuples that they become."""

from __future__ import annotations

import copy
import json
import pickle
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel.document import Document, Span, Spans, Word, Words
from lexel.errors import DataError
from lexel.text.sentences import split_sentences

TEXT = "今天去台北。"
LABELS = ("NOUN", "VERB")


@pytest.fixture
def words() -> Words:
    return Words(
        TEXT,
        [0, 2, 3, 5],
        [2, 3, 5, 6],
        pos_ids=[0, 1, 0, 0],
        pos_labels=LABELS,
        scores=[0.5, 0.25, 1, 0.125],
        pos_scores=[1, 0.5, 0.75, 0],
    )


@pytest.fixture
def spans() -> Spans:
    return Spans(TEXT, [3], [5], label_ids=[1], labels=("PER", "LOC"), scores=[0.5])


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[str], list[int], dict[str, object]]:
    """Texts, how many words each has, and columns over all of them."""
    counts = draw(st.lists(st.integers(0, 4), max_size=6))
    n = sum(counts)
    numbers = st.lists(st.integers(0, 9), min_size=n, max_size=n)
    values = st.none() | st.lists(st.floats(0, 1, width=32), min_size=n, max_size=n)
    starts = draw(numbers)
    columns: dict[str, object] = {"starts": starts, "ends": [start + 1 for start in starts]}
    columns |= {"scores": draw(values), "pos_scores": draw(values)}
    if draw(st.booleans()):
        ids = st.lists(st.integers(0, 1), min_size=n, max_size=n)
        columns |= {"pos_ids": draw(ids), "pos_labels": LABELS}
    return ["甲乙丙丁戊己庚辛壬癸" * (i + 1) for i in range(len(counts))], counts, columns


@given(batches())
@settings(deadline=None)
def test_words_made_together_equal_words_made_one_by_one(batch: tuple[list[str], list[int], dict[str, object]]) -> None:
    texts, counts, columns = batch
    bounds = np.append(0, np.cumsum(counts)).astype(np.int64)

    def alone() -> Iterator[Words]:
        for text, a, b in zip(texts, bounds, bounds[1:], strict=False):
            own = {name: values[a:b] if isinstance(values, list) else values for name, values in columns.items()}
            yield Words(text, **own)  # type: ignore[arg-type]

    together = list(Words.of_texts(texts, bounds, **columns))  # type: ignore[arg-type]
    assert together == list(alone())
    assert list(map(hash, together)) == list(map(hash, alone()))
    for one, other in zip(together, alone(), strict=True):
        for name in ("starts", "ends", "pos_ids", "scores", "pos_scores"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.pos_labels, one.pos, one.texts) == (other.pos_labels, other.pos, other.texts)


def test_spans_made_together_equal_spans_made_one_by_one(spans: Spans) -> None:
    (empty, found, last) = Spans.of_texts(
        ["", TEXT, TEXT],
        np.array([0, 0, 1, 3]),
        starts=[3, 0, 3],
        ends=[5, 2, 5],
        label_ids=[1, 0, 1],
        labels=spans.labels,
        scores=[0.5, 0.25, 1],
    )
    assert list(empty) == []
    assert found == spans
    assert list(last) == [Span(0, 2, "今天", "PER", 0.25), Span(3, 5, "台北", "LOC", 1.0)]


def test_iterating_indexing_and_slicing_give_the_same_words(words: Words) -> None:
    assert list(words) == [words[i] for i in range(4)] == words[:]
    assert words[1] == Word(2, 3, "去", "VERB", 0.25, 0.5)
    assert words[-1] == words[3]
    assert words[1:3] == [words[1], words[2]]
    assert words[::-2] == [words[3], words[1]]
    assert {type(word) for word in words} == {Word}


def test_iterating_and_indexing_give_the_same_spans(spans: Spans) -> None:
    assert list(spans) == [spans[0]] == spans[:] == [Span(3, 5, "台北", "LOC", 0.5)]


def test_fields_are_plain_numbers(words: Words, spans: Spans) -> None:
    for row in (*words, words[0], *spans, spans[0]):
        assert {type(value) for value in row} <= {int, float, str}


@pytest.mark.parametrize("index", [4, -5])
def test_there_is_no_word_past_the_last(words: Words, index: int) -> None:
    with pytest.raises(IndexError):
        words[index]


def test_what_was_not_predicted_is_none() -> None:
    plain = Words(TEXT, [0], [2])
    assert (plain.pos_ids, plain.pos, plain.scores, plain.pos_scores) == (None, None, None, None)
    assert list(plain) == [plain[0]] == [Word(0, 2, "今天")]


@pytest.mark.parametrize("name", ["starts", "ends", "pos_ids", "scores", "pos_scores"])
def test_columns_of_words_are_read_only(words: Words, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(words, name)[0] = 0
    with pytest.raises(AttributeError):
        setattr(words, name, [0])


@pytest.mark.parametrize("name", ["starts", "ends", "label_ids", "scores"])
def test_columns_of_spans_are_read_only(spans: Spans, name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(spans, name)[0] = 0


def test_the_callers_array_stays_the_callers() -> None:
    starts = np.array([0, 2], np.int32)
    words = Words(TEXT, starts, [2, 3])
    starts[0] = 1
    assert words.starts.tolist() == [0, 2]


def test_columns_have_the_types_that_they_say(words: Words, spans: Spans) -> None:
    assert {words.starts.dtype, words.ends.dtype, spans.label_ids.dtype} == {np.dtype(np.int32)}
    assert words.scores is not None
    assert words.scores.dtype == np.float32


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"starts \(2,\), ends \(1,\)"):
        Words(TEXT, [0, 2], [2])


@pytest.mark.parametrize("again", [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy])
def test_a_copy_is_equal_and_as_read_only(words: Words, spans: Spans, again: object) -> None:
    document = Document(TEXT, words, spans, id="a")
    copied = again(document)  # type: ignore[operator]
    assert copied == document
    assert hash(copied) == hash(document)
    assert (list(copied.words), list(copied.entities)) == (list(words), list(spans))
    assert hash(copied.words) == hash(words)
    assert not copied.words.starts.flags.writeable


def test_equal_words_and_spans_of_different_texts_have_equal_hashes() -> None:
    assert len({Words.of("ab c", [(0, 2)]), Words.of("ab d", [(0, 2)])}) == 1
    assert len({Spans.of("ab c", [(0, 2, "LOC")]), Spans.of("ab d", [(0, 2, "LOC")])}) == 1


def test_layers_say_what_is_there(words: Words, spans: Spans) -> None:
    assert Document(TEXT).layers == frozenset()
    assert Document(TEXT, Words(TEXT, [0], [1])).layers == {"words"}
    assert Document(TEXT, words, spans).layers == {"words", "pos", "entities"}


def test_a_kept_text_keeps_nothing_of_those_it_was_read_with() -> None:
    n_texts, n_words = 1000, 200
    n = n_texts * n_words
    columns = {"starts": np.zeros(n, np.int32), "ends": np.ones(n, np.int32), "scores": np.ones(n, np.float32)}
    bounds = np.arange(0, n + 1, n_words)
    tracemalloc.start()
    try:
        kept = list(Words.of_texts([TEXT] * n_texts, bounds, **columns))[::100]  # type: ignore[arg-type]
        bytes_kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 10
    assert bytes_kept / len(kept) < 12 * n_words + 1000


def test_a_slice_is_a_layer_with_columns(words: Words, spans: Spans) -> None:
    assert words[1:3].texts == ["去", "台北"]
    assert words[1:3].pos == ["VERB", "NOUN"]
    assert words[9:] == []
    assert isinstance(spans[:1], Spans)


def test_a_part_has_the_words_and_entities_that_lie_in_it(words: Words, spans: Spans) -> None:
    part = Document(TEXT, words, spans, id="a").part(1, 6)
    assert (part.text, part.id) == ("天去台北。", "a")
    assert part.words.texts == ["去", "台北", "。"]
    assert part.entities == [Span(2, 4, "台北", "LOC", 0.5)]
    assert all(part.text[word.start : word.end] == word.text for word in part.words)


def test_a_part_has_the_layers_of_its_document(words: Words) -> None:
    assert Document(TEXT).part(0, 2).layers == frozenset()
    assert Document(TEXT, words, sentences=split_sentences).part(0, 2).layers == {"words", "pos", "sentences"}


def test_a_dict_holds_what_json_takes_and_gives_the_document_back(words: Words, spans: Spans) -> None:
    document = Document(TEXT, words, spans, split_sentences, id="a")
    record = document.to_dict()
    assert json.loads(document.to_json()) == record
    assert Document.from_dict(record) == document
    assert Document.from_dict(record).sentences == document.sentences
    assert "\n" not in document.to_json()


def test_scores_come_back_to_the_last_bit() -> None:
    score = np.float32(1) / np.float32(3)
    document = Document(TEXT, Words(TEXT, [0], [2], scores=[score]))
    assert Document.from_dict(json.loads(document.to_json())).words.scores == [score]


def test_a_layer_that_is_absent_comes_back_absent() -> None:
    assert Document.from_dict(Document(TEXT).to_dict()).layers == frozenset()


def test_a_record_that_does_not_fit_its_text_is_a_data_error() -> None:
    with pytest.raises(DataError, match=r"record: words\[0\] is \[5, 9\]"):
        Document.from_dict({"text": "短", "words": [[5, 9]]})


def test_a_page_is_complete_and_shows_the_document(words: Words, spans: Spans) -> None:
    page = Document(TEXT, words, spans).to_html(title="台北")
    assert page.startswith("<!doctype html>")
    assert "<title>台北</title>" in page
    assert 'data-label="LOC"' in page


def test_show_prints_words_over_tags_over_entities(
    words: Words, spans: Spans, capsys: pytest.CaptureFixture[str]
) -> None:
    Document(TEXT, words, spans).show()
    assert capsys.readouterr().out.split() == ["今天", "去", "台北", "。", "NOUN", "VERB", "NOUN", "NOUN", "LOC─"]


def test_a_repr_is_short_however_long_the_document_is(words: Words, spans: Spans) -> None:
    assert repr(Document(TEXT, words, spans)) == "Document('今天去台北。', 4 words, 1 entity)"
    n = 10_000
    many = Spans.of("字" * n, [(i, i + 1, "LOC") for i in range(n)])
    long = Words.of("字" * n, [(0, n)])
    assert max(len(repr(layer)) for layer in (many, long, Document("字" * n, long, many))) < 150
