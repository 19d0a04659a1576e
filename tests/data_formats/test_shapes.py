"""Labelled data in the shapes of other tools."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from lexel.data import FORMATS, Faults, Losses
from lexel.data.labelled import DataOptions, labelled_format, open_labelled
from lexel.data.shapes import SHAPES
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.builders import documents as any_document

SAMPLES: dict[str, tuple[str, Any]] = {
    "numbered tags": (
        "hugging-face",
        {"id": "0", "tokens": ["EU", "rejects", "German", "call"], "pos_tags": [0, 1, 0, 0], "ner_tags": [3, 0, 7, 0]},
    ),
    "named tags": (
        "hugging-face",
        {"tokens": ["EU", "rejects", "German", "call"], "ner_tags": ["S-ORG", "O", "S-MISC", "O"]},
    ),
    "doccano, old": ("doccano", {"text": "EU rejects German call", "label": [[0, 2, "ORG"], [11, 17, "MISC"]]}),
    "doccano, 1.0": ("doccano", {"data": "EU rejects German call", "labels": [[11, 17, "MISC"], [0, 2, "ORG"]]}),
    "doccano, relations": (
        "doccano",
        {
            "id": 4,
            "text": "EU rejects German call",
            "entities": [
                {"id": 20, "label": "ORG", "start_offset": 0, "end_offset": 2},
                {"id": 21, "label": "MISC", "start_offset": 11, "end_offset": 17},
            ],
            "relations": [{"id": 1, "from_id": 20, "to_id": 21, "type": "rejects"}],
        },
    ),
    "Label Studio": (
        "label-studio",
        {
            "id": 7,
            "data": {"text": "EU rejects German call"},
            "annotations": [
                {"id": 1, "was_cancelled": True, "result": []},
                {
                    "id": 2,
                    "was_cancelled": False,
                    "result": [
                        {"id": "a", "from_name": "label", "to_name": "text", "type": "labels",
                         "value": {"start": 0, "end": 2, "text": "EU", "labels": ["ORG"]}},
                        {"id": "b", "from_name": "label", "to_name": "text", "type": "labels",
                         "value": {"start": 11, "end": 17, "text": "German", "labels": ["MISC"]}},
                        {"type": "choices", "value": {"choices": ["news"]}},
                    ],
                },
            ],
            "predictions": [],
        },
    ),
    "Label Studio, short": (
        "label-studio",
        {
            "id": 7,
            "text": "EU rejects German call",
            "label": [
                {"start": 0, "end": 2, "text": "EU", "labels": ["ORG"]},
                {"start": 11, "end": 17, "text": "German", "labels": ["MISC"]},
            ],
            "annotator": 1,
        },
    ),
    "Prodigy": (
        "prodigy",
        {
            "text": "EU rejects German call",
            "_input_hash": 1,
            "tokens": [{"text": "EU", "start": 0, "end": 2, "id": 0, "ws": True}],
            "spans": [
                {"start": 0, "end": 2, "token_start": 0, "token_end": 0, "label": "ORG"},
                {"start": 11, "end": 17, "token_start": 2, "token_end": 2, "label": "MISC"},
            ],
            "answer": "accept",
        },
    ),
    "CLUENER": (
        "cluener",
        {"text": "EU rejects German call", "label": {"ORG": {"EU": [[0, 1]]}, "MISC": {"German": [[11, 16]]}}},
    ),
}  # fmt: skip
CLASSES = {
    "ner_tags": {"feature": {"names": ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC"]}},
    "pos_tags": {"feature": {"names": ["NOUN", "VERB"]}},
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_file_is_read_by_its_shape(tmp_path: Path, sample: str) -> None:
    name, record = SAMPLES[sample]
    path = tmp_path / "train.json"
    path.write_text(json.dumps([record] * 2, indent=1), encoding="utf-8")
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": CLASSES}), encoding="utf-8")
    file = open_labelled(path)
    assert file.format.name == name
    first, _ = file.documents()
    assert first.text == "EU rejects German call"
    assert [(span.text, span.label) for span in first.entities] == [("EU", "ORG"), ("German", "MISC")]


def test_numbered_tags_of_parquet_are_named_by_its_metadata(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "train.parquet"
    table = pyarrow.Table.from_pylist([SAMPLES["numbered tags"][1]])
    metadata = {"huggingface": json.dumps({"info": {"features": CLASSES}})}
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata), path)
    (document,) = open_labelled(path).documents()
    assert [span.label for span in document.entities] == ["ORG", "MISC"]
    assert document.words.pos == ["NOUN", "VERB", "NOUN", "NOUN"]


def test_numbered_tags_without_names_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(SAMPLES["numbered tags"][1]), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"a.jsonl:1: ner_tags holds numbers; expected names; put the dataset_info.json"
    ):
        list(open_labelled(path).documents())


def documents() -> list[Document]:
    text = "𠮷野家在北京。"
    words = Words.of(text, [(0, 3), (3, 4), (4, 6), (6, 7)], ["PROPN", "ADP", "PROPN", "PUNCT"])
    spans = Spans.of(text, [(0, 3, "ORG"), (4, 6, "LOC")])
    return [Document(text, words, spans, id="s1"), Document(text, words, Spans.of(text, []))]


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_shape_holds_comes_back(name: str) -> None:
    format, stream = FORMATS[name], io.BytesIO()
    format.writer(documents(), stream)
    assert format.reader is not None
    found = list(format.reader(io.BytesIO(stream.getvalue())))
    for document, wanted in zip(found, documents(), strict=True):
        assert (document.text, document.id, document.entities) == (wanted.text, wanted.id, wanted.entities)
        assert "words" not in format.layers or document.words.texts == wanted.words.texts
        assert "pos" not in format.layers or document.words.pos == wanted.words.pos


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=50)
@given(document=any_document(full=True, line_ends=True))
def test_any_document_comes_back_from_a_shape(name: str, document: Document) -> None:
    format, stream = FORMATS[name], io.BytesIO()
    format.writer([document], stream)
    assert format.reader is not None
    (found,) = format.reader(io.BytesIO(stream.getvalue()))
    assert (found.text, found.id, found.entities) == (document.text, document.id, document.entities)
    assert "words" not in format.layers or found.words.texts == document.words.texts
    assert "pos" not in format.layers or found.words.pos == document.words.pos


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "hugging-face"])
def test_entities_inside_of_others_come_back_in_their_layer(name: str) -> None:
    text = "𠮷野家在北京市"
    outer = Spans.of(text, [(0, 3, "ORG"), (4, 7, "LOC")])
    nested = Spans.of(text, [(0, 3, "ORG"), (4, 7, "LOC"), (4, 6, "LOC")])
    stream = io.BytesIO()
    FORMATS[name].writer([Document(text, Words.of(text, [(0, 7)]), outer, nested=nested)], stream)
    (found,) = FORMATS[name].reader(io.BytesIO(stream.getvalue()))  # type: ignore[misc]
    assert (found.entities, found.nested) == (outer, nested)


@pytest.mark.parametrize("name", SHAPES)
def test_a_written_file_is_known_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.json"
    FORMATS[name].writer(documents(), path)
    assert labelled_format(path).name == name


def test_offsets_in_utf16_units_are_converted_where_the_words_are_said() -> None:
    value = {"start": 5, "end": 7, "text": "北京", "labels": ["LOC"]}
    record = json.dumps({"text": "𠮷野家在北京", "label": [value]})
    (document,) = FORMATS["label-studio"].reader(io.StringIO(record))  # type: ignore[misc]
    assert [(span.start, span.text) for span in document.entities] == [(4, "北京")]


def record_in(name: str, document: Document) -> Any:
    stream = io.BytesIO()
    FORMATS[name].writer([document], stream)
    found = json.loads(stream.getvalue())
    return found[0] if isinstance(found, list) else found


def test_tools_in_browsers_get_offsets_in_utf16_units() -> None:
    document = documents()[0]
    assert record_in("doccano", document)["label"] == [[0, 4, "ORG"], [5, 7, "LOC"]]
    results = record_in("label-studio", document)["annotations"][0]["result"]
    values = [result["value"] for result in results]
    assert [(value["start"], value["end"], value["text"]) for value in values] == [(0, 4, "𠮷野家"), (5, 7, "北京")]


def test_prodigy_and_cluener_get_offsets_in_chars() -> None:
    document = documents()[0]
    assert [span["start"] for span in record_in("prodigy", document)["spans"]] == [0, 4]
    assert record_in("cluener", document)["label"]["LOC"] == {"北京": [[4, 5]]}


@pytest.mark.parametrize(("label", "found"), [([5, 7, "LOC"], "北京"), ([0, 3, "ORG"], "𠮷野"), ([0, 1, "ORG"], "𠮷")])
def test_offsets_of_doccano_are_utf16_units_unless_they_would_cut_a_character(label: list[Any], found: str) -> None:
    record = json.dumps({"text": "𠮷野家在北京", "label": [label]})
    (document,) = FORMATS["doccano"].reader(io.StringIO(record))  # type: ignore[misc]
    assert [span.text for span in document.entities] == [found]


def test_hugging_face_is_written_as_parquet_where_the_path_says_so(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    empty = Document("", Words.of("", []), Spans.of("", []))
    FORMATS["hugging-face"].writer([*documents(), empty], path)
    found = list(open_labelled(path).documents())
    assert labelled_format(path).name == "hugging-face"
    assert [(one.text, one.id, one.entities) for one in found] == [
        (one.text, one.id, one.entities) for one in [*documents(), empty]
    ]


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "hugging-face"])
def test_tools_that_read_no_parquet_get_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"a\.parquet: .* reads no Parquet; expected a file of JSON, such as a\.jsonl"):
        FORMATS[name].writer(documents(), tmp_path / "a.parquet")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "record", "message"),
    [
        ("cluener", {"text": "他在北京", "label": {"LOC": {"北京": [[0, 1]]}}}, r"label\[0\] is .* but means '北京'"),
        ("cluener", {"text": "他", "label": 3}, "is no record of CLUENER"),
        ("doccano", {"text": "他", "label": [[0, 9, "LOC"]]}, r"label\[0\] is \[0, 9\]; expected 0 <= start"),
        ("doccano", {"text": "他", "label": [[0, 1, 2]]}, r"label\[0\] has label 2; expected a string"),
        ("hugging-face", {"tokens": ["a"], "ner_tags": []}, "ner_tags has 0 items for 1 tokens"),
        ("prodigy", {"text": "a", "spans": [3]}, r"spans\[0\] is 3"),
        ("label-studio", {"data": {"nr": 1}, "annotations": []}, "'data' has no text"),
    ],
)
def test_a_record_that_does_not_fit_is_named(name: str, record: Any, message: str) -> None:
    reader: Any = FORMATS[name].reader
    with pytest.raises(DataError, match=f"<stream>:1: .*{message}"):
        list(reader(io.StringIO(json.dumps(record))))
    faults = Faults("skip")
    assert list(reader(io.StringIO(json.dumps(record)), faults=faults)) == []
    assert faults.count == 1


def test_rejected_examples_are_left_out_and_counted() -> None:
    losses, reader = Losses(), FORMATS["prodigy"].reader
    record = json.dumps({"text": "a", "spans": [], "answer": "reject"})
    assert reader is not None
    assert list(reader(io.StringIO(record), losses=losses)) == []
    assert [str(loss) for loss in losses] == ["examples with answer 'reject': 1 not held by documents"]


def test_records_of_lexel_are_no_shape(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    FORMATS["jsonl"].writer(documents(), path)
    assert labelled_format(path).name == "jsonl"
    assert next(open_labelled(path, DataOptions()).documents()).words.pos is not None
