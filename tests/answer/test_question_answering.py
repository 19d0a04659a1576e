"""``lexel.pipeline("question-answering")`` against transformers 4's rules, written out with transformers' model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lexel
from lexel.errors import DataError, LabelError
from lexel.pipelines.question_answering import QuestionAnsweringPipeline
from tests.answer.models import FAMILIES, Reference, build_reference
from tests.builders import WORDS, build_tagger

QUESTION = "went new york?"
CONTEXT = "the new york 天下 went unaffable, a1b2 in 台北市長王小明的家. I lived in the new house for 33 days!"
ASCII = " ".join(CONTEXT.encode("ascii", "ignore").decode().split())


@pytest.fixture(scope="module", params=FAMILIES)
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return build_reference(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return build_reference(tmp_path_factory.mktemp("bert"), "bert")


def pipe_of(reference: Reference, **options: Any) -> QuestionAnsweringPipeline:
    pipe = lexel.pipeline("question-answering", reference.folder, **options)
    assert isinstance(pipe, QuestionAnsweringPipeline)
    return pipe


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


def by_the_rules(
    reference: Reference,
    question: str,
    context: str,
    *,
    top_k: int = 1,
    max_answer_len: int = 15,
    max_seq_len: int = 64,
    doc_stride: int = 32,
    handle_impossible_answer: bool = False,
    align_to_words: bool = True,
) -> list[dict[str, Any]]:
    """Transformers 4's answers, window by window and span by span."""
    parts = reference.tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=max_seq_len,
        stride=doc_stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    answers: list[dict[str, Any]] = []
    nulls = []
    for k in range(len(parts["input_ids"])):
        inputs = {name: torch.tensor([parts[name][k]]) for name in reference.tokenizer.model_input_names}
        scores, places = reference.scores(**inputs), parts["offset_mapping"][k]
        allowed = [i for i, of in enumerate(parts.sequence_ids(k)) if of == 1 or i == 0]
        start, end = np.zeros(len(scores)), np.zeros(len(scores))
        start[allowed], end[allowed] = softmax(scores[allowed, 0]), softmax(scores[allowed, 1])
        nulls.append(start[0] * end[0])
        spans = [(start[i] * end[j], i, j) for i in allowed[1:] for j in allowed[1:] if i <= j < i + max_answer_len]
        for score, i, j in sorted(spans, reverse=True)[:top_k]:
            low, high = places[i][0], places[j][1]
            if align_to_words:
                low = parts.word_to_chars(k, parts.token_to_word(k, i), 1)[0]
                high = parts.word_to_chars(k, parts.token_to_word(k, j), 1)[1]
            same = [answer for answer in answers if answer["answer"].lower() == context[low:high].lower()]
            if same:
                same[0]["score"] += score
            else:
                answers.append({"score": score, "start": low, "end": high, "answer": context[low:high]})
    if handle_impossible_answer:
        answers.append({"score": min(nulls), "start": 0, "end": 0, "answer": ""})
    return sorted(answers, key=lambda answer: -answer["score"])[:top_k]


CASES: dict[str, dict[str, Any]] = {
    "one": {},
    "several": {"top_k": 5},
    "pieces": {"top_k": 5, "align_to_words": False},
    "short": {"top_k": 3, "max_answer_len": 2},
    "null": {"top_k": 4, "handle_impossible_answer": True},
    "windows": {"top_k": 4, "max_seq_len": 40, "doc_stride": 9},
    "narrow": {"top_k": 6, "max_seq_len": 36, "doc_stride": 3, "align_to_words": False},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
@pytest.mark.parametrize("times", [1, 3])
def test_answers_are_transformers_4s(reference: Reference, options: dict[str, Any], times: int) -> None:
    is_bytes = reference.model.config.model_type == "roberta"
    if is_bytes and options == CASES["narrow"]:
        times = 1  # in some windows the library counts the blank before the first piece to it, which Lexel never does
    context = (ASCII if is_bytes else CONTEXT) * times
    found = pipe_of(reference, threads=1)(question=QUESTION, context=context, **options)
    expected = by_the_rules(reference, QUESTION, context, **options)
    found = found if isinstance(found, list) else [found]
    assert [(one["start"], one["end"], one["answer"]) for one in found] == [
        (one["start"], one["end"], one["answer"]) for one in expected
    ]
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in expected], rel=2e-3)


# The shapes of calls -------------------------------------------------------------------------------------------------


def test_one_question_gives_one_dict_of_plain_types(bert: Reference) -> None:
    found = pipe_of(bert)(question=QUESTION, context=CONTEXT)
    assert list(found) == ["score", "start", "end", "answer"]
    assert [type(value) for value in found.values()] == [float, int, int, str]


def test_every_way_to_ask_gives_the_same(bert: Reference) -> None:
    pipe = pipe_of(bert)
    example = {"question": QUESTION, "context": CONTEXT}
    found = pipe(**example)
    assert pipe(example) == found
    assert pipe([example]) == found  # as there: a list of one gives one
    assert pipe([example, example]) == [found, found]
    assert pipe(example, example) == [found, found]
    assert pipe(question=[QUESTION, QUESTION], context=CONTEXT) == [found, found]
    assert pipe(question=[QUESTION, QUESTION], context=[CONTEXT, CONTEXT]) == [found, found]
    assert list(pipe(iter([example, example]))) == [found, found]
    assert pipe([]) == []


def test_a_stream_is_read_lazily(bert: Reference) -> None:
    def endless() -> Any:
        while True:
            yield {"question": QUESTION, "context": CONTEXT * 40}

    assert next(pipe_of(bert)(endless()))["answer"]


def test_options_of_the_pipeline_hold_unless_a_call_says_otherwise(bert: Reference) -> None:
    pipe = pipe_of(bert, top_k=3)
    pieces = {"question": QUESTION, "context": CONTEXT, "align_to_words": False}
    assert len(pipe(**pieces)) == 3
    assert len(pipe(**pieces, topk=2)) == 2
    assert isinstance(pipe(question=QUESTION, context=CONTEXT, top_k=1), dict)


def test_a_context_without_an_answer_gives_the_empty_one(bert: Reference) -> None:
    assert pipe_of(bert)(question="in?", context=" ") == {"score": 0.0, "start": 0, "end": 0, "answer": ""}


def test_the_task_is_that_of_the_head(bert: Reference) -> None:
    assert isinstance(lexel.pipeline(model=bert.folder), QuestionAnsweringPipeline)


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"question": QUESTION}, TypeError, "found str and NoneType"),
        ({}, TypeError, "expected question=... and context=..."),
        ({"question": "", "context": "x"}, ValueError, "example 0: question is empty"),
        ({"question": QUESTION, "context": ""}, ValueError, "example 0: context is empty"),
        ({"question": ["a", "b"], "context": ["x"]}, ValueError, "2 questions and 1 contexts"),
        ({"question": ["a", 1], "context": "x"}, TypeError, "example 1: question is a int"),
        ({"question": "a", "context": "x", "top_k": 0}, ValueError, "top_k is 0"),
        ({"question": "a", "context": "x", "max_answer_len": 0}, ValueError, "max_answer_len is 0"),
        ({"question": "a", "context": "x", "doc_stride": -1}, ValueError, "doc_stride is -1"),
        ({"question": "a", "context": "x", "max_seq_len": 20, "doc_stride": 20}, ValueError, "max_seq_len is 20"),
        ({"question": "a", "context": "x", "top": 1}, TypeError, "unknown argument 'top', the nearest is 'top"),
        ({"question": "in " * 60, "context": CONTEXT}, DataError, "Shorten it"),
    ],
)
def test_what_cannot_be_asked_is_refused(bert: Reference, given: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        pipe_of(bert)(**given)


@pytest.mark.parametrize("given", ["text", [3]])
def test_what_is_no_question_is_refused(bert: Reference, given: Any) -> None:
    with pytest.raises(TypeError, match="found a"):
        pipe_of(bert)(given)


def test_a_folder_without_the_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no head for answer; it has words"):
        lexel.pipeline("question-answering", build_tagger(tmp_path, heads={"words": WORDS}))
