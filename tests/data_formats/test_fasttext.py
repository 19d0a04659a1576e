"""fastText's lines of classes and text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lexel.data import FORMATS, Losses
from lexel.data.classified import format_of, read_classified
from lexel.data.fasttext import classes_of_line, line_of_classes
from lexel.data.files import TextOutput
from lexel.errors import DataError
from tests.data_formats.builders import AWKWARD

SAMPLE = "__label__sauce __label__cheese How much  starch?\n\n很好看 __label__好\na __label__x b\n__label__empty \n"


def output() -> TextOutput:
    return TextOutput(io.StringIO(), name="<stream>", encoding="utf-8", binary=False)


def test_classes_stand_in_front_of_a_text_behind_it_or_inside() -> None:
    found = [(record.text, record.labels) for record in read_classified(io.StringIO(SAMPLE), format="fasttext")]
    assert found == [
        ("How much  starch?", ("sauce", "cheese")),
        ("很好看", ("好",)),
        ("a b", ("x",)),
        ("", ("empty",)),
    ]


@given(
    st.text(st.sampled_from(AWKWARD + "ab_"), max_size=12), st.lists(st.sampled_from(["a", "好", "x-1"]), max_size=3)
)
def test_a_text_and_its_classes_come_back(text: str, labels: list[str]) -> None:
    assume("\r" not in text and "\n" not in text)
    line = line_of_classes(text, labels, output())
    assert classes_of_line(line.removesuffix("\n")) == (text, tuple(labels))


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("a\nb", ["x"], "the text has a line end or a word that begins with __label__"),
        ("a __label__b", ["x"], "the text has a line end or a word that begins with __label__"),
        ("a", ["food safety"], "class 'food safety' is empty or has a space"),
    ],
)
def test_what_fasttext_would_read_otherwise_is_refused(text: str, labels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=f"<stream>:1: {message}"):
        line_of_classes(text, labels, output())


@pytest.mark.parametrize("ending", [".txt", ".train", ""])
def test_a_file_is_known_by_its_first_line(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_text(SAMPLE, encoding="utf-8")
    assert format_of(str(path)) == "fasttext"
    assert len(list(read_classified(str(path)))) == 4


def test_a_line_without_a_class_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("__label__a b\nno class\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.txt:2: no 'label'; expected a class"):
        list(read_classified(str(path)))


def test_documents_hold_no_classes_which_is_counted() -> None:
    losses, reader = Losses(), FORMATS["fasttext"].reader
    assert reader is not None
    texts = [document.text for document in reader(io.StringIO(SAMPLE), losses=losses)]
    assert texts == ["How much  starch?", "", "很好看", "a b", ""]
    assert [str(loss) for loss in losses] == ["classes: 5 not held by documents"]
