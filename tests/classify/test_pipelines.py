"""The drop-in pipelines give what transformers' give: text-classification and zero-shot-classification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lexel
from lexel.errors import LabelError
from lexel.names import PROBLEMS
from tests.builders import WORDS, build_tagger

from .conftest import CLASSES, NLI, SENTENCES, assert_same, build_classifier, theirs

TEXTS = [text for text in SENTENCES if text]
LONG = "天下的人" * 100
Both = tuple[Any, Any]
Make = Callable[..., Both]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Both pipelines of one folder; folders are made once."""
    folders: dict[str, Path] = {}

    def pair(task: str, labels: tuple[str, ...], settings: dict[str, Any] | None = None, **options: Any) -> Both:
        key = repr((labels, settings))
        if key not in folders:
            folders[key] = build_classifier(tmp_path_factory.mktemp("model"), labels, **(settings or {}))
        ours = lexel.pipeline(task, folders[key], threads=1, **options)
        return ours, theirs(task, folders[key], **options)

    return pair


FAMILIES = ["bert", "roberta", "xlm-roberta", "electra", "albert", "distilbert"]


def settings_of(family: str) -> dict[str, Any]:
    more = {"albert": {"embedding_size": 16}, "electra": {"embedding_size": 16}}.get(family, {})
    if family == "distilbert":
        more = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}
    return {"model_type": family, **more}


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_and_pairs_of_every_family_are_classified_alike(make: Make, family: str) -> None:
    ours, their = make("text-classification", CLASSES, settings_of(family), top_k=None)
    assert_same(ours(list(SENTENCES)), their(list(SENTENCES)))
    pairs = [{"text": a, "text_pair": b} for a, b in zip(TEXTS, reversed(TEXTS), strict=True)]
    assert_same(ours(pairs), their(pairs))
    best = [result[0]["score"] for result in ours(pairs + TEXTS)]
    assert max(best) - min(best) > 0.01  # texts are told apart


@pytest.mark.parametrize(
    "inputs",
    [
        TEXTS[0],
        TEXTS,
        [TEXTS[0]],
        {"text": TEXTS[0], "text_pair": TEXTS[1]},
        {"text": TEXTS[0]},
        [{"text": TEXTS[0]}, {"text": TEXTS[0], "text_pair": TEXTS[1]}, TEXTS[1]],
        [[[TEXTS[0], TEXTS[1]]]],
    ],
)
@pytest.mark.parametrize("options", [{}, {"top_k": None}, {"top_k": 1}, {"top_k": 2}, {"top_k": 9}])
@pytest.mark.parametrize("at_load", [True, False])
def test_shapes_of_results_are_the_same(make: Make, inputs: Any, options: dict[str, Any], at_load: bool) -> None:
    ours, their = make("text-classification", CLASSES, None, **(options if at_load else {}))
    call = {} if at_load else options
    assert_same(ours(inputs, **call), their(inputs, **call))


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none", "SIGMOID", None])
@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        *((CLASSES, problem) for problem in (None, *PROBLEMS)),
        *((("number",), problem) for problem in (None, "regression", "multi_label_classification")),
    ],
)
def test_functions_follow_problem_and_labels(
    make: Make, function: str | None, labels: tuple[str, ...], problem: str | None
) -> None:
    ours, their = make("text-classification", labels, {"problem_type": problem})
    assert_same(ours(TEXTS, function_to_apply=function), their(TEXTS, function_to_apply=function))


def test_sentiment_analysis_is_text_classification(make: Make) -> None:
    ours, their = make("sentiment-analysis", CLASSES)
    assert ours.task == "text-classification"
    assert_same(ours(TEXTS), their(TEXTS))


def test_the_task_follows_from_the_head(classifier_folder: Path) -> None:
    assert lexel.pipeline(model=classifier_folder, threads=1).task == "text-classification"


@pytest.mark.parametrize("options", [{"truncation": True}, {"truncation": True, "max_length": 20}])
def test_truncated_texts_give_the_same(make: Make, options: dict[str, Any]) -> None:
    ours, their = make("text-classification", CLASSES)
    assert_same(ours([LONG, *TEXTS], **options), their([LONG, *TEXTS], **options))


def test_a_text_beyond_the_models_length_is_read(make: Make) -> None:
    ours, their = make("text-classification", CLASSES)
    with pytest.raises((IndexError, RuntimeError)):
        their(LONG)
    ending, other = ours([LONG + "new york live" * 20, LONG + "王小明" * 20])
    assert ending["score"] != other["score"]


def test_a_generator_of_texts_is_read_lazily(make: Make) -> None:
    ours, their = make("text-classification", CLASSES)

    def texts() -> Iterator[str]:
        yield from TEXTS

    result = ours(texts())
    assert isinstance(result, Iterator)
    assert_same(list(result), list(their(texts())))


def test_a_list_of_strings_as_one_pair_is_refused_by_both(make: Make) -> None:
    for pipe in make("text-classification", CLASSES):
        with pytest.raises(ValueError, match="text_pair"):
            pipe([["a", "b"]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"topk": 2}, TypeError, "unknown argument 'topk', the nearest is 'top_k'"),
        ({"return_all_scores": True}, TypeError, "pass top_k=None"),
        ({"top_k": 0}, ValueError, "top_k is 0; expected 1 or more"),
        ({"function_to_apply": "tanh"}, ValueError, "'tanh'; expected one of softmax, sigmoid, none"),
        ({"max_length": 2}, ValueError, "max_length is 2; expected 3 to 64"),
        ({"max_length": 65}, ValueError, "max_length is 65; expected 3 to 64"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    make: Make, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    ours, _ = make("text-classification", CLASSES)
    with pytest.raises(error, match=message):
        ours("天下", **options)


def test_a_pair_is_not_cut_off(make: Make) -> None:
    ours, _ = make("text-classification", CLASSES)
    with pytest.raises(ValueError, match="a pair is too long for a window"):
        ours([{"text": LONG, "text_pair": "天"}], truncation=True)
    with pytest.raises(ValueError, match="a pair, with max_length"):
        ours([{"text": "天", "text_pair": "天"}], max_length=20)


@pytest.mark.parametrize("item", [3, None, {"text": 3}, {"text": "a", "pair": "b"}, ["a"], {"text_pair": "a"}])
def test_what_is_no_text_is_refused(make: Make, item: Any) -> None:
    ours, _ = make("text-classification", CLASSES)
    with pytest.raises(ValueError, match="input 1: "):
        ours(["a", item])


# Zero-shot -----------------------------------------------------------------------------------------------------------

LABELS = ["天", "new york", "live"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("multi_label", [True, False])
def test_zero_shot_of_every_family_gives_the_same(make: Make, family: str, multi_label: bool) -> None:
    ours, their = make("zero-shot-classification", NLI, settings_of(family))
    call = {"candidate_labels": LABELS, "multi_label": multi_label}
    assert_same(ours(TEXTS, **call), their(TEXTS, **call))


@pytest.mark.parametrize(
    "labels", [("entailment", "neutral", "contradiction"), ("entailment", "not_entailment"), ("no", "ENTAILS")]
)
@pytest.mark.parametrize("multi_label", [True, False])
def test_the_entailment_is_found_wherever_it_stands(make: Make, labels: tuple[str, ...], multi_label: bool) -> None:
    ours, their = make("zero-shot-classification", labels)
    call = {"candidate_labels": LABELS, "multi_label": multi_label}
    assert_same(ours(TEXTS, **call), their(TEXTS, **call))


@pytest.mark.parametrize("candidates", ["天, new york ,live", "天", ["天"], ["天", "live"]])
@pytest.mark.parametrize("sequences", [TEXTS[0], TEXTS, [TEXTS[0]]])
def test_shapes_of_zero_shot_results_are_the_same(make: Make, candidates: Any, sequences: Any) -> None:
    ours, their = make("zero-shot-classification", NLI)
    assert_same(ours(sequences, candidates), their(sequences, candidates))
    assert_same(ours(sequences, candidate_labels=candidates), their(sequences, candidate_labels=candidates))


def test_the_template_makes_the_hypothesis(make: Make) -> None:
    options = {"hypothesis_template": "在{}的", "multi_label": True, "candidate_labels": LABELS}
    ours, their = make("zero-shot-classification", NLI, None, **options)
    assert_same(ours(TEXTS), their(TEXTS))
    plain, _ = make("zero-shot-classification", NLI)
    assert plain(TEXTS[0], LABELS)["scores"] != ours(TEXTS[0], multi_label=False)["scores"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"candidate_labels": []}, "expected one label or more"),
        ({}, "expected one label or more"),
        ({"candidate_labels": ["a"], "hypothesis_template": "no place"}, "'no place'; expected a sentence with {}"),
        ({"candidate_labels": ["a", "b", "a"]}, "'a' appears twice"),
    ],
)
def test_labels_that_make_no_hypotheses_are_refused(make: Make, call: dict[str, Any], message: str) -> None:
    ours, _ = make("zero-shot-classification", NLI)
    with pytest.raises(ValueError, match=message):
        ours("天下", **call)


def test_the_contradiction_is_the_label_of_that_name(make: Make) -> None:
    ours, _ = make("zero-shot-classification", ("neutral", "entailment", "contradiction"))
    same, _ = make("zero-shot-classification", ("contradiction", "entailment", "neutral"))
    call = {"candidate_labels": LABELS, "multi_label": True}
    assert ours(TEXTS[0], **call) != same(TEXTS[0], **call)  # the same weights; transformers reads both alike


def test_labels_without_entailment_are_refused(classifier_folder: Path) -> None:
    with pytest.raises(LabelError, match=r"its labels are good, bad, so so; expected one that means entailment"):
        lexel.pipeline("zero-shot-classification", classifier_folder, threads=1)


@pytest.mark.parametrize("task", ["text-classification", "zero-shot-classification"])
def test_a_folder_without_the_head_says_which_it_has(tmp_path: Path, task: str) -> None:
    folder = build_tagger(tmp_path, heads={"words": WORDS})
    with pytest.raises(LabelError, match=r"no head for classify; it has words \(words\), which Tagger reads"):
        lexel.pipeline(task, folder)


def test_a_long_text_is_read_to_its_end(make: Make) -> None:
    ours, their = make("zero-shot-classification", NLI)
    ending, other = LONG + "new york live" * 20, LONG + "王小明" * 20
    assert their(ending, LABELS)["scores"] == their(other, LABELS)["scores"]  # they are cut off
    assert ours(ending, LABELS)["scores"] != ours(other, LABELS)["scores"]
