"""Labelled data in the files of corpora and annotation tools: what each format holds, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from lexel.data import Faults
from lexel.data.labelled import labelled_format, open_labelled
from lexel.data.words import words_joined
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.annotated import EMOJI, labelled, losses_in, losses_of, needs_spacy, read, with_name, written
from tests.data_formats.builders import documents

ROW_FORMATS = ("uner", "germeval", "conll2012", "ontonotes", "webanno")
NAMES = (*ROW_FORMATS, "brat", pytest.param("spacy", marks=needs_spacy))
ENDINGS = {"brat": ".zip", "spacy": ".spacy", "ontonotes": ".name", "conll2012": ".v4_gold_conll"}


# What comes back ------------------------------------------------------------------------------------------------------


def in_words(document: Document, *, pos: bool = False) -> Document:
    """A document as rows of words give it back."""
    words = document.words
    starts, ends = words.starts.tolist(), words.ends.tolist()
    spans = [(starts.index(span.start), ends.index(span.end) + 1, span.label) for span in document.entities]
    return words_joined(words.texts, joiner=None, pos=words.pos if pos else None, entities=spans, id=document.id)


def nested_too(document: Document) -> Document:
    return Document(document.text, document.words, document.entities, id=document.id, nested=document.entities)


def without_tags(document: Document) -> Document:
    words = Words(document.text, document.words.starts, document.words.ends)
    return Document(document.text, words, document.entities, id=document.id)


def without_space_ahead(document: Document) -> Document:
    return document.part(int(document.words.starts[0]), len(document.text))


HELD: dict[str, Callable[[Document], Document]] = {
    "uner": lambda one: Document(
        one.text, Words.of(one.text, [word[:2] for word in one.words]), one.entities, id=one.id
    ),
    "germeval": lambda one: nested_too(in_words(one)),
    "conll2012": lambda one: in_words(one, pos=True),
    "ontonotes": in_words,
    "webanno": without_space_ahead,
    "brat": with_name,
    "spacy": lambda one: one,
}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(document=documents(full=True, line_ends=True))
def test_what_a_format_holds_comes_back(name: str, document: Document) -> None:
    if document.id is not None and ("/" in document.id or document.id == "-"):  # not the name of a file
        document = Document(document.text, document.words, document.entities, id="a")
    if name == "uner":
        document = document if "\n" not in document.text and "\r" not in document.text else in_words(document, pos=True)
    assert read(name, written(name, document)) == [HELD[name](document)]


PLAIN = Document("", Words.of("", [], []), Spans.of("", []), id="empty")


@pytest.mark.parametrize("name", NAMES)
def test_signs_of_two_units_double_blanks_and_entities_at_both_ends_come_back(name: str) -> None:
    assert read(name, written(name, EMOJI)) == [HELD[name](EMOJI)]


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_document_comes_back_or_is_counted(name: str) -> None:
    found = [document.text for document in read(name, written(name, EMOJI, PLAIN))]
    if name in ("brat", "spacy"):
        assert "" in found
    else:
        assert len(found) == 1
        assert any(loss.startswith("empty documents: 1 not held") for loss in losses_of(name, EMOJI, PLAIN))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_file_is_written_and_read(name: str) -> None:
    assert read(name, written(name)) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "brat"])
def test_a_document_without_words_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"<stream>:1: the document has no words; expected words"):
        written(name, Document("在北京"))


@pytest.mark.parametrize("name", NAMES)
def test_a_written_file_is_known_by_its_ending_or_its_rows(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a{ENDINGS.get(name, '.tsv')}"
    path.write_bytes(written(name, EMOJI, EMOJI))
    if name != "brat":
        assert labelled_format(path).name == name


@pytest.mark.parametrize("ending", [".iob2", ".conll", ".tsv"])
@pytest.mark.parametrize("name", ROW_FORMATS)
def test_rows_are_told_apart_whatever_the_ending(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(written(name, EMOJI, EMOJI))
    assert open_labelled(path).format.name == name


@pytest.mark.parametrize(
    "rows",
    ["1\tNUM\tO\n", "From\tIN\tO\nthe\tDT\tO\n", "1\tNUM\tO\n\n2\tNUM\tO\n", "text\tlabel\n1\tO\tO\n2\tO\tO\n", ""],
)
def test_other_columns_are_none_of_these_formats(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(rows, encoding="utf-8")
    assert labelled_format(path).name == "conll"


# UNER -----------------------------------------------------------------------------------------------------------------

UNER = """\
# newdoc id = d1
# sent_id = d1-1
# text = Jane Roe left the AP.
1\tJane\tB-PER\t-\tann
2\tRoe\tI-PER\t-\tann
3\tleft\tB-O\t-\tann
4\tthe\tO
5\tAP\tB-ORG\t-\tann
6\t.\tO

# sent_id = d1-2
# text = du vin
1-2\tdu\t_
1\tde\tO
2\tle\tO
3\tvin\tO
"""


def test_a_file_of_uner_is_read() -> None:
    first, second = read("uner", UNER)
    assert (first.id, first.text) == ("d1-1", "Jane Roe left the AP.")
    assert [(span.text, span.label) for span in first.entities] == [("Jane Roe", "PER"), ("AP", "ORG")]
    assert second.words.texts == ["de", "le", "vin"]


def test_what_is_beside_the_tags_of_uner_is_counted() -> None:
    assert losses_in("uner", UNER) == [
        "comments: 1 not held by documents",
        "annotators: 4 not held by documents",
        "tags without a type (B-O): 1 not held by documents",
        "multiword tokens and empty nodes: 1 not held by documents",
        "texts that their words do not spell: 1 not held by documents",
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("uner", "1\ta\tO\n2\tb\tI-PER\n", r"<stream>:2: tag 'I-PER' is not allowed here in scheme BIO"),
        ("uner", "1\ta\tO\nb O\n", r"<stream>:2: 'b O' is not a row of UNER; expected number, word and tag"),
        ("germeval", "1\ta\tO\n", r"<stream>:1: .* is no row of GermEval 2014; expected number, word, outer"),
        ("germeval", "1\ta\tO\tI-LOC\n", r"<stream>:1: tag 'I-LOC' is not allowed here"),
        ("conll2012", "a b c\n", r"<stream>:1: 3 columns; expected at least 11"),
        ("conll2012", "d 0 0 a NN * - - - - *) -\n", r"<stream>:1: '\*\)' closes a bracket that is not open"),
        ("conll2012", "d 0 0 a NN * - - - - (GPE* -\n", r"<stream>:1: \(GPE is not closed in its sentence"),
        ("conll2012", "d 0 0 a NN * - - - - B-GPE -\n", r"<stream>:1: 'B-GPE' is not a cell of names"),
        ("ontonotes", '<ENAMEX TYPE="ORG">a b\n', r"<stream>:1: <ENAMEX> is not closed"),
        ("ontonotes", "\na</ENAMEX>\n", r"<stream>:2: </ENAMEX> at column 2 closes no <ENAMEX>"),
        ("ontonotes", "<ENAMEX>a</ENAMEX>\n", r"<stream>:1: <ENAMEX>; expected TYPE"),
        ("ontonotes", '<ENAMEX TYPE="ORG"> </ENAMEX> a\n', r"<stream>:1: the ORG ' ' has a blank at its edge"),
        ("webanno", "#Text=a\n", r"<stream>:1: '#Text=a'; expected '#FORMAT=WebAnno TSV 3'"),
        ("webanno", "#FORMAT=WebAnno TSV 3.3\n\n#Text=ab\n1-1\t0-2\tba\n", r":4: offsets 0-2 are 'ab' in the text"),
        ("webanno", "#FORMAT=WebAnno TSV 3.3\n\n#Text=ab\n1-1\t0-9\tab\n", r":4: offsets 0-9 are not in the text"),
        ("webanno", "#FORMAT=WebAnno TSV 3.3\n\n#Text=ab\nab\n", r"<stream>:4: 'ab' is not a row; expected a number"),
        ("webanno", "#FORMAT=WebAnno TSV 3.3\n#T_SP=webanno.custom.X|v\n\n#Text=a\n1-1\t0-1\ta\n", r":5: 3 cells"),
        pytest.param("spacy", "nonsense", "<stream>: is not a DocBin", marks=needs_spacy),
        ("brat", "nonsense", "<stream>: cannot be read as brat"),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_an_error_with_its_line(name: str, data: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(name, data)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("uner", "1\ta\n2\tb\tO\n\n"),
        ("germeval", "#\tx\n1\ta\tI-LOC\tO\n\n"),
        ("conll2012", "d 0 0 a\n\n"),
        ("ontonotes", "<ENAMEX>a</ENAMEX>\n"),
    ],
)
def test_bad_sentences_are_skipped_and_counted(name: str, bad: str) -> None:
    faults = Faults("skip")
    good = written(name, EMOJI).decode()
    assert len(read(name, bad + good, faults=faults)) == 1
    assert faults.count == 1


@pytest.mark.parametrize("name", ["uner", "germeval"])
def test_ill_formed_tags_are_repaired_where_that_is_asked(name: str) -> None:
    nested = "\tO" if name == "germeval" else ""
    (document,) = read(name, f"1\tNew\tI-LOC{nested}\n2\tYork\tI-LOC{nested}\n", repair=True)
    assert [(span.text, span.label) for span in document.entities] == [("New York", "LOC")]


@pytest.mark.parametrize("name", ["uner", "germeval", "conll2012", pytest.param("spacy", marks=needs_spacy)])
def test_an_entity_that_cuts_a_word_is_refused_dropped_or_widened(name: str) -> None:
    document = Document("Paris-based", Words.of("Paris-based", [(0, 11)]), Spans.of("Paris-based", [(0, 5, "LOC")]))
    with pytest.raises(DataError, match=r"<stream>:[0-9]+: entity 'Paris' at chars 0 to 5"):
        written(name, document)
    (widened,) = read(name, written(name, document, off_words="widen"))
    assert widened.entities[0].text == "Paris-based"
    assert any("entities that cut words" in loss for loss in losses_of(name, document, off_words="drop"))


# GermEval -------------------------------------------------------------------------------------------------------------

GERMEVAL = """\
#\thttp://de.wikipedia.org/wiki/Troia [2009-10-17]
1\tTroia\tB-OTH\tB-LOC
2\t-\tI-OTH\tO
3\tTraum\tI-OTH\tO
4\tin\tO\tO
5\tBonn\tB-LOC\tO

"""


def test_a_table_of_germeval_is_read_with_its_nested_entities() -> None:
    (document,) = read("germeval", GERMEVAL)
    assert document.id == "http://de.wikipedia.org/wiki/Troia [2009-10-17]"
    assert labelled(document.entities) == [("Troia - Traum", "OTH"), ("Bonn", "LOC")]
    assert labelled(document.nested) == [("Troia - Traum", "OTH"), ("Troia", "LOC"), ("Bonn", "LOC")]
    assert losses_in("germeval", GERMEVAL) == []


@pytest.mark.parametrize("layer", ["entities", "nested"])
def test_germeval_takes_an_entity_inside_of_another_into_its_last_column(layer: str) -> None:
    text = "Troia - Traum in Bonn"
    words = Words.of(text, [(0, 5), (6, 7), (8, 13), (14, 16), (17, 21)])
    spans = Spans.of(text, [(0, 5, "LOC"), (0, 13, "OTH"), (17, 21, "LOC")])
    layers: Any = {layer: spans}
    document = Document(text, words, id="http://de.wikipedia.org/wiki/Troia [2009-10-17]", **layers)
    assert written("germeval", document).decode() == GERMEVAL


@pytest.mark.parametrize("name", ["ontonotes", "webanno", "brat", pytest.param("spacy", marks=needs_spacy)])
def test_entities_inside_of_others_come_back(name: str) -> None:
    text = "😀 New York Times"
    words = Words.of(text, [(0, 1), (2, 5), (6, 10), (11, 16)], ["X", "X", "X", "X"])
    outer = Spans.of(text, [(0, 1, "X"), (2, 16, "ORG")])
    nested = Spans.of(text, [(0, 1, "X"), (2, 16, "ORG"), (2, 10, "LOC"), (6, 10, "LOC")])
    (found,) = read(name, written(name, Document(text, words, outer, id="a", nested=nested)))
    assert (found.entities, found.nested) == (outer, nested)


def test_brackets_inside_of_others_are_read() -> None:
    rows = "d 0 0 New NNP * - - - - (ORG*(GPE* -\nd 0 1 York NNP * - - - - *) -\nd 0 2 Times NNP * - - - - *) -\n"
    (document,) = read("conll2012", rows)
    assert labelled(document.entities) == [("New York Times", "ORG")]
    assert labelled(document.nested) == [("New York Times", "ORG"), ("New York", "GPE")]


@pytest.mark.parametrize("name", ["uner", "conll2012"])
def test_formats_without_levels_count_nested_entities(name: str) -> None:
    nested = Document(EMOJI.text, EMOJI.words, EMOJI.entities, nested=EMOJI.entities)
    assert any(loss.startswith("nested entities: 2 not held") for loss in losses_of(name, nested))


def test_entities_that_share_a_word_come_back_from_elements() -> None:
    text = "ab-cd ef"
    words = Words.of(text, [(0, 5), (6, 8)])
    spans = Spans.of(text, [(0, 2, "A"), (3, 5, "B"), (6, 8, "C")])
    assert read("ontonotes", written("ontonotes", Document(text, words, spans)))[0].entities == spans
    crossing = Document(
        "a b c", Words.of("a b c", [(0, 1), (2, 3), (4, 5)]), Spans.of("a b c", [(0, 3, "A"), (2, 5, "B")])
    )
    assert "entities that cross another, or touch no word: 1 not held by OntoNotes files" in losses_of(
        "ontonotes", crossing
    )


# OntoNotes ------------------------------------------------------------------------------------------------------------

CONLL2012 = """\
#begin document (bn/xx/00/xx_0001); part 000
bn/xx/00/xx_0001   0   0   Jane    NNP   (TOP(S(NP*   -      -   -   Anchor   (PERSON*   (ARG0*   (3
bn/xx/00/xx_0001   0   1   Roe     NNP   *)           -      -   -   Anchor   *)         *)       3)
bn/xx/00/xx_0001   0   2   left    VBD   (VP*))       leave  01  1   Anchor   *          (V*)     -
bn/xx/00/xx_0001   0   3   -LRB-   -LRB- *            -      -   -   Anchor   *          *        -
bn/xx/00/xx_0001   0   4   Bonn    NNP   *            -      -   -   Anchor   (GPE)      *        -

#end document
"""


def test_columns_of_conll_2012_are_read() -> None:
    (document,) = read("conll2012", CONLL2012)
    assert (document.id, document.words.texts) == ("bn/xx/00/xx_0001", ["Jane", "Roe", "left", "(", "Bonn"])
    assert document.words.pos == ["NNP", "NNP", "VBD", "-LRB-", "NNP"]
    assert [(span.text, span.label) for span in document.entities] == [("Jane Roe", "PERSON"), ("Bonn", "GPE")]
    assert losses_in("conll2012", CONLL2012) == [
        "parse trees: 1 not held by documents",
        "predicates: 1 not held by documents",
        "coreference mentions: 1 not held by documents",
    ]


def test_sentences_with_the_same_id_are_one_document_of_conll_2012() -> None:
    (document,) = read("conll2012", CONLL2012)
    text = written("conll2012", document, document).decode()
    assert (text.count("#begin document (bn/xx/00/xx_0001); part 000"), text.count("#end document")) == (1, 1)
    assert [one.id for one in read("conll2012", text)] == ["bn/xx/00/xx_0001"] * 2


ONTONOTES = """\
<DOC DOCNO="bn/xx/00/xx_0001@xx@bn@en@on">
<ENAMEX TYPE="PERSON">Jane Roe</ENAMEX> left a <ENAMEX TYPE="GPE" E_OFF="6">Paris-based</ENAMEX> -LRB- AT&amp;T -RRB- .
<ENAMEX TYPE="ORG"><ENAMEX TYPE="GPE">Bonn</ENAMEX> Bank</ENAMEX> <ENAMEX TYPE="GPE" S_OFF="4">pre-Paris</ENAMEX> .
</DOC>
"""


def test_elements_of_ontonotes_are_read_with_their_offsets_in_words() -> None:
    first, second = read("ontonotes", ONTONOTES)
    assert (first.id, first.text) == ("bn/xx/00/xx_0001@xx@bn@en@on", "Jane Roe left a Paris-based ( AT&T ) .")
    assert [(span.text, span.label) for span in first.entities] == [("Jane Roe", "PERSON"), ("Paris", "GPE")]
    assert [(span.text, span.label) for span in second.entities] == [("Bonn Bank", "ORG"), ("Paris", "GPE")]
    assert [(span.text, span.label) for span in second.nested] == [
        ("Bonn Bank", "ORG"),
        ("Bonn", "GPE"),
        ("Paris", "GPE"),
    ]
    assert losses_in("ontonotes", ONTONOTES) == []


def test_elements_of_ontonotes_are_written_as_they_were_read() -> None:
    assert written("ontonotes", *read("ontonotes", ONTONOTES)).decode() == ONTONOTES


def test_chinese_words_of_ontonotes_are_put_together_without_blanks() -> None:
    (document,) = read("ontonotes", '<ENAMEX TYPE="ORG">新华社</ENAMEX> 记者 <ENAMEX TYPE="PERSON">王 五</ENAMEX>\n')
    assert document.text == "新华社记者王五"
    assert [(span.start, span.text) for span in document.entities] == [(0, "新华社"), (5, "王五")]
