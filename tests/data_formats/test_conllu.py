"""CoNLL-U: what Universal Dependencies publishes, and what is written."""

from __future__ import annotations

import io

import pytest
from hypothesis import given

from lexel.data import Losses, read_conllu, write_conllu
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.builders import documents, sentences


def read(text: str, **options) -> list[Document]:
    return list(read_conllu(io.StringIO(text), **options))


def written(*given_documents: Document, **options) -> str:
    stream = io.StringIO()
    write_conllu(given_documents, stream, **options)
    return stream.getvalue()


def rows(*words: str) -> str:
    """A sentence from ``ID FORM UPOS MISC`` with blanks between."""
    cells = [word.split(" ") for word in words]
    return "".join(f"{id}\t{form}\t_\t{upos}\t_\t_\t_\t_\t_\t{misc}\n" for id, form, upos, misc in cells) + "\n"


@given(documents(line_ends=True, full=True))
def test_a_document_comes_back_whole(document: Document) -> None:
    assert read(written(document)) == [document]


def test_real_sentences_come_back_whole() -> None:
    assert read(written(*sentences())) == sentences()


def test_a_sentence_is_written_with_its_blanks_and_entities() -> None:
    text = "It's  Rome."
    words = Words.of(text, [(0, 2), (2, 4), (6, 10), (10, 11)], ["PRON", "AUX", "PROPN", "PUNCT"])
    document = Document(text, words, Spans.of(text, [(6, 10, "LOC")]), id="s1")
    assert written(document) == (
        "# sent_id = s1\n# text = It's  Rome.\n"
        "1\tIt\t_\tPRON\t_\t_\t_\t_\t_\tEntity=O|SpaceAfter=No\n"
        "2\t's\t_\tAUX\t_\t_\t_\t_\t_\tEntity=O|SpacesAfter=\\s\\s\n"
        "3\tRome\t_\tPROPN\t_\t_\t_\t_\t_\tEntity=B-LOC|SpaceAfter=No\n"
        "4\t.\t_\tPUNCT\t_\t_\t_\t_\t_\tEntity=O\n\n"
    )


def test_a_text_of_several_lines_is_written_beside_its_one_line_form() -> None:
    document = Document(" a\nb ", Words.of(" a\nb ", [(1, 2), (3, 4)]))
    assert written(document) == (
        '# text = a b\n# text_json = " a\\nb "\n'
        "1\ta\t_\t_\t_\t_\t_\t_\t_\tSpacesAfter=\\n|SpacesBefore=\\s\n"
        "2\tb\t_\t_\t_\t_\t_\t_\t_\tSpacesAfter=\\s\n\n"
    )


def test_no_blank_follows_where_space_after_says_no() -> None:
    (document,) = read(rows("1 It PRON SpaceAfter=No", "2 's AUX _", "3 me PRON SpaceAfter=No"))
    assert (document.text, [word.start for word in document.words]) == ("It's me", [0, 2, 5])


def test_blanks_of_any_kind_are_spelled_by_spaces_after() -> None:
    (document,) = read(rows(r"1 a X SpacesBefore=\s|SpacesAfter=\s\t\n\r\p\\", r"2 b X SpacesAfter=\n"))
    assert document.text == "a \t\n\r|\\b"


def test_blanks_before_a_word_add_to_those_after_the_one_before() -> None:
    (document,) = read(rows(r"1 a X SpaceAfter=No", r"2 b X SpacesBefore=\s\t"))
    assert (document.text, document.words[1].start) == ("a \tb", 3)


def test_the_text_comment_says_which_whitespace_stands_between() -> None:
    (document,) = read("# text = a\u3000b\n" + rows("1 a X _", "2 b X _"))
    assert document.text == "a\u3000b"


def test_a_multiword_token_whose_parts_spell_it_gives_its_parts() -> None:
    text = "# text = I don't.\n" + rows(
        "1 I PRON _", "2-3 don't _ SpaceAfter=No", "2 do AUX _", "3 n't PART _", "4 . PUNCT _"
    )
    (document,) = read(text)
    assert (document.text, document.words.texts) == ("I don't.", ["I", "do", "n't", "."])


def test_the_blanks_of_a_multiword_token_stand_around_it_and_not_in_it() -> None:
    text = rows("1 I PRON _", r"2-3 don't _ SpacesBefore=\s", "2 do AUX _", "3 n't PART _", "4 know VERB _")
    (document,) = read(text)
    assert (document.text, [word.start for word in document.words]) == ("I  don't know", [0, 3, 5, 9])


def test_any_other_multiword_token_is_one_word_with_joined_tags() -> None:
    losses = Losses()
    text = "# text = eau du lac\n" + rows("1 eau NOUN _", "2-3 du _ _", "2 de ADP _", "3 le DET _", "4 lac NOUN _")
    (document,) = read(text, losses=losses)
    assert (document.words.texts, document.words.pos) == (["eau", "du", "lac"], ["NOUN", "ADP+DET", "NOUN"])
    assert [(loss.what, loss.count) for loss in losses] == [("words inside multiword tokens", 2)]


def test_an_entity_that_ends_in_a_fused_token_has_all_of_it() -> None:
    text = rows("1 Rio PROPN Entity=B-LOC", "2-3 do _ _", "2 de ADP Entity=I-LOC", "3 o DET _", "4 Sul PROPN _")
    (document,) = read(text)
    assert [(span.text, span.label) for span in document.entities] == [("Rio do", "LOC")]


def test_what_a_document_does_not_hold_is_counted() -> None:
    losses = Losses()
    text = (
        "# newdoc\n# sent_id = 1\n1\ta\tA\tX\tXX\tf=1\t2\tdep\t2:dep\tGloss=x\n"
        "1.1\te\t_\t_\t_\t_\t_\t_\t_\t_\n2\tb\t_\tX\t_\t_\t0\troot\t_\t_\n\n"
    )
    (document,) = read(text, losses=losses)
    assert document.words.texts == ["a", "b"]
    assert {loss.what: loss.count for loss in losses} == {
        "comments": 1,
        "lemmas": 1,
        "XPOS tags": 1,
        "features": 1,
        "dependencies": 2,
        "enhanced dependencies": 1,
        "MISC entries": 1,
        "empty nodes": 1,
    }


def test_tags_can_be_the_treebanks_own() -> None:
    (document,) = read("1\ta\t_\tX\tNN\t_\t_\t_\t_\t_\n", pos="xpos")
    assert document.words.pos == ["NN"]


def test_a_layer_that_no_word_has_is_absent() -> None:
    (document,) = read(rows("1 a _ _", "2 b _ _"))
    assert document.layers == frozenset(("words",))


def test_entities_are_read_under_any_key() -> None:
    (document,) = read(rows("1 a X NE=B-PER", "2 b X NE=O"), entity_key="NE")
    assert [span.text for span in document.entities] == ["a"]


def test_a_last_sentence_without_a_blank_line_counts() -> None:
    assert len(read(rows("1 a X _").rstrip("\n"))) == 1


def test_what_conllu_does_not_hold_is_said() -> None:
    words = Words("a", [0], [1], scores=[0.5])
    losses = write_conllu([Document("a", words), Document(""), Document("\n")], io.StringIO())
    assert {loss.what: loss.count for loss in losses} == {"scores": 1, "empty documents": 2}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\ta\n", "1: 2 columns; expected the ten of CoNLL-U, with a tab between two"),
        (rows("2 a X _"), "1: ID '2'; expected 1, since words are numbered from 1 in each sentence"),
        (rows("1 a X _", "1 b X _"), "2: ID '1'; expected 2, since words are numbered from 1 in each sentence"),
        (rows("1-0 a X _"), "1: ID '1-0'; expected 1, since words are numbered from 1 in each sentence"),
        (rows("x a X _"), "1: ID 'x'; expected a number such as 3, a range such as 3-4, or an empty node such as 3.1"),
        (rows("1  X _"), "1: FORM is empty; expected a word in every row"),
        (rows("1-3 ab _ _", "1 a X _", "2 b X _"), "1: token 1-3; the sentence has 2 words"),
        (
            "# sent_id = 1\n# text = ab c\n" + rows("1 a X _", "2 b X _", "3 c X _"),
            "2: # text = 'ab c', but the words spell 'a b c'; expected the same; check SpaceAfter=No",
        ),
        (
            "# text = a d\n" + rows("1 a X _", "2 b X _"),
            "1: # text = 'a d', but the words spell 'a b'; expected the same; check SpaceAfter=No",
        ),
        (
            rows("1 a X Entity=O", "2 b X Entity=I-PER"),
            "2: Entity: tag 'I-PER' is not allowed here in scheme BIO; expected 'B-PER'; name another scheme or repair",
        ),
        (
            "# text_json = [1]\n" + rows("1 a X _"),
            "1: # text_json = '[1]', but the words spell 'a'; expected the same; check SpaceAfter=No",
        ),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        read(text)
    assert str(caught.value) == f"<stream>:{problem}"


@pytest.mark.parametrize("word", ["a\tb", "a\nb", " a"])
def test_a_word_that_cannot_be_a_cell_is_an_error(word: str) -> None:
    with pytest.raises(DataError, match=r"cannot be a cell; expected no tab or line end in it"):
        written(Document(word, Words.of(word, [(0, len(word))])))


@pytest.mark.parametrize("label", ["A|B", "A B"])
def test_a_label_that_misc_cannot_hold_is_an_error(label: str) -> None:
    with pytest.raises(DataError, match="cannot be a cell"):
        written(Document("a", Words.of("a", [(0, 1)]), Spans.of("a", [(0, 1, label)])))


def test_a_name_of_two_lines_is_an_error() -> None:
    with pytest.raises(DataError, match=r"<stream>:1: id 'a\\nb' cannot be a comment"):
        written(Document("a", Words.of("a", [(0, 1)]), id="a\nb"))


def test_an_unknown_column_of_tags_is_refused() -> None:
    with pytest.raises(ValueError, match="pos 'tag'; expected upos or xpos"):
        read("", pos="tag")
