"""Files that Hugging Face datasets writes and reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lexel.data import FORMATS
from lexel.data.labelled import open_labelled
from lexel.document import Document, Spans, Words

datasets = pytest.importorskip("datasets")

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def dataset() -> Any:
    names = datasets.ClassLabel(names=TAGS)
    features = {"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(names)}
    rows = {"tokens": [["王小明", "在", "北京"], []], "ner_tags": [[1, 0, 3], []]}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


@pytest.mark.parametrize("name", ["train.parquet", "train.jsonl"])
def test_class_labels_of_datasets_are_named(tmp_path: Path, name: str) -> None:
    made = dataset()
    if name.endswith(".parquet"):
        made.to_parquet(tmp_path / name)
    else:
        made.to_json(tmp_path / name)
        made.info.write_to_directory(str(tmp_path))
    file = open_labelled(tmp_path / name)
    first, second = file.documents()
    assert file.format.name == "hugging-face"
    assert [(span.text, span.label) for span in first.entities] == [("王小明", "PER"), ("北京", "LOC")]
    assert second.text == ""


def test_datasets_reads_what_was_written(tmp_path: Path) -> None:
    words = Words.of("他在北京", [(0, 1), (1, 2), (2, 4)], ["PRON", "ADP", "PROPN"])
    document = Document("他在北京", words, Spans.of("他在北京", [(2, 4, "LOC")]), id="s1")
    FORMATS["hugging-face"].writer([document], tmp_path / "train.parquet")
    (row,) = datasets.Dataset.from_parquet(str(tmp_path / "train.parquet"), cache_dir=str(tmp_path / "cache"))
    assert (row["tokens"], row["ner_tags"]) == (["他", "在", "北京"], ["O", "O", "B-LOC"])
    assert (row["pos_tags"], row["id"]) == (["PRON", "ADP", "PROPN"], "s1")
