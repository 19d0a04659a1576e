"""Plain text and segmented text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given

from lexel.data import Loss, read_lines, read_segmented, write_lines, write_segmented
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.builders import documents, sentences


def rewritten(write, read, given_documents, **options) -> list[Document]:
    stream = io.BytesIO()
    write(given_documents, stream)
    stream.seek(0)
    return list(read(stream, **options))


@given(documents())
def test_a_text_comes_back_from_its_line(document: Document) -> None:
    assert rewritten(write_lines, read_lines, [document]) == [Document(document.text)]


def test_line_n_in_is_record_n_out() -> None:
    assert [document.text for document in read_lines(io.StringIO("a\n\n \n b \n"))] == ["a", "", " ", " b "]


@pytest.mark.parametrize(("text", "at"), [("ab\nc", 2), ("ab\r", 2), ("a\r\nb", 2)])
def test_a_text_with_a_line_end_is_refused(text: str, at: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"out.txt:2: the text has a line end at char {at}; expected one line"):
        write_lines([Document("fine"), Document(text)], tmp_path / "out.txt")


def test_plain_text_says_which_layers_it_leaves_out() -> None:
    document = Document("在北京", Words.of("在北京", [(0, 1), (1, 3)]), Spans.of("在北京", [(1, 3, "LOC")]))
    losses = write_lines([document, document], io.StringIO())
    assert list(map(str, losses)) == ["words: 4 not held by plain text", "entities: 2 not held by plain text"]


def test_a_text_stream_gets_text() -> None:
    stream = io.StringIO()
    write_lines([Document("漢"), Document("")], stream)
    assert stream.getvalue() == "漢\n\n"


@given(documents(line_ends=True))
def test_words_come_back_from_segmented_text(document: Document) -> None:
    if "words" not in document.layers:
        return
    (found,) = rewritten(write_segmented, read_segmented, [document])
    assert found.words.texts == document.words.texts


@pytest.mark.parametrize("line", ["他 在 北京", "他  在  北京  ", "他\u3000在\u3000北京", "\t他 在 \u3000北京"])
def test_any_blanks_set_words_apart(line: str) -> None:
    (document,) = read_segmented(io.StringIO(line + "\n"))
    assert (document.text, document.words.texts) == ("他在北京", ["他", "在", "北京"])


def test_a_joiner_stands_between_words() -> None:
    (document,) = read_segmented(io.StringIO("It 's   me\n"), joiner=" ")
    assert (document.text, document.words[1].start) == ("It 's me", 3)


def test_an_empty_line_is_a_document_without_words_but_with_the_layer() -> None:
    (document,) = read_segmented(io.StringIO("\n"))
    assert (document.text, document.layers) == ("", frozenset(("words",)))


def test_segmented_text_says_what_it_leaves_out() -> None:
    text = "It 's"
    words = Words(text, [0, 3], [2, 5], pos_ids=[0, 0], pos_labels=["X"], scores=[1, 1], pos_scores=[1, 1])
    losses = write_segmented([Document(text, words, Spans.of(text, [(0, 2, "PER")]))], io.StringIO())
    assert {loss.what: loss.count for loss in losses} == {
        "whitespace characters of the text": 1,
        "tags": 2,
        "entities": 1,
        "scores": 4,
    }
    assert losses[0] == Loss("whitespace characters of the text", 1, "segmented text")


def test_a_document_without_words_cannot_be_segmented_text() -> None:
    with pytest.raises(
        DataError, match=r"<stream>:1: document 's1' has no words; expected words; run it through a model"
    ):
        write_segmented([Document("在北京", id="s1")], io.StringIO())


def test_characters_in_no_word_are_never_dropped() -> None:
    with pytest.raises(DataError, match="the document has '北京' at chars 1 to 3 in no word"):
        write_segmented([Document("在北京", Words.of("在北京", [(0, 1)]))], io.StringIO())


def test_a_word_with_whitespace_cannot_be_segmented_text() -> None:
    with pytest.raises(DataError, match=r":2: word 'New York' holds whitespace"):
        write_segmented([Document(""), Document("New York", Words.of("New York", [(0, 8)]))], io.StringIO())


def test_real_sentences_come_back_from_segmented_text() -> None:
    found = rewritten(write_segmented, read_segmented, sentences())
    assert [document.words.texts for document in found] == [document.words.texts for document in sentences()]
