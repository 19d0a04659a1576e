"""The layer ``nested`` of a Document: spans inside of others, through every format that holds them, and shown."""

import io
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.data import FORMATS
from lexel.data.jsonl import read_jsonl, write_jsonl
from lexel.data.render import write_terminal
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from lexel.serving.records import document_json

TEXT = "北京大学在北京"
NESTED = Spans(TEXT, [0, 0, 5], [4, 2, 7], label_ids=[1, 0, 0], labels=["LOC", "ORG"], scores=[0.75, 0.5, 1.0])
DOCUMENT = Document(TEXT, None, Spans.of(TEXT, [(0, 4, "ORG"), (5, 7, "LOC")]), id="1", nested=NESTED)


@st.composite
def nested_documents(draw: st.DrawFn) -> Document:
    """A text of a few characters with any spans, which may cross or stand at the same place."""
    text = draw(st.text(st.sampled_from("北京大a😀"), min_size=1, max_size=8))
    at = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(at, at, st.sampled_from("AB")).filter(lambda span: span[0] < span[1]), unique=True))
    return Document(text, nested=Spans.of(text, sorted(spans, key=lambda span: (span[0], -span[1], span[2]))))


@given(nested_documents())
def test_a_dictionary_keeps_nested_spans(document: Document) -> None:
    assert Document.from_dict(document.to_dict()) == document


@given(nested_documents(), st.sampled_from(["char", "utf16", "byte"]))
def test_json_lines_keep_nested_spans_in_every_unit(document: Document, unit: str) -> None:
    stream = io.StringIO()
    write_jsonl([document], stream, offsets=unit)
    stream.seek(0)
    assert list(read_jsonl(stream)) == [document]


@pytest.mark.parametrize("name", ["csv", "tsv", "parquet", "jsonl"])
def test_tables_keep_nested_spans(name: str, tmp_path: Path) -> None:
    format = FORMATS[name]
    assert format.reader is not None
    path = tmp_path / f"file{format.endings[0]}"
    assert format.writer([DOCUMENT], str(path)) == ()
    (found,) = format.reader(str(path))
    assert found == DOCUMENT
    assert found.nested.scores is not None
    assert found.nested.scores.tolist() == [0.75, 0.5, 1.0]


def test_a_document_without_the_layer_has_no_key_for_it() -> None:
    assert "nested" not in Document(TEXT, None, DOCUMENT.entities).to_dict()


def test_a_layer_with_nothing_in_it_is_not_an_absent_one() -> None:
    nothing = Document(TEXT, nested=Spans.of(TEXT, []))
    assert Document.from_dict(nothing.to_dict()).layers == {"nested"}
    assert nothing != Document(TEXT)


def test_nested_spans_are_read_outer_before_inner() -> None:
    found = Document.from_dict({"text": TEXT, "nested": [[5, 7, "LOC"], [0, 2, "LOC"], [0, 4, "ORG"]]})
    assert [span.text for span in found.nested] == ["北京大学", "北京", "北京"]


def test_a_nested_span_that_does_not_fit_is_named() -> None:
    with pytest.raises(DataError, match=r"nested\[1\] is \[0, 9\]"):
        Document.from_dict({"text": TEXT, "nested": [[0, 2, "LOC"], [0, 9, "ORG"]]})


def test_formats_without_the_layer_say_what_they_lose() -> None:
    document = Document(TEXT, Words.of(TEXT, [(0, 2), (2, 4), (4, 5), (5, 7)]), nested=NESTED)
    for name in ("conll", "conllu", "segmented", "text"):
        losses = FORMATS[name].writer([document], io.StringIO())  # type: ignore[misc]
        assert ("nested entities", 3) in [(loss.what, loss.count) for loss in losses], name


def test_a_part_a_copy_and_a_pickle_have_the_layer() -> None:
    assert [(span.text, span.label) for span in DOCUMENT.part(0, 4).nested] == [("北京大学", "ORG"), ("北京", "LOC")]
    assert pickle.loads(pickle.dumps(DOCUMENT)) == DOCUMENT


def test_the_repr_counts_nested_spans() -> None:
    assert repr(DOCUMENT) == "Document('北京大学在北京', 0 words, 2 entities, 3 nested)"


def test_a_page_marks_inner_spans_inside_of_outer_ones() -> None:
    page = re.sub(r' (class|title)="[^"]*"', "", DOCUMENT.to_html())
    assert (
        '<mark data-label="ORG"><mark data-label="LOC">北京</mark>大学</mark>在<mark data-label="LOC">北京</mark>'
        in page
    )


def test_a_terminal_shows_inner_spans_below_outer_ones() -> None:
    stream = io.StringIO()
    assert write_terminal([Document(TEXT, nested=NESTED)], stream, colour=False, width=80) == ()
    assert stream.getvalue().splitlines()[:3] == ["北京大学在北京", "ORG─────  LOC─", "LOC─"]


def test_a_server_sends_nested_spans() -> None:
    assert b'"nested":[{"start":0,"end":4,"text":"' in document_json(DOCUMENT)
