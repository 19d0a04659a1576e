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
    assert document.layers == {"words", "entities"}  # the second column is skipped


def test_what_is_said_for_all_files_applies_where_a_file_says_nothing(tmp_path: Path) -> None:
    files = DataFile(path="a.conll"), DataFile(path="b.conll", scheme="BIOES"), DataFile(path="c.jsonl")
    first, second, third = options(*files, columns=("word", "tag"), data_scheme="IOB1", encoding="gb18030").train
    assert (first.columns, first.scheme, first.encoding) == (("word", "tag"), "IOB1", "gb18030")
    assert (second.columns, second.scheme) == (("word", "tag"), "BIOES")
    assert (third.columns, third.scheme, third.encoding) == (None, None, "gb18030")


def test_rows_are_characters_where_a_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("北 B-LOC\n京 I-LOC\n", encoding="utf-8")
    as_words, as_chars = (DataFile(path=str(path), unit=unit) for unit in ("words", "chars"))
    assert [next(read_documents(file)).layers for file in (as_words, as_chars)] == [{"words", "entities"}, {"entities"}]


def test_a_folder_of_brat_and_the_rows_of_other_tools_are_read(tmp_path: Path) -> None:
    (tmp_path / "brat").mkdir()
    (tmp_path / "brat" / "a.txt").write_text("他在北京", encoding="utf-8")
    (tmp_path / "brat" / "a.ann").write_text("T1\tLOC 2 4\t北京\n", encoding="utf-8")
    (tmp_path / "train.iob2").write_text("1\t在\tO\n2\t北京\tB-LOC\n", encoding="utf-8")
    for name in ("brat", "train.iob2"):
        (document,) = read_documents(DataFile(path=str(tmp_path / name)))
        assert [(span.text, span.label) for span in document.entities] == [("北京", "LOC")]


def test_lines_of_fasttext_are_read_with_their_classes(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("__label__good __label__new 很好\n", encoding="utf-8")
    (record,) = classified_of(DataFile(path=str(tmp_path / "train.txt")))
    assert (record.text, record.labels) == ("很好", ("good", "new"))


def test_entity_tags_are_read_from_the_key_that_a_file_names(tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text("\t".join(["1", "北京", *["_"] * 7, "NER=B-LOC"]) + "\n\n", encoding="utf-8")
    (document,) = read_documents(DataFile(path=str(path), entity_key="NER"))
    assert [span.label for span in document.entities] == ["LOC"]


def test_a_unit_and_a_key_for_all_files_apply_to_their_formats_only() -> None:
    files = DataFile(path="a.conll"), DataFile(path="b.conllu"), DataFile(path="c.jsonl")
    columns, rows, lines = options(*files, unit="chars", entity_key="NER").train
    assert (columns.unit, columns.entity_key) == ("chars", None)
    assert (rows.unit, rows.entity_key) == (None, "NER")
    assert (lines.unit, lines.entity_key) == (None, None)


def test_separators_that_are_hard_to_type_have_names(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("New York\tB-LOC\n", encoding="utf-8")
    (document,) = read_documents(DataFile(path=str(path), separator="tab"))
    assert [word.text for word in document.words] == ["New York"]


def test_tsv_files_hold_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("北京\tE-LOC\n".replace("E-", "S-"), encoding="utf-8")
    (file,) = options(DataFile(path=str(path)), data_scheme="BIOES").train
    assert [span.label for document in read_documents(file) for span in document.entities] == ["LOC"]


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
