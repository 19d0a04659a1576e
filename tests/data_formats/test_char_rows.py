"""CoNLL files with a Chinese character a row: they hold entities and no words."""

from __future__ import annotations

import io
import logging
import re

import pytest

from lexel.data import read_conll
from lexel.document import Document

CHARS = "王 B-PER\n小 I-PER\n明 I-PER\n在 O\n北 B-LOC\n京 I-LOC\n2 O\n0 O\nN B-ORG\nB I-ORG\nA I-ORG\n。 O\n\n"


def read(text: str, **options: str) -> list[Document]:
    return list(read_conll(io.StringIO(text), **options))  # type: ignore[arg-type]


def test_rows_of_one_character_are_no_words(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "lexel"):
        documents = read(CHARS * 4)
    assert documents[0].text == "王小明在北京20NBA。"
    assert documents[0].layers == {"entities"}
    assert [(span.text, span.label) for span in documents[0].entities] == [
        ("王小明", "PER"),
        ("北京", "LOC"),
        ("NBA", "ORG"),
    ]
    (said,) = caplog.messages
    assert said.startswith("<stream>: each row is one character, so there are entities and no words; --unit words")


def test_a_digit_after_each_character_is_removed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    rows = "".join(f"{line[0]}{i % 2}{line[1:]}\n" if line else "\n" for i, line in enumerate(CHARS.split("\n")[:-1]))
    with caplog.at_level(logging.WARNING, "lexel"):
        documents = read(rows * 4)
    assert documents[3].text == "王小明在北京20NBA。"
    assert documents[0].layers == {"entities"}
    assert "the digit after each character (王0) was removed" in caplog.messages[0]


@pytest.mark.parametrize(
    "text",
    [
        CHARS,  # too few characters to tell
        CHARS * 4 + "臺北 B-LOC\n",
        "".join(f"{line.split()[0]} X {line.split()[1]}\n" if line else "\n" for line in (CHARS * 4).split("\n")[:-1]),
        re.sub(r" .*", "", CHARS * 4),
    ],
    ids=["few", "a word among them", "with tags of words", "words alone"],
)  # fmt: skip
def test_other_rows_are_words(text: str, caplog: pytest.LogCaptureFixture) -> None:
    assert all("words" in document.layers for document in read(text))
    assert not caplog.messages


def test_the_caller_knows_better() -> None:
    assert "words" in read(CHARS * 4, unit="words")[0].layers
    assert read(CHARS, unit="chars")[0].layers == {"entities"}
    with pytest.raises(ValueError, match="unit 'rows'; expected one of words, chars"):
        read(CHARS, unit="rows")
