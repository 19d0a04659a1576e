"""How data files are read: columns, separators, encodings, fields and folded tags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lexel.errors import DataError, OptionError
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.data.features import read_documents
from lexel.training.data.text_examples import classified_of

HEADS = {"words": HeadOptions(task="words")}


def options(*files: DataFile, **more: Any) -> TrainingOptions:
    return TrainingOptions(train=files, heads=HEADS, output_dir="out", model="m", **more)


def test_columns_separator_scheme_and_encoding_of_a_file_are_used(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes("北京,x,E-LOC\n在,x,O\n".replace("E-LOC", "I-LOC").encode("gb18030"))
    file = DataFile(path=str(path), columns=("word", "-", "tag"), separator=",", scheme="IOB1", encoding="gb18030")
    (document,) = read_documents(file)
    assert [(e.text, e.label) for e in document.entities] == [("北京", "LOC")]


def test_what_is_said_for_all_files_applies_where_a_file_says_nothing(tmp_path: Path) -> None:
    files = DataFile(path="a.conll"), DataFile(path="b.conll", scheme="BIOES"), DataFile(path="c.jsonl")
    first, second, third = options(*files, columns=("word", "tag"), data_scheme="IOB1", encoding="gb18030").train
    assert (first.columns, first.scheme, first.encoding) == (("word", "tag"), "IOB1", "gb18030")
    assert (second.columns, second.scheme) == (("word", "tag"), "BIOES")
    assert (third.columns, third.scheme, third.encoding) == (None, None, "gb18030")


def test_columns_of_a_file_without_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "a"}) + "\n", encoding="utf-8")
    with pytest.raises(OptionError, match=r"a\.jsonl: is jsonl; columns: only for CoNLL columns"):
        list(read_documents(DataFile(path=str(path), columns=("word", "tag"))))


@pytest.mark.parametrize("repair", [False, True])
def test_tags_are_folded_also_where_ill_formed_ones_are_repaired(tmp_path: Path, repair: bool) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("1\t因為\t_\tSCONJ\tRB\t_\t0\troot\t_\t_\n\n", encoding="utf-8")
    (document,) = read_documents(DataFile(path=str(path), fold="ud-zh-2.12"), repair=repair)
    assert [word.pos for word in document.words] == ["ADV"]


def test_fields_of_classified_texts_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"sentence": "好", "topic": "x"}) + "\n", encoding="utf-8")
    (record,) = classified_of(DataFile(path=str(path), text_field="sentence", label_field="topic"))
    assert (record.text, record.labels) == ("好", ("x",))


def test_records_that_cannot_be_read_are_skipped_and_counted_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "好", "words": [[0, 1]]}\nbroken\n{"text": "天"}\n', encoding="utf-8")
    file = options(DataFile(path=str(path)), on_error="skip").train[0]
    assert [document.text for document in read_documents(file)] == ["好", "天"]
    assert "1 record" in caplog.text
    with pytest.raises(DataError, match=r"a\.jsonl:2"):
        list(read_documents(DataFile(path=str(path))))


def test_classified_texts_that_cannot_be_read_are_skipped_on_request(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "好", "label": "x"}\n{"text": 1}\n', encoding="utf-8")
    (record,) = classified_of(DataFile(path=str(path), on_error="skip"))
    assert record.text == "好"
