"""JSON lines: everything comes back, and whatever is wrong is named."""

from __future__ import annotations

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexel.data import Losses, read_jsonl, write_jsonl
from lexel.data.offsets import unit_positions
from lexel.document import Document, Spans, Words
from lexel.errors import DataError
from tests.data_formats.builders import DATA, documents, sentences


def line_of(document: Document, **options) -> str:
    stream = io.BytesIO()
    assert write_jsonl([document], stream, **options) == ()
    return stream.getvalue().decode(options.get("encoding", "utf-8"))


def read_line(line: str) -> Document:
    (document,) = read_jsonl(io.StringIO(line))
    return document


def has_pair(text: str) -> bool:
    return re.search("[\ud800-\udbff][\udc00-\udfff]", text) is not None


@given(documents(line_ends=True, exact_entities=False, scores=True), st.sampled_from(["char", "utf16", "byte"]))
def test_every_document_comes_back_whole_in_every_unit(document: Document, unit: str) -> None:
    assert read_line(line_of(document, offsets=unit)) == document


@given(documents(surrogates=True, exact_entities=False), st.sampled_from(["char", "utf16", "byte"]))
def test_lone_surrogates_come_back(document: Document, unit: str) -> None:
    if not has_pair(document.text):
        assert read_line(line_of(document, offsets=unit)) == document


def test_a_lone_surrogate_is_written_as_an_escape() -> None:
    assert '"text":"a\\ud83d"' in line_of(Document("a\ud83d"))


def test_surrogates_that_json_would_join_are_refused() -> None:
    with pytest.raises(DataError, match="<stream>:1: a high surrogate is directly before a low one"):
        line_of(Document("\ud83d\ude00"))


def test_a_record_has_the_keys_of_the_format_in_order() -> None:
    text = "在北京"
    words = Words(text, [0, 1], [1, 3], pos_ids=[0, 1], pos_labels=["ADP", "PROPN"], scores=[0.5, 0.123456])
    line = line_of(Document(text, words, Spans.of(text, [(1, 3, "LOC")]), id="s1"))
    assert line == (
        '{"id":"s1","text":"在北京","words":[[0,1],[1,3]],"pos":["ADP","PROPN"],"entities":[[1,3,"LOC"]],'
        '"scores":{"words":[0.5,0.1235]},"offset_unit":"char"}\n'
    )


def test_a_layer_that_is_absent_is_null_and_an_empty_one_is_a_list() -> None:
    record = json.loads(line_of(Document("a", Words("a", [0], [1]), Spans.of("a", []))))
    assert (record["pos"], record["entities"]) == (None, [])
    assert read_line('{"text":"a","entities":[]}').layers == frozenset(("entities",))
    assert read_line('{"text":"a","words":null}').layers == frozenset()


@pytest.mark.parametrize(("unit", "offsets"), [("char", [1, 2]), ("utf16", [2, 3]), ("byte", [4, 7])])
def test_offsets_count_what_is_asked_for(unit: str, offsets: list[int]) -> None:
    document = Document("😀漢", entities=Spans.of("😀漢", [(1, 2, "X")]))
    assert json.loads(line_of(document, offsets=unit))["entities"] == [[*offsets, "X"]]


@given(st.text())
def test_positions_are_those_of_the_encodings(text: str) -> None:
    for unit, encoding, size in (("utf16", "utf-16-le", 2), ("byte", "utf-8", 1)):
        positions = unit_positions(text, unit)
        found = list(range(len(text) + 1)) if positions is None else positions.tolist()
        assert found == [len(text[:i].encode(encoding)) // size for i in range(len(text) + 1)]


def test_upos_is_read_as_pos() -> None:
    assert read_line('{"text":"a","words":[[0,1]],"upos":["X"]}').words.pos == ["X"]


def test_entities_are_put_in_order_with_their_scores() -> None:
    document = read_line('{"text":"abc","entities":[[2,3,"B"],[0,1,"A"]],"scores":{"entities":[0.25,0.5]}}')
    assert [(span.label, span.score) for span in document.entities] == [("A", 0.5), ("B", 0.25)]


def test_a_number_is_an_id() -> None:
    assert read_line('{"text":"a","id":7}').id == "7"


def test_keys_that_nobody_knows_are_said() -> None:
    losses = Losses()
    list(read_jsonl(io.StringIO('{"text":"a","xpos":[]}\n{"text":"b","xpos":[]}\n'), losses=losses))
    assert list(map(str, losses)) == ["key 'xpos': 2 not held by documents"]


def test_lines_of_whitespace_are_passed_over() -> None:
    assert [document.text for document in read_jsonl(io.StringIO('{"text":"a"}\n\n \n{"text":"b"}'))] == ["a", "b"]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (
            "{",
            "not JSON (Expecting property name enclosed in double quotes at column 2); "
            "expected one object per line, or one array of objects",
        ),
        ("[]", "found a JSON list; expected an object with 'text'"),
        ("3", "found a JSON int; expected an object with 'text'"),
        ("{}", "no 'text'; expected the string that the offsets index"),
        ('{"text":null}', "'text' is null; expected the string that the offsets index"),
        ('{"text":"a","id":[]}', "id is a list; expected a string"),
        ('{"text":"a","id":true}', "id is true or false; expected a string"),
        ('{"text":"a","offset_unit":"rune"}', "offset_unit is 'rune'; expected one of char, utf16, byte"),
        ('{"text":"a","offset_unit":[]}', "offset_unit is []; expected one of char, utf16, byte"),
        ('{"text":"a","words":"a"}', "words is a string; expected a list or null"),
        ('{"text":"a","words":[[0]]}', "words[0] is [0]; expected [start, end], two whole numbers"),
        ('{"text":"a","words":[[0,1],7]}', "words[1] is 7; expected [start, end], two whole numbers"),
        ('{"text":"a","words":[[0,1.5]]}', "words[0] is [0, 1.5]; expected [start, end], two whole numbers"),
        ('{"text":"a","words":[["0","1"]]}', "words[0] is ['0', '1']; expected [start, end], two whole numbers"),
        ('{"text":"a","words":[[0,99999999999999999999]]}', "words holds numbers beyond any text; expected offsets"),
        (
            '{"text":"abc","words":[[0,1],[1,9]]}',
            "words[1] is [1, 9]; expected 0 <= start < end <= 3 (char offsets of this text)",
        ),
        (
            '{"text":"abc","words":[[1,1]]}',
            "words[0] is [1, 1]; expected 0 <= start < end <= 3 (char offsets of this text)",
        ),
        (
            '{"text":"abc","words":[[-1,1]]}',
            "words[0] is [-1, 1]; expected 0 <= start < end <= 3 (char offsets of this text)",
        ),
        (
            '{"text":"abc","words":[[0,2],[1,3]]}',
            "words[1] is [1, 3], but [0] is [0, 2]; expected words in order, without overlaps",
        ),
        (
            '{"text":"😀b","words":[[1,3]],"offset_unit":"utf16"}',
            "words[0] is [1, 3], which cuts a character in two; expected utf16 offsets between characters",
        ),
        (
            '{"text":"漢","entities":[[0,2,"X"]],"offset_unit":"byte"}',
            "entities[0] is [0, 2], which cuts a character in two; expected byte offsets between characters",
        ),
        (
            '{"text":"漢","words":[[0,4]],"offset_unit":"byte"}',
            "words[0] is [0, 4]; expected 0 <= start < end <= 3 (byte offsets of this text)",
        ),
        ('{"text":"a","words":[[0,1]],"pos":[]}', "'pos' has 0 tags for 1 words; expected one per word"),
        ('{"text":"a","words":[[0,1]],"upos":["A","B"]}', "'upos' has 2 tags for 1 words; expected one per word"),
        ('{"text":"a","words":[[0,1]],"pos":[null]}', "pos[0] is null; expected a string"),
        ('{"text":"a","pos":["X"]}', "'pos' without 'words'; expected one tag per word"),
        ('{"text":"a","entities":[[0,1]]}', "entities[0] is [0, 1]; expected [start, end, label]"),
        ('{"text":"a","entities":[[0,1,7]]}', "entities[0] is [0, 1, 7]; expected [start, end, label]"),
        ('{"text":"a","scores":[]}', "scores is a list; expected an object or null"),
        (
            '{"text":"a","words":[[0,1]],"scores":{"words":[]}}',
            "scores['words'] is 0 values; expected 1 numbers, as many as there are words",
        ),
    ],
)
def test_a_broken_record_is_named_with_what_is_wrong(record: str, problem: str) -> None:
    with pytest.raises(DataError) as caught:
        list(read_jsonl(io.StringIO('{"text":"fine"}\n' + record)))
    assert str(caught.value) == f"<stream>:2: {problem}"


@pytest.mark.parametrize("record", ["[" * 200_000, "9" * 5000])
def test_a_monstrous_record_is_an_error_of_its_line(record: str) -> None:
    with pytest.raises(DataError, match=r"<stream>(: ends inside its array|:1: not a record|:1: found a JSON)"):
        read_line(record)


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match="<stream>:1: a score is not finite"):
        line_of(Document("a", Words("a", [0], [1], scores=[float("nan")])))


def test_an_unknown_unit_is_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(ValueError, match="offset unit 'rune'; expected one of char, utf16, byte"):
        write_jsonl([], tmp_path / "out.jsonl", offsets="rune")
    assert list(tmp_path.iterdir()) == []


def test_characters_that_an_encoding_lacks_are_escaped() -> None:
    line = line_of(Document("漢😀é"), encoding="big5")
    assert "\\ud83d\\ude00" in line
    assert read_line(line).text == "漢😀é"


def test_real_sentences_come_back_as_they_were_in_the_file(tmp_path) -> None:
    write_jsonl(sentences(), tmp_path / "out.jsonl.gz")
    assert list(read_jsonl(tmp_path / "out.jsonl.gz")) == sentences()


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.jsonl")))
def test_the_words_of_the_test_data_hold_all_but_whitespace(name: str) -> None:
    for document in read_jsonl(DATA / name):
        if "words" in document.layers:
            assert "".join(document.words.texts) == "".join(document.text.split())
