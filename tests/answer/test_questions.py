"""Questions in and answers checked: SQuAD's JSON, and one question per line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from lexel.data.faults import Faults
from lexel.data.questions import Question, read_questions
from lexel.errors import DataError
from lexel.names import OnError

CONTEXT = "😀他在北京大学。"


def squad(*questions: dict[str, Any], context: str = CONTEXT) -> dict[str, Any]:
    return {"version": "v2.0", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}]}


def read(tmp_path: Path, text: str, name: str = "q.json") -> list[Question]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return list(read_questions(path))


ASKED = {"id": "q1", "question": "他在哪？", "answers": [{"text": "北京", "answer_start": 3}]}


@pytest.mark.parametrize("indent", [None, 2])
def test_squad_is_read_whether_on_one_line_or_many(tmp_path: Path, indent: int | None) -> None:
    (question,) = read(tmp_path, "\n" + json.dumps(squad(ASKED), ensure_ascii=False, indent=indent))
    where = f"{tmp_path / 'q.json'}: data[0].paragraphs[0].qas[0]"
    assert question == Question("q1", "他在哪？", CONTEXT, ((3, 5),), where)
    assert question.answer_texts == ["北京"]


def test_a_question_without_answers_is_one_that_the_context_does_not_answer(tmp_path: Path) -> None:
    asked = {"id": 7, "question": "?", "answers": [], "is_impossible": True, "plausible_answers": [{"text": "x"}]}
    (question,) = read(tmp_path, json.dumps(squad(asked)))
    assert (question.id, question.answers) == ("7", ())


@pytest.mark.parametrize(
    "answers",
    [
        [[3, 5], [3, 7]],
        [{"text": "北京", "answer_start": 3}, {"text": "北京大学", "answer_start": 3}],
        {"text": ["北京", "北京大学"], "answer_start": [3, 3]},
    ],
)
def test_answers_of_a_line_may_be_ranges_or_squads_objects_or_columns(tmp_path: Path, answers: Any) -> None:
    record = {"question": "他在哪？", "context": CONTEXT, "answers": answers}
    (question,) = read(tmp_path, json.dumps(record) + "\n\n", "q.jsonl")
    assert question.answer_texts == ["北京", "北京大学"]
    assert question.where == f"{tmp_path / 'q.jsonl'}:1"


@pytest.mark.parametrize(("unit", "range"), [("char", [3, 5]), ("utf16", [4, 6]), ("byte", [10, 16])])
def test_ranges_count_in_the_unit_of_the_record(tmp_path: Path, unit: str, range: list[int]) -> None:
    record = {"question": "?", "context": CONTEXT, "answers": [range], "offset_unit": unit}
    assert read(tmp_path, json.dumps(record))[0].answer_texts == ["北京"]


def test_lines_are_read_one_at_a_time() -> None:
    record = json.dumps({"question": "?", "context": "c"})
    questions = read_questions(io.StringIO(f"{record}\n\n{record}\nnot JSON\n"))
    assert [next(questions).where, next(questions).where] == ["<stream>:1", "<stream>:3"]
    with pytest.raises(DataError, match="<stream>:4: not a JSON object"):
        next(questions)


def test_an_empty_file_has_no_questions(tmp_path: Path) -> None:
    assert read(tmp_path, "\n") == []


LINE = {"question": "?", "context": CONTEXT}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"context": "c"}, "q.jsonl:1: no question; expected a string"),
        ({"question": 1, "context": "c"}, "question is 1; expected a string"),
        ({"question": "?"}, "no context"),
        ({**LINE, "id": []}, r"id is \[\]"),
        ({**LINE, "answers": "北京"}, "answers is '北京'; expected a list"),
        ({**LINE, "answers": ["北京"]}, r"answers\[0\] is '北京'; expected {'text'"),
        ({**LINE, "answers": [[3, 50]]}, r"answers\[0\] is \[3, 50\]; expected 0 <= start < end <= 8"),
        ({**LINE, "answers": [[3, 5]], "offset_unit": "x"}, "offset_unit is 'x'"),
        ({**LINE, "answers": {"text": ["a"], "answer_start": []}}, "equal length"),
        ({**LINE, "answers": [{"text": "北京", "answer_start": "3"}]}, r"answers\[0\].answer_start is '3'"),
        ({**LINE, "answers": [{"text": "", "answer_start": 3}]}, r"answers\[0\] is empty"),
        ({**LINE, "answers": [{"text": "北京", "answer_start": 4}]}, "'北京' at 4, but the context has '京大' there"),
        ({**LINE, "answers": [{"text": "北京", "answer_start": 4}]}, "its text occurs first at 3"),
        ({**LINE, "answers": [{"text": "北京", "answer_start": -6}]}, "but the context has '' there"),
        ({**LINE, "answers": [{"text": "上海", "answer_start": 3}]}, "its text does not occur in the context"),
        ({**LINE, "answers": [[3, 5]], "is_impossible": True}, "is_impossible is true, but there are 1 answers"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_place(tmp_path: Path, record: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, json.dumps(record, ensure_ascii=False), "q.jsonl")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "q.json: a JSON list; expected"),
        ('\n{"data": [\n 1 2]}', "q.json:3: not JSON .* at column 4"),
        ('{"data": 1}', "q.json: data is 1; expected a list"),
        ('{"data": [1]}', r"q.json: data\[0\]: is 1; expected an object"),
        ('{"data": [{"paragraphs": [{"qas": []}]}]}', r"data\[0\].paragraphs\[0\]: no context"),
        (json.dumps(squad(ASKED, {"id": "q2"})), r"data\[0\].paragraphs\[0\].qas\[1\]: no question"),
    ],
)
def test_what_is_wrong_with_squads_json_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(tmp_path, text)


CMRC = [
    {
        "context_id": "TRAIN_1",
        "context_text": "他在北京，不在上海。",
        "qas": [{"query_id": "q1", "query_text": "他在哪？", "answers": ["北京", "在北京"]}],
    }
]


def misplaced(context: str, *answers: tuple[str, int], path: Path) -> Path:
    """A file with one question."""
    found = [{"text": text, "answer_start": start} for text, start in answers]
    qas = [{"id": "q1", "question": "在哪？", "answers": found}]
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": context, "qas": qas}]}]}), encoding="utf-8")
    return path


def test_cmrc_as_it_was_first_published_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cmrc.json"
    path.write_text(json.dumps(CMRC, indent=1, ensure_ascii=False), encoding="utf-8")
    (question,) = read_questions(path)
    assert (question.id, question.question, question.answer_texts) == ("q1", "他在哪？", ["北京", "在北京"])
    assert question.answers == ((2, 4), (1, 4))


def test_a_misplaced_answer_is_repaired_to_its_nearest_place(tmp_path: Path) -> None:
    path = misplaced("北京。他在北京。北京", ("北京", 6), path=tmp_path / "q.json")
    faults = Faults("repair")
    (question,) = read_questions(path, faults=faults)
    assert question.answers == ((5, 7),)
    assert (faults.count, faults.n_repaired) == (0, 1)
    assert faults.lines() == ["1 record repaired (--on-error repair)"]


@pytest.mark.parametrize("rule", ["skip", "repair"])
def test_an_answer_that_stands_nowhere_costs_its_question_and_is_counted(tmp_path: Path, rule: OnError) -> None:
    faults = Faults(rule)
    assert list(read_questions(misplaced("他在北京。", ("上海", 2), path=tmp_path / "q.json"), faults=faults)) == []
    assert (faults.count, faults.n_repaired) == (1, 0)
    assert "data[0].paragraphs[0].qas[0]" in str(faults.first)


def test_a_question_that_cannot_be_read_costs_one_line(tmp_path: Path) -> None:
    good = json.dumps({"question": "a", "context": "b"})
    path = tmp_path / "q.jsonl"
    path.write_text(f"{good}\n[1]\n{good}\n", encoding="utf-8")
    faults = Faults("skip")
    assert len(list(read_questions(path, faults=faults))) == 2
    assert faults.lines()[0].startswith(f"1 record skipped (--on-error skip); the first: {path}:2: not a JSON object")
