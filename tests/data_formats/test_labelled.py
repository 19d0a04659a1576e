"""Files of labelled data, opened by the options that evaluation, training and cards share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lexel.data.labelled import DataOptions, open_labelled, read_label_map, read_vocabulary
from lexel.errors import DataError, OptionError

FIVE_COLUMNS = "我 x x x S-PER\n在 x x x O\n臺 x x x B-LOC\n北 x x x E-LOC\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_as_the_options_say_and_as_often_as_wanted(tmp_path: Path) -> None:
    options = DataOptions(columns=("word", "-", "-", "-", "tag"), scheme="bioes")
    file = open_labelled(write(tmp_path / "a.conll", FIVE_COLUMNS), options)
    for _ in range(2):
        (document,) = file.documents()
        assert [(span.text, span.label) for span in document.entities] == [("我", "PER"), ("臺北", "LOC")]


def test_a_document_over_the_limit_is_refused_by_its_number(tmp_path: Path) -> None:
    file = open_labelled(write(tmp_path / "a.seg", "我 在\n我 在 家\n"), DataOptions(max_chars=2))
    with pytest.raises(DataError, match=r"a\.seg: document 2: 3 characters; expected at most 2"):
        list(file.documents())


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"columns": ("word", "tags")}, "'word,tags'; expected one word"),
        ({"scheme": "BIEO"}, "'BIEO'"),
        ({"separator": ""}, "separator is ''; expected tab, blank, or any text"),
    ],
)
def test_values_are_checked_before_a_file_is_opened(options: dict[str, object], found: str) -> None:
    with pytest.raises(OptionError, match=found):
        DataOptions(**options)  # type: ignore[arg-type]


def test_options_of_columns_do_not_apply_to_other_formats(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "a"}\n')
    with pytest.raises(OptionError, match="is jsonl; scheme: only for CoNLL columns"):
        open_labelled(path, DataOptions(scheme="BIO"))


@pytest.mark.parametrize(("name", "found"), [("no.conll", "no such file"), ("a.txt", "text holds no labels")])
def test_what_holds_no_labels_is_refused(tmp_path: Path, name: str, found: str) -> None:
    write(tmp_path / "a.txt", "a\n")
    with pytest.raises(DataError, match=found):
        open_labelled(tmp_path / name)


@pytest.mark.parametrize(("kind", "found"), [("folder", "is a folder"), ("pipe", "is a pipe or a device")])
def test_what_is_there_and_no_file_is_called_what_it_is(tmp_path: Path, kind: str, found: str) -> None:
    path = tmp_path / "a.conll"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(DataError, match=rf"a\.conll: {found}.*; expected a file of labelled documents"):
        open_labelled(path)


def test_a_vocabulary_of_training_data_knows_its_texts_and_a_list_does_not(tmp_path: Path) -> None:
    assert read_vocabulary(str(write(tmp_path / "a.seg", "我 在\n"))) == ({"我", "在"}, {"我在"})
    assert read_vocabulary(str(write(tmp_path / "a.txt", "我 在\n"))) == ({"我", "在"}, None)


def test_a_label_map_holds_strings(tmp_path: Path) -> None:
    assert read_label_map(str(write(tmp_path / "a.json", '{"GPE": "LOC"}'))) == {"GPE": "LOC"}
    with pytest.raises(DataError, match="gold labels to the model's"):
        read_label_map(str(write(tmp_path / "a.json", '{"GPE": 1}')))
