"""CoNLL columns, as they are in the wild and as they are written."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lexel.data import Losses, read_conll, write_conll
from lexel.data.tags import TAG_SCHEMES
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.builders import DOCUMENT, TEXT, documents, sentences


def read(text: str, **options) -> list[Document]:
    return list(read_conll(io.StringIO(text), **options))


def written(*given_documents: Document, **options) -> str:
    stream = io.StringIO()
    write_conll(given_documents, stream, **options)
    return stream.getvalue()


@given(documents(full=True), st.sampled_from(TAG_SCHEMES))
def test_a_document_comes_back_whole_with_comments(document: Document, scheme: str) -> None:
    assume("\t" not in document.text)
    text = written(document, comments=True, scheme=scheme)
    assert read(text, scheme=scheme) == [document]


@given(documents(line_ends=True, full=True), st.sampled_from(["\t", " "]))
def test_words_and_tags_come_back_without_comments(document: Document, separator: str) -> None:
    (found,) = read(written(document, separator=separator))
    assert (found.words.texts, found.words.pos) == (document.words.texts, document.words.pos)
    assert [span.label for span in found.entities] == [span.label for span in document.entities]


def test_rows_are_written_with_the_columns_that_the_first_document_has() -> None:
    assert written(DOCUMENT) == (
        "約翰\tPROPN\tB-PER\n在\tADP\tO\nNew\tPROPN\tB-LOC\nYork\tPROPN\tI-LOC\n。\tPUNCT\tO\n\n"
    )


def test_comments_carry_the_name_and_the_text() -> None:
    assert written(DOCUMENT, comments=True).startswith(f"# sent_id = s1\n# text = {TEXT}\n約翰\t")


def test_characters_can_be_the_rows() -> None:
    assert written(DOCUMENT, unit="chars", scheme="BIOES").split() == [
        *("約", "B-PER", "翰", "E-PER", "在", "O", "N", "B-LOC", "e", "I-LOC", "w", "I-LOC"),
        *("Y", "I-LOC", "o", "I-LOC", "r", "I-LOC", "k", "E-LOC", "。", "O"),
    ]


def test_entities_without_words_are_written_by_characters() -> None:
    document = Document("在北京", entities=Spans.of("在北京", [(1, 3, "LOC")]))
    assert written(document, unit="chars") == "在\tO\n北\tB-LOC\n京\tI-LOC\n\n"


def test_columns_can_be_chosen() -> None:
    assert written(DOCUMENT, columns=("word", "-", "tag"), separator=" ").startswith("約翰 _ B-PER\n在 _ O\n")


def test_what_columns_do_not_hold_is_said() -> None:
    words = Words("a  b", [0, 3], [1, 4], scores=[1, 1])
    losses = write_conll([Document("a  b", words, id="x"), Document(""), Document(" ")], io.StringIO())
    assert {loss.what: loss.count for loss in losses} == {
        "scores": 2,
        "names of documents": 1,
        "texts whose whitespace does not follow from the words": 1,
        "empty documents": 2,
    }


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ("在\n\n", ("word",)),
        ("在 O\n\n", ("word", "tag")),
        ("在\tADP\tO\n\n", ("word", "pos", "tag")),
        ("在 ADP I-PP O\n\n", ("word", "pos", "-", "tag")),
    ],
)
def test_columns_are_told_by_their_number(rows: str, columns: tuple[str, ...]) -> None:
    (document,) = read(rows)
    assert document.words.texts == ["在"]
    assert ("pos" in document.layers, "entities" in document.layers) == ("pos" in columns, "tag" in columns)


def test_the_file_of_conll_2003_is_read() -> None:
    losses = Losses()
    mark = "-DOCSTART- -X- -X- O\n\n"
    text = f"{mark}EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n{mark}Peter NNP B-NP B-PER\n"
    first, second = read(text, losses=losses)
    assert (first.text, first.words.pos, first.entities[0].label) == ("EU rejects", ["NNP", "VBZ"], "ORG")
    assert (second.text, len(second.entities)) == ("Peter", 1)
    assert {loss.what: loss.count for loss in losses} == {"-DOCSTART- lines": 2, "cells of other columns": 3}


def test_a_file_of_universal_ner_is_read() -> None:
    text = "# sent_id = 7\n# text = It's Rome\n1\tIt\tO\t-\tx\n2\t's\tO\t-\tx\n3\tRome\tB-LOC\t-\tx\n"
    (document,) = read(text, columns=("-", "word", "tag", "-", "-"))
    assert (document.text, document.id) == ("It's Rome", "7")
    assert [(span.text, span.start) for span in document.entities] == [("Rome", 5)]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("The end .", "The end ."),
        ("我 爱 你", "我爱你"),
        ("iPhone 手机 Pro Max", "iPhone手机Pro Max"),
        ("ฉัน รัก", "ฉันรัก"),
        ("한국 사람", "한국 사람"),
    ],
)
def test_a_text_is_put_together_by_the_scripts_of_its_words(words: str, text: str) -> None:
    (document,) = read("".join(f"{word}\tO\n" for word in words.split()))
    assert document.text == text


def test_a_joiner_overrules_the_scripts() -> None:
    assert [document.text for document in read("a O\nb O\n", joiner="")] == ["ab"]


@pytest.mark.parametrize(
    "rows", ["#\tO\na\tO\n", "# O\na O\n", "#tag = O\n", "#1\nb\n", "#a=b\nb\n", "a\tO\n\n# a = b\tO\n"]
)
def test_a_word_that_begins_with_a_hash_is_a_word(rows: str) -> None:
    *_, document = read(rows)
    assert document.words[0].text.startswith("#")


def test_a_hash_is_a_word_in_a_file_of_one_column() -> None:
    (document,) = read("#\nb\n", columns=("word",), separator="\t")
    assert document.words.texts == ["#", "b"]


@pytest.mark.parametrize("comment", ["# sent_id = 1", "# newdoc", "# newpar", "# global.columns = WORD TAG"])
@pytest.mark.parametrize("separator", ["\t", " "])
def test_a_comment_is_no_row(comment: str, separator: str) -> None:
    (document,) = read(f"{comment}\na{separator}O\n")
    assert document.words.texts == ["a"]


@pytest.mark.parametrize(
    ("rows", "options", "problem"),
    [
        (
            "a\tO\nb\tX\tO\n",
            {},
            "2: 3 columns, expected 2 (word, tag). If the file has more, pass columns=('word', '-', 'tag')",
        ),
        ("a\tO\nb\n", {}, "2: 1 column, expected 2 (word, tag). Mend the row, or name the separator"),
        ("a\tX\tO\nb\tO\n", {}, "2: 2 columns, expected 3 (word, pos, tag). Mend the row, or name the separator"),
        (
            "a b c d e f\n",
            {},
            "1: 6 columns, expected 1 to 4; say what they are, as in columns=('word', '-', 'pos', '-', 'tag')",
        ),
        ("a\tO\n\tO\n", {}, "2: the word is empty; expected a word in every row"),
        (
            "a O\n\nb I-X\n",
            {},
            "3: tag 'I-X' is not allowed here in scheme BIO; expected 'B-X'; name another scheme or repair",
        ),
        (
            "a O\nb NOUN\n",
            {},
            "2: tag 'NOUN' is not in scheme BIO; expected O, B-TYPE, I-TYPE; name another scheme or column",
        ),
        ("# text = a c\na\tO\nb\tO\n", {}, "1: # text = 'a c' is not what the words 'a b' spell"),
    ],
)
def test_a_broken_file_is_named_with_its_line(rows: str, options: dict[str, str], problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read(rows, **options)
    assert str(caught.value) == f"<stream>:{problem}"


def test_repair_takes_ill_formed_tags() -> None:
    (document,) = read("a O\nb I-X\nc I-X\n", repair=True)
    assert [span.text for span in document.entities] == ["b c"]


def test_repair_counts_the_tags_that_it_changed() -> None:
    losses = Losses()
    read("a O\nb I-X\nc I-X\n\nd B-X\ne I-Y\nf O\n", repair=True, losses=losses)
    assert [(loss.what, loss.count) for loss in losses] == [("ill-formed tags", 2)]


@pytest.mark.parametrize("columns", [("word", "ner"), ("tag",), ("word", "word"), ("word", "tag", "tag")])
def test_columns_that_say_nothing_are_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="expected one word, at most one pos and one tag, and - for the others"):
        read("a O\n", columns=columns)


CUT = Document("北京市", Words.of("北京市", [(0, 2), (2, 3)]), Spans.of("北京市", [(1, 3, "LOC")]))
NESTED = Document("北京市", Words.of("北京市", [(0, 2), (2, 3)]), Spans.of("北京市", [(0, 2, "LOC"), (0, 3, "ORG")]))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (CUT, "entity '京市' at chars 1 to 3 (LOC) does not consist of whole words"),
        (NESTED, "entity '北京' at chars 0 to 2 (LOC) lies over another"),
    ],
)
def test_an_entity_that_tags_cannot_say_is_an_error(document: Document, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        written(document)
    assert str(caught.value).startswith(f"<stream>:1: {problem}; expected entities of whole words")


@pytest.mark.parametrize(
    ("document", "rule", "tags", "loss"),
    [
        (CUT, "drop", ["O", "O"], "entities that cut words or overlap"),
        (CUT, "widen", ["B-LOC", "I-LOC"], "exact offsets of entities"),
        (NESTED, "drop", ["B-ORG", "I-ORG"], "entities that cut words or overlap"),
        (NESTED, "widen", ["B-ORG", "I-ORG"], "entities that cut words or overlap"),
    ],
)
def test_such_an_entity_can_be_dropped_or_widened_and_is_said(document, rule, tags, loss) -> None:
    stream = io.StringIO()
    losses = write_conll([document], stream, off_words=rule)
    assert [row.split("\t")[1] for row in stream.getvalue().split("\n") if row] == tags
    assert (losses[0].what, losses[0].count) == (loss, 1)


def test_an_entity_of_whitespace_alone_cannot_be_widened() -> None:
    stream = io.StringIO()
    document = Document("a b", Words.of("a b", [(0, 1), (2, 3)]), Spans.of("a b", [(1, 2, "X")]))
    (loss,) = write_conll([document], stream, off_words="widen")
    assert (stream.getvalue(), loss.count) == ("a\tO\nb\tO\n\n", 1)


def test_a_document_without_a_layer_that_has_a_column_is_an_error() -> None:
    plain = Document("a", Words.of("a", [(0, 1)]))
    with pytest.raises(DataError, match=r"<stream>:7: a document without pos in a file with a column of them"):
        written(DOCUMENT, plain)


@pytest.mark.parametrize("word", ["a\tb", "a\u2028b", "-DOCSTART-"])
def test_a_word_that_cannot_be_a_cell_is_an_error(word: str) -> None:
    with pytest.raises(DataError, match=r"<stream>:1: word .* cannot be a cell"):
        written(Document(word, Words.of(word, [(0, len(word))])))


def test_real_sentences_come_back_from_columns() -> None:
    text = written(*sentences(), comments=True, scheme="BILOU")
    assert read(text, scheme="BILOU") == sentences()


@pytest.mark.parametrize(
    "first", ["# newdoc", "# newdoc id = weibo-1", "# newpar", "# newpar id = 3", "# global.columns = ID"]
)
def test_a_comment_may_be_the_first_line(first: str) -> None:
    (document,) = read_conll(io.StringIO(f"{first}\n我\tO\n在\tO\n"))
    assert document.words.texts == ["我", "在"]


def test_tabs_at_the_end_of_rows_are_no_columns() -> None:
    (document,) = read_conll(io.StringIO("我\tB-PER\t\n在\tO\n家\tO\t\t\n"))
    assert document.words.texts == ["我", "在", "家"]
    assert [span.text for span in document.entities] == ["我"]


@pytest.mark.parametrize("ending", ["bioes", "bmes"])
def test_an_ending_says_the_scheme(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text("我 S-PER\n臺 B-LOC\n北 E-LOC\n", encoding="utf-8")
    (document,) = read_conll(path)
    assert [span.text for span in document.entities] == ["我", "臺北"]
