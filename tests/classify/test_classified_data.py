"""Texts and pairs with their classes are read from JSON lines and tables, and what is wrong is said with its line."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from lexel.data.classified import Classified, Columns, read_classified
from lexel.errors import DataError


def read(text: str, **options: Any) -> list[Classified]:
    return list(read_classified(io.StringIO(text), **options))


def parts(examples: list[Classified]) -> list[tuple[str, str | None, tuple[str, ...]]]:
    return [(example.text, example.pair, example.labels) for example in examples]


def test_json_lines_hold_a_class_or_several_or_a_number() -> None:
    text = (
        '{"text": "好", "label": "pos"}\n\n{"text": "坏", "label": ["a", "b"]}\n'
        '{"text": "", "labels": []}\n{"text": "x", "label": 3.5}\n'
    )
    assert parts(read(text)) == [
        ("好", None, ("pos",)),
        ("坏", None, ("a", "b")),
        ("", None, ()),
        ("x", None, ("3.5",)),
    ]


def test_a_pair_has_a_second_text() -> None:
    (example,) = read('{"id": 7, "text": "a", "text_pair": "b", "label": "entailment"}')
    assert (example.text, example.pair, example.id, example.where) == ("a", "b", "7", "<stream>:1")


def test_cells_of_a_tsv_stand_as_they_are() -> None:
    table = 'text\ttext_pair\tlabel\n"quoted, "twice\tb\tpos\n\nc\t\tneg\n'
    assert parts(read(table, format="tsv")) == [('"quoted, "twice', "b", ("pos",)), ("c", "", ("neg",))]


def test_cells_of_a_csv_may_hold_commas_and_line_ends() -> None:
    table = 'label,text\npos,"a, ""b""\nc"\nneg,d\n'
    assert parts(read(table, format="csv")) == [('a, "b"\nc', None, ("pos",)), ("d", None, ("neg",))]


def test_a_column_of_labels_holds_several() -> None:
    assert parts(read("text\tlabels\na\tx, y\nb\t\n", format="tsv")) == [("a", None, ("x", "y")), ("b", None, ())]


def test_columns_may_have_other_names() -> None:
    columns = Columns(text="sentence1", pair="sentence2", label="gold")
    (example,) = read("gold\tsentence1\tsentence2\nyes\ta\tb\n", format="tsv", columns=columns)
    assert (example.text, example.pair, example.labels) == ("a", "b", ("yes",))


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.tsv", "text\tlabel\na\tb\n"), ("x.csv", "text,label\na,b\n"), ("x.jsonl", '{"text":"a","label":"b"}\n')],
)
def test_the_format_is_told_by_the_ending(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    for file in (name, f"{name}.gz"):
        (example,) = read_classified(tmp_path / file)
        assert (example.text, example.labels) == ("a", ("b",))


def test_plain_text_is_a_text_a_line_with_blank_ones() -> None:
    assert parts(read("a\n\nb\n", format="text", labelled=False)) == [("a", None, ()), ("", None, ()), ("b", None, ())]


def test_a_number_is_read_where_one_is_wanted() -> None:
    assert read('{"text": "a", "label": 3}')[0].number == 3.0
    with pytest.raises(DataError, match=r"<stream>:1: 'pos'; expected one number"):
        _ = read('{"text": "a", "label": "pos"}')[0].number


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ('{"text": "a"}\n', {}, r"<stream>:1: no 'label'"),
        ('{"text": "a", "label": null}\n', {}, r"<stream>:1: no 'label'"),
        ('{"label": "a"}\n', {}, r"<stream>:1: no 'text'"),
        ('{"text": 3, "label": "a"}\n', {}, r"<stream>:1: 'text' is 3"),
        ('{"text": "a", "text_pair": 3, "label": "a"}\n', {}, r"'text_pair' is 3"),
        ('{"text": "a", "label": {"x": 1}}\n', {}, r"'label' is \{'x': 1\}"),
        ('{"text": "a", "label": true}\n', {}, r"'label' is True"),
        ("[1]\n", {}, r"<stream>:1: a JSON list"),
        ("x\n", {}, r"<stream>:1: not JSON"),
        ("sentence\tlabel\na\tb\n", {"format": "tsv"}, r"<stream>:1: columns 'sentence', 'label'; .* with 'text'"),
        ("text\ttext\n", {"format": "tsv"}, r"and no name twice"),
        ("text\tlabel\na\n", {"format": "tsv"}, r"<stream>:2: 1 cells, the header names 2"),
        ('text,label\n"a,b\n', {"format": "csv"}, r"not CSV"),
        ("a\n", {"format": "text"}, r"format 'text'; expected one of jsonl, tsv, csv"),
        ("a\n", {"format": "xml"}, r"format 'xml'"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(text, **options)


def test_labels_may_be_absent_where_nothing_is_learned() -> None:
    assert parts(read('{"text": "a"}\n', labelled=False)) == [("a", None, ())]
