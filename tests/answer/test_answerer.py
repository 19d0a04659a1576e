"""Answers as slices of contexts of any length: against transformers' models, and by scores that are made up."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from lexel.errors import DataError, LabelError
from lexel.tasks.answer import Answerer, AnswerOptions, Answers
from lexel.tasks.tag import Tagger
from tests.answer.models import FAMILIES, Reference, build_reference, made_up
from tests.builders import VOCAB, WORDS, bert_config, bert_tensors, build_tagger, write_folder, write_json
from tests.flow.test_any_text import BATCHES

QUESTION = "went new york?"
CONTEXT = "the new york 天下 went unaffable, a1b2 in 台北市長王小明的家. I lived in the new house for 33 days!"


@pytest.fixture(scope="module", params=FAMILIES)
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return build_reference(tmp_path_factory.mktemp(request.param), request.param)


def load(reference: Reference, **options: Any) -> Answerer:
    options = {"engine": "openvino", "precision": "float32", "threads": 1} | options
    return Answerer.load(reference.folder, **options)


@dataclass(frozen=True)
class Naive:
    """All spans that hold a character, by their pieces' ranges, best first, with their probabilities."""

    spans: list[tuple[int, int, float]]
    null: float
    n_windows: int


def naive(reference: Reference, question: str, context: str, *, window: int, overlap: int, longest: int) -> Naive:
    tokenizer = reference.tokenizer
    parts = tokenizer(
        question,
        context,
        truncation="only_second",
        max_length=window,
        stride=overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    scores: dict[tuple[tuple[int, int], tuple[int, int]], float] = {}
    nulls = []
    for k, ids in enumerate(parts["input_ids"]):
        found = reference.scores(**{name: torch.tensor([parts[name][k]]) for name in tokenizer.model_input_names})
        nulls.append(found[0].sum())
        places, own = parts["offset_mapping"][k], [i for i in range(len(ids)) if parts.sequence_ids(k)[i] == 1]
        for i, j in itertools.combinations_with_replacement(own, 2):
            if j - i < longest and context[places[i][0] : places[j][1]].strip():
                score = found[i, 0] + found[j, 1]
                scores[places[i], places[j]] = max(scores.get((places[i], places[j]), -np.inf), score)
    total = np.logaddexp.reduce([min(nulls), *scores.values()])
    spans = [(*trimmed(context, i[0], j[1]), float(np.exp(score - total))) for (i, j), score in scores.items()]
    return Naive(sorted(spans, key=lambda span: -span[2]), float(np.exp(min(nulls) - total)), len(nulls))


def trimmed(context: str, start: int, end: int) -> tuple[int, int]:
    text = context[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip())


@pytest.mark.parametrize("context", [CONTEXT[:40], CONTEXT, CONTEXT * 3], ids=["short", "longer", "long"])
def test_answers_are_those_of_transformers_model_by_brute_force(reference: Reference, context: str) -> None:
    if reference.model.config.model_type == "roberta":  # each piece a character or more
        context = " ".join(context.encode("ascii", "ignore").decode().split())
    found = load(reference, top_k=4, window=48, overlap=12, max_answer_pieces=6)(QUESTION, context)
    expected = naive(reference, QUESTION, context, window=48, overlap=12, longest=6)
    best: list[tuple[int, int, float]] = []
    for start, end, prob in expected.spans:
        if len(best) < 4 and all(end <= a or b <= start for a, b, _ in best):
            best.append((start, end, prob))
    assert found.n_windows == expected.n_windows
    assert found.null_score == pytest.approx(expected.null, rel=2e-3)
    assert [(answer.start, answer.end) for answer in found.answers] == [(start, end) for start, end, _ in best]
    assert [answer.score for answer in found.answers] == pytest.approx([prob for *_, prob in best], rel=2e-3)
    assert all(answer.text == context[answer.start : answer.end] for answer in found.answers)


def test_answers_are_the_same_alone_and_in_a_stream(reference: Reference) -> None:
    answerer = load(reference, top_k=2, window=48)
    asked = [(QUESTION, CONTEXT * 2), ("the?", CONTEXT[:20]), (QUESTION, ""), ("a?", CONTEXT)]
    alone = [answerer(question, context) for question, context in asked]
    for one, other in zip(answerer.stream(iter(asked)), alone, strict=True):
        assert [(a.start, a.end) for a in one.answers] == [(a.start, a.end) for a in other.answers]
        assert one.null_score == pytest.approx(other.null_score, rel=1e-4)


# By scores that are made up ------------------------------------------------------------------------------------------

PLAIN = {"在": (0.0, 0.0), "北": (5.0, 1.0), "京": (1.0, 5.0), "上": (4.0, 1.0), "海": (1.0, 4.0), "。": (-2.0, -2.0)}


def texts(found: Answers) -> list[str]:
    return [answer.text for answer in found.answers]


def test_the_answer_is_the_best_span(tmp_path: Path) -> None:
    found = made_up(tmp_path, PLAIN)("哪", "在北京。")
    assert found.best is not None
    assert (found.best.start, found.best.end, found.best.text) == (1, 3, "北京")
    assert found.answers == (found.best,)
    assert (found.question, found.context, found.n_windows) == ("哪", "在北京。", 1)


def test_answers_do_not_touch_each_other(tmp_path: Path) -> None:
    assert texts(made_up(tmp_path, PLAIN, top_k=3)("哪", "在北京在上海。")) == ["北京", "上海", "在"]


def test_probabilities_of_all_spans_and_of_none_sum_to_one(tmp_path: Path) -> None:
    found = made_up(tmp_path, PLAIN, null=(1.0, 1.0), top_k=9, max_answer_pieces=1)("哪", "在北京。")
    assert len(found.answers) == 4
    assert sum(answer.score for answer in found.answers) + found.null_score == pytest.approx(1)


def test_an_answer_far_into_a_long_context_is_found_and_compared(tmp_path: Path) -> None:
    context = "在上海。" + "在。" * 300 + "在北京。" + "在。" * 300
    found = made_up(tmp_path, PLAIN, top_k=2)("哪", context)
    assert found.n_windows > 10
    assert [(a.start, a.text) for a in found.answers] == [(605, "北京"), (1, "上海")]


@pytest.mark.parametrize("place", range(0, 120, 7))
def test_an_answer_over_a_cut_is_found_in_the_window_that_holds_it(tmp_path: Path, place: int) -> None:
    context = "。" * place + "北京" + "。" * (150 - place)
    found = made_up(tmp_path, PLAIN, window=32, overlap=4, max_answer_pieces=4)("哪", context)
    assert found.best is not None
    assert (found.best.start, found.best.text) == (place, "北京")


@pytest.mark.parametrize(("options", "expected"), [({"max_answer_pieces": 1}, "北"), ({"max_answer_chars": 1}, "北")])
def test_an_answer_is_not_longer_than_said(tmp_path: Path, options: dict[str, int], expected: str) -> None:
    scores = {"北": (5.0, 2.0), "京": (1.0, 5.0)}
    assert texts(made_up(tmp_path / "free", scores)("哪", "北京")) == ["北京"]
    assert texts(made_up(tmp_path / "short", scores, **options)("哪", "北京")) == [expected]


def test_an_end_before_its_start_is_no_answer(tmp_path: Path) -> None:
    scores = {"北": (9.0, 0.0), "京": (0.0, 9.5), "在": (1.0, 1.0)}
    assert texts(made_up(tmp_path, scores)("哪", "京在北")) == ["京"]


def test_the_null_answer_is_taken_above_its_threshold_alone(tmp_path: Path) -> None:
    def best(threshold: float | None) -> Answers:
        folder = tmp_path / str(threshold)
        return made_up(folder, PLAIN, null=(6.0, 6.0), null_threshold=threshold)("哪", "在北京。")

    assert best(None).null_margin == pytest.approx(2.0)  # 12 against 10
    assert best(None).best is not None
    assert best(2.5).best is not None
    assert best(1.5).best is None
    assert texts(best(1.5)) == ["北京"]  # the span is still said
    assert best(1.5).null_score > best(1.5).answers[0].score


def test_one_window_that_has_the_answer_is_enough(tmp_path: Path) -> None:
    """The null answer's score is the least of the windows: a head that sees the answer in one says so there."""
    from lexel.tasks.answer import ReadContext

    scores = np.zeros((2, 2), np.float32)
    scores[1] = [-3, -4]
    empty = np.empty(0, np.int32)
    assert ReadContext("", empty, empty, empty, [], scores).nulls.tolist() == [0, -7]


def test_a_context_without_pieces_has_the_null_answer_alone(tmp_path: Path) -> None:
    found = made_up(tmp_path, PLAIN, null_threshold=0.0)("哪", "")
    assert found.answers == ()
    assert found.best is None
    assert (found.null_score, found.null_margin) == (1.0, np.inf)


def test_answers_are_widened_to_words_only_where_asked(tmp_path: Path) -> None:
    scores = {"new": (0.0, 0.0), "##s": (5.0, 5.0), "paper": (1.0, 1.0), "京": (4.0, 4.0), "北": (0.0, 0.0)}
    asked = ("new", "paper news 北京")
    plain = made_up(tmp_path / "plain", scores, pieces="tokenizer", top_k=2)(*asked)
    words = made_up(tmp_path / "words", scores, pieces="tokenizer", top_k=2, align="words")(*asked)
    assert texts(plain) == ["s", "京"]
    assert texts(words) == ["news", "京"]


def test_answers_in_the_other_script_are_slices_of_the_context(tmp_path: Path) -> None:
    scores = {"台": (5.0, 0.0), "湾": (0.0, 5.0), "在": (0.0, 0.0)}
    found = made_up(tmp_path, scores, script="simplified")("哪", "在臺灣在")
    assert texts(found) == ["臺灣"]


# What is refused -----------------------------------------------------------------------------------------------------


def test_a_question_longer_than_a_window_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"京京京京.* pieces"):
        made_up(tmp_path, PLAIN)("京" * 200, "在北京。" * 100)


def test_a_blank_question_is_refused(tmp_path: Path) -> None:
    answerer = made_up(tmp_path, PLAIN)
    with pytest.raises(DataError, match="question 1: is blank"):
        list(answerer.stream([("哪", "在"), (" ", "在")]))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="context 0: expected str, found bytes"):
        made_up(tmp_path, PLAIN)("哪", b"x")  # type: ignore[arg-type]


def test_a_context_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="context 0: 5 characters; expected at most 4"):
        made_up(tmp_path, PLAIN, max_chars=4)("哪", "在北京。。")


def test_a_folder_without_a_head_for_answers_says_which_it_has(tmp_path: Path) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS})
    with pytest.raises(LabelError, match=r"no head for answer; it has words \(words\), which Tagger reads"):
        Answerer.load(folder)


@pytest.mark.parametrize(
    "options", [{"top_k": 0}, {"max_answer_pieces": 0}, {"window": 0}, {"overlap": -1}, {"align": "blanks"}]
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        AnswerOptions(**options)


# Any text ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["chars", "tokenizer"])
def anything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answerer:
    scores = {char: (float(i % 3), float(i % 5)) for i, char in enumerate("天下的中国theabx。.1\u0301")}
    return made_up(tmp_path_factory.mktemp("model"), scores, pieces=request.param, top_k=3, positions=32)


@given(contexts=BATCHES)
@settings(max_examples=60)
def test_answers_are_slices_of_any_text_and_apart(anything: Answerer, contexts: list[str]) -> None:
    found = list(anything.stream(("天?", context) for context in contexts))
    assert len(found) == len(contexts)
    for one, context in zip(found, contexts, strict=True):
        assert one.context is context
        scores = [answer.score for answer in one.answers]
        assert scores == sorted(scores, reverse=True)
        assert 0 <= sum(scores) + one.null_score <= 1 + 1e-5
        for answer in one.answers:
            assert 0 <= answer.start < answer.end <= len(context)
            assert answer.text == context[answer.start : answer.end]
        for a, b in itertools.combinations(one.answers, 2):
            assert a.end <= b.start or b.end <= a.start


# A head among others -------------------------------------------------------------------------------------------------


def test_a_joint_model_answers_beside_its_tagging(tmp_path: Path) -> None:
    heads = {
        "words": {"task": "words", "labels": list(WORDS), "scheme": "BI", "prefix": "heads.words"},
        "answer": {"task": "answer", "prefix": "heads.answer"},
    }
    config = bert_config(vocab_size=len(VOCAB))
    tensors = bert_tensors(config, {"heads.words": 2, "heads.answer": 2})
    write_folder(tmp_path / "joint", config, tensors, VOCAB)
    write_json(tmp_path / "joint" / "lexel.json", {"format": 1, "pieces": "tokenizer", "heads": heads})
    plain = {**config, "architectures": ["BertForQuestionAnswering"]}
    own = {name.replace("heads.answer", "qa_outputs"): tensors[name] for name in tensors if "heads.words" not in name}
    write_folder(tmp_path / "plain", plain, own, VOCAB)
    found, expected = (
        Answerer.load(tmp_path / name, engine="numpy", top_k=3)(QUESTION, CONTEXT) for name in ("joint", "plain")
    )
    assert found == expected
    assert Tagger.load(tmp_path / "joint", engine="numpy")(CONTEXT).words
