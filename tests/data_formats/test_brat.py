"""brat's folders and zip files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.data import FORMATS, Losses
from lexel.data.annotated.brat import read_brat
from lexel.data.labelled import labelled_format, open_labelled
from lexel.document import Document, Spans
from lexel.errors import DataError
from tests.data_formats.annotated import EMOJI, losses_of, read, with_name, written

ANNOTATION = """\
T1\tPerson 0 8\tJane Roe
T2\tLocation 14 19;25 32\tNorth America
T3\tPlace 33 36;37 41\tNew York
E1\tMove:T1 To:T2
R1\tLives Arg1:T1 Arg2:T3
A1\tNegated E1
N1\tReference T1 Wikidata:Q1\tJane
#1\tAnnotatorNotes T1\tsure?
*\tEquiv T1 T2
"""
STORY = "Jane Roe left North and  America New\nYork"


def brat_folder(path: Path, annotation: str = ANNOTATION, text: str = STORY) -> Path:
    (path / "a").mkdir(parents=True)
    (path / "a" / "one.txt").write_text(text, encoding="utf-8")
    (path / "a" / "one.ann").write_text(annotation, encoding="utf-8")
    (path / "two.txt").write_text("not annotated", encoding="utf-8")
    return path


def test_a_folder_of_brat_is_found_and_read(tmp_path: Path) -> None:
    losses = Losses()
    file = open_labelled(brat_folder(tmp_path / "corpus"))
    first, second = file.documents(losses=losses)
    assert (file.format.name, first.id, second.id, second.layers) == ("brat", "a/one", "two", frozenset())
    assert [(span.text, span.label) for span in first.entities] == [("Jane Roe", "Person"), ("New\nYork", "Place")]
    assert [str(loss) for loss in losses] == [
        "events: 1 not held by documents",
        "relations: 2 not held by documents",
        "attributes: 1 not held by documents",
        "normalizations: 1 not held by documents",
        "notes: 1 not held by documents",
        "discontinuous entities: 1 not held by documents",
    ]


@pytest.mark.parametrize("name", ["one.ann", "one.txt"])
def test_one_pair_of_brat_is_read_by_either_file(tmp_path: Path, name: str) -> None:
    folder = brat_folder(tmp_path / "corpus") / "a"
    reader: Any = FORMATS["brat"].reader
    assert [document.id for document in reader(folder / name)] == ["one"]
    assert labelled_format(folder / "one.ann").name == "brat"


def test_a_folder_of_brat_is_written_and_comes_back(tmp_path: Path) -> None:
    plain = Document("nothing looked for", id="d/2")
    FORMATS["brat"].writer([EMOJI, plain], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == ["2.txt", "s1.ann", "s1.txt"]
    reader: Any = FORMATS["brat"].reader
    assert list(reader(tmp_path / "out")) == [plain, with_name(EMOJI)]


def test_a_folder_of_brat_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="corpus: already exists; expected the name of a new folder"):
        FORMATS["brat"].writer([EMOJI], brat_folder(tmp_path / "corpus"))


@pytest.mark.parametrize("id", ["../up", "/etc/x", "a//b", "a\nb", "."])
def test_an_id_that_is_no_safe_name_is_counted_and_the_number_stands_for_it(id: str) -> None:
    document = Document("a", None, Spans.of("a", []), id=id)
    assert [one.id for one in read("brat", written("brat", document))] == ["00000001"]
    assert losses_of("brat", document) == ["names of documents: 1 not held by brat"]


def test_documents_of_brat_with_the_same_id_do_not_replace_each_other() -> None:
    found = read("brat", written("brat", EMOJI, Document("b", id="S1"), Document("c", id="s1")))
    assert sorted(one.text for one in found) == sorted([EMOJI.text, "b", "c"])


def test_offsets_of_brat_in_utf16_units_are_told_by_the_words() -> None:
    stream = io.BytesIO()
    document = Document("😀 Bonn", None, Spans.of("😀 Bonn", [(2, 6, "LOC")]), id="a")
    FORMATS["brat"].writer([document], stream)
    in_units = stream.getvalue()
    assert read("brat", in_units) == [document]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("T1\tPerson 0 8\tJane Doe\n", r"one\.ann:1: 0 8 is not 'Jane Doe'"),
        ("\nT1\tPerson 0\tJane\n", r"one\.ann:2: 'T1\\tPerson 0\\tJane'; expected an id"),
        ("hello\n", r"one\.ann:1: 'hello' is not an annotation"),
        ("T1\tPerson 0 99\tJane\n", r"one\.ann:1: 0 99 is not 'Jane'"),
    ],
)
def test_a_bad_line_of_brat_is_named(tmp_path: Path, annotation: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        list(open_labelled(brat_folder(tmp_path / "corpus", annotation)).documents())


def test_browsers_offsets_of_brat_are_read(tmp_path: Path) -> None:
    folder = brat_folder(tmp_path / "corpus", "T1\tLOC 3 7\tBonn\n", "😀 Bonn")
    first, _ = open_labelled(folder).documents()
    assert [(span.start, span.text) for span in first.entities] == [(2, "Bonn")]


def test_an_annotation_of_brat_without_its_text_is_an_error(tmp_path: Path) -> None:
    folder = brat_folder(tmp_path / "corpus")
    (folder / "three.ann").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match=r"three\.ann: has no text beside it; expected three\.txt"):
        list(open_labelled(folder).documents())


@given(text=st.text("ab 😀\n\t", max_size=8))
def test_documents_without_any_layer_come_back_from_brat(text: str) -> None:
    assert read("brat", written("brat", Document(text, id="a"))) == [Document(text, id="a")]


def test_a_zip_file_that_is_not_there_is_said_plainly() -> None:
    with pytest.raises(DataError, match=r"^no.zip: no such file; expected a folder of pairs"):
        list(read_brat("no.zip"))


def test_a_zip_file_with_a_password_is_said() -> None:
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        archive.writestr("one.txt", "text")
    data = bytearray(stream.getvalue())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # where an entry and the directory say that it is encrypted
        data[data.index(mark) + at] |= 1
    with pytest.raises(DataError, match=r"cannot be read as brat .*encrypted"):
        list(read_brat(io.BytesIO(bytes(data))))
