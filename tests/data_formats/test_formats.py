"""The table of formats."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lexel.data import FORMATS, Format, Losses, by_ending, format_named
from lexel.document import Document, Spans, Words
from lexel.errors import DataError


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.txt", "text"),
        ("a.seg", "segmented"),
        ("dir.txt/a.conll", "conll"),
        ("a.bio", "conll"),
        ("a.iob", "conll"),
        ("A.CONLLU", "conllu"),
        ("a.jsonl", "jsonl"),
        ("a.json", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.html", "html"),
        ("a.b.jsonl.gz", "jsonl"),
        ("a.txt.xz", "text"),
    ],
)
def test_an_ending_says_the_format(path: str, name: str) -> None:
    assert by_ending(path).name == name


@pytest.mark.parametrize(("path", "found"), [("a.docx", "ending '.docx'"), ("a", "no ending"), ("a.gz", "no ending")])
def test_an_unknown_ending_is_answered_with_those_there_are(path: str, found: str) -> None:
    expected = rf"^{path}: {found}; expected one of \.txt, \.seg, .*; name the format "
    with pytest.raises(DataError, match=rf"{expected}\(--from\)$"):
        by_ending(path)
    with pytest.raises(DataError, match=rf"{expected}\(--to\)$"):
        by_ending(path, option="--to")


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(DataError, match="'xml' is not a format; expected one of text, segmented, conll, conllu, jsonl"):
        format_named("xml")


def test_no_two_formats_share_an_ending() -> None:
    endings = [ending for format in FORMATS.values() for ending in format.endings]
    assert len(endings) == len(set(endings))


READABLE = [
    pytest.param(name, marks=pytest.mark.skipif(name == "spacy" and find_spec("spacy") is None, reason="needs spaCy"))
    for name, format in FORMATS.items()
    if format.reader is not None
]


def full_document() -> Document:
    words = Words("在北京", [0, 1], [1, 3], pos_ids=[0, 1], pos_labels=["A", "B"], scores=[1, 1], pos_scores=[1, 1])
    entities = Spans("在北京", [0], [3], label_ids=[0], labels=["LOC"], scores=[0.5])
    nested = Spans("在北京", [0, 1], [3, 3], label_ids=[0, 0], labels=["LOC"], scores=[0.5, 0.5])
    return Document("在北京", words, entities, id="s1", nested=nested)


@pytest.mark.parametrize("name", READABLE)
def test_the_table_says_which_layers_come_back(name: str) -> None:
    format, document, stream = FORMATS[name], full_document(), io.BytesIO()
    format.writer([document], stream, encoding="utf-8")
    (found,) = format.reader(io.BytesIO(stream.getvalue()), encoding="utf-8", losses=Losses())
    there = (
        set(found.layers) | ({"id"} if found.id else set()) | ({"scores"} if found.words.scores is not None else set())
    )
    assert there == format.layers


@pytest.mark.parametrize("name", READABLE)
def test_what_a_format_does_not_hold_is_said(name: str) -> None:
    losses = FORMATS[name].writer([full_document()], io.BytesIO())
    assert bool(losses) == (FORMATS[name].layers != FORMATS["jsonl"].layers)


@pytest.mark.parametrize("name", ["html", "terminal"])
def test_what_is_drawn_for_a_person_makes_no_loss_of_scores(name: str) -> None:
    assert FORMATS[name].writer([full_document()], io.BytesIO()) == ()


def test_the_heavy_libraries_are_not_loaded_with_the_table() -> None:
    heavy = ("pyarrow", "rich", "openvino", "jinja2", "spacy")
    code = f"import sys, lexel.data; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "[]\n"


LAYERS = {"id": "id", "words": "words", "pos": "tags", "entities": "entities", "nested": "nested entities"}


def row_of_page(format: Format) -> tuple[str, str, str, str, str]:
    """A format's row of the table of the page, without remarks."""
    endings = " ".join(f"`{ending}`" for ending in format.endings)
    held = ", ".join(shown for layer, shown in LAYERS.items() if layer in format.layers)
    everything = {*LAYERS, "scores"} <= format.layers
    return (
        f"`{format.name}`",
        endings,
        "yes" if format.reader else "",
        "yes",
        "everything, and other columns" if everything else held or "nothing",
    )


def test_the_page_has_a_row_for_every_format() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| `")
    ]
    table = [cells for cells in rows if len(cells) == 5][1:]  # the first names the columns
    assert [cells[0] for cells in table] == [f"`{name}`" for name in FORMATS]
    for cells, format in zip(table, FORMATS.values(), strict=True):
        name, endings, is_read, is_written, held = row_of_page(format)
        found = [cells[0], " ".join(re.findall(r"`\.[^`]+`", cells[1])), *cells[2:4], re.split(r"[:;]", cells[4])[0]]
        shown = held if format.reader else found[4]  # what is only shown has words of its own
        assert found == [name, endings, is_read, is_written, shown]
