"""Texts and pairs are classified as the head was trained, long ones to their end, and thresholds come from data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lexel.checkpoint import open_checkpoint
from lexel.data.classified import Classified
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.fake import FakeEngine
from lexel.errors import DataError, LabelError
from lexel.tasks.base import Flow
from lexel.tasks.calibration import Calibration
from lexel.tasks.classify import Classifier, ClassifyOptions, Text
from tests.builders import VOCAB, WORDS, build_tagger

from .conftest import CLASSES, SENTENCES, build_classifier

LONG = "天下的人王小明" * 40


@pytest.fixture(scope="module")
def classifier(classifier_folder: Path) -> Classifier:
    return Classifier.load(classifier_folder, engine="numpy")


def example(text: str, *labels: str) -> Classified:
    return Classified(text, None, labels, "here:1")


def of(folder: Path, **options: Any) -> Classifier:
    return Classifier.load(folder, engine="numpy", **options)


# One call -------------------------------------------------------------------------------------------------------------


def test_all_classes_are_ranked_and_the_best_is_given(classifier: Classifier) -> None:
    found = classifier("天下的人")
    assert sorted(label for label, _ in found.ranked) == sorted(CLASSES)
    scores = [score for _, score in found.ranked]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1)
    assert found.labels == (found.label,) == (found.ranked[0].label,)
    assert (found.text, found.pair, found.n_windows, found.score) == ("天下的人", None, 1, scores[0])


def test_texts_are_read_as_they_are_alone(classifier: Classifier) -> None:
    texts: list[Text] = [*SENTENCES, ("天", "下的"), LONG, ("new york", LONG), "天下"]
    together = list(classifier.stream(texts))
    assert [(found.text, found.pair) for found in together] == [
        (text, None) if isinstance(text, str) else text for text in texts
    ]
    for text, found in zip(texts, together, strict=True):
        alone = classifier(text)
        assert alone.labels == found.labels
        assert dict(alone.ranked) == pytest.approx(dict(found.ranked), abs=1e-9)


def test_the_order_of_a_pair_matters(classifier: Classifier) -> None:
    assert dict(classifier(("天下", "的人")).ranked) != pytest.approx(dict(classifier(("的人", "天下")).ranked))


def test_options_change_a_call(classifier: Classifier) -> None:
    assert len(classifier("天", top_k=2).ranked) == 2
    raw, soft = classifier("天", function="none"), classifier("天")
    powers = np.exp([score for _, score in raw.ranked])
    assert powers / powers.sum() == pytest.approx([score for _, score in soft.ranked])
    apart = classifier("天", function="sigmoid")
    assert dict(apart.ranked) == pytest.approx({label: 1 / (1 + np.exp(-score)) for label, score in raw.ranked})


def test_a_text_may_have_any_number_of_labels(classifier: Classifier) -> None:
    probs = dict(classifier("天", multi_label=True).ranked)
    low, high = min(probs.values()), max(probs.values())
    assert len(classifier("天", multi_label=True, threshold=low).labels) == len(CLASSES)
    assert classifier("天", multi_label=True, threshold=high + 1e-9).labels == ()
    assert classifier("天", multi_label=True, threshold={"good": 0.0, "bad": 1.0, "so so": 1.0}).labels == ("good",)


def test_a_threshold_may_leave_a_text_without_its_best_label(classifier: Classifier) -> None:
    score = classifier("天").score
    assert classifier("天", threshold=score).labels == (classifier("天").label,)
    assert classifier("天", threshold=score + 1e-9).labels == ()


@pytest.mark.parametrize(
    ("problem", "total"), [("single_label_classification", 1), ("multi_label_classification", None)]
)
def test_the_function_follows_from_the_problem(tmp_path: Path, problem: str, total: float | None) -> None:
    found = of(build_classifier(tmp_path, problem_type=problem))("天")
    same = sum(score for _, score in found.ranked) == pytest.approx(1, abs=1e-6)
    assert same == (total is not None)


def test_a_single_output_is_a_number(tmp_path: Path) -> None:
    classifier = of(build_classifier(tmp_path, ("rating",), problem_type="regression"))
    found = classifier("天")
    assert found.labels == ()
    assert found.score == pytest.approx(classifier.scores(["天"])[0, 0])
    assert classifier("天", function="sigmoid", threshold=0.0).labels == ("rating",)


# Long texts -----------------------------------------------------------------------------------------------------------


def test_scores_of_windows_are_averaged_by_the_pieces_that_each_decides(classifier: Classifier) -> None:
    windows = [(0, 62, 55), (47, 109, 47), (94, 156, 47), (141, 203, 47), (188, 250, 47), (235, 280, 37)]
    text = LONG
    assert len(text) == 280
    parts = classifier.scores([text[start:end] for start, end, _ in windows])
    weights = np.array([decided for _, _, decided in windows])
    assert weights.sum() == len(text)
    assert classifier.scores([text])[0] == pytest.approx(np.average(parts, axis=0, weights=weights))
    assert classifier(text).n_windows == len(windows)


def test_of_a_long_pair_the_longer_is_read_in_windows(classifier: Classifier) -> None:
    for text in (("天", LONG), (LONG, "天")):
        assert classifier(text).n_windows > 1
    assert dict(classifier(("天", LONG)).ranked) != pytest.approx(dict(classifier((LONG, "天")).ranked))


def test_a_pair_of_two_long_texts_is_refused(classifier: Classifier) -> None:
    with pytest.raises(
        DataError, match=r"'天.*' \.\.\.: 280 pieces .* windows of 61 pieces have room for 46 beside it"
    ):
        classifier((LONG, LONG))


def test_texts_are_streamed_lazily_in_bounded_memory(classifier_folder: Path) -> None:
    checkpoint = open_checkpoint(classifier_folder)
    engine = FakeEngine({"classify": lambda ids: np.zeros((len(ids), 3), np.float32)})
    classifier = Classifier(Flow("fake", checkpoint, engine, outputs=["classify"]), ClassifyOptions())
    asked = 0

    def texts() -> Iterator[str]:
        nonlocal asked
        while True:
            asked += 1
            yield "天下的人" * 10

    results = classifier.stream(texts())
    for _ in range(1000):
        next(results)
    assert asked < 3000


# Calibration ----------------------------------------------------------------------------------------------------------


def scored(folder: Path, table: NDArray[np.float32], **options: Any) -> Classifier:
    """A classifier that gives row n of a table for a text of the one character n."""
    checkpoint = open_checkpoint(folder)
    engine = FakeEngine({"classify": _by_text(table)})
    return Classifier(Flow("fake", checkpoint, engine, outputs=["classify"]), ClassifyOptions(), **options)


def _by_text(table: NDArray[np.float32]) -> Any:
    numbers = iter(range(10**9))
    return lambda ids: np.stack([table[next(numbers) % len(table)] for _ in ids])


def test_thresholds_are_those_with_the_best_f1_of_each_label(classifier_folder: Path) -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=(40, 3)).astype(np.float32)
    gold = table + random.normal(size=table.shape) > [0.5, -0.5, 1.5]
    examples = [example("天", *(label for label, is_set in zip(CLASSES, row, strict=True) if is_set)) for row in gold]
    classifier = scored(classifier_folder, table)
    classifier.options = ClassifyOptions(multi_label=True)
    found = classifier.calibrate(examples)
    probs = 1 / (1 + np.exp(-table.astype(np.float64) / found.temperature))
    for column, label in enumerate(CLASSES):
        tried = {cut: _f1(gold[:, column], probs[:, column] >= cut) for cut in (0, *probs[:, column])}
        assert found.f1[label] == pytest.approx(max(tried.values()))
        assert _f1(gold[:, column], probs[:, column] >= found.thresholds[label]) == pytest.approx(found.f1[label])
    assert found.n_examples == 40


def _f1(gold: NDArray[np.bool_], given: NDArray[np.bool_]) -> float:
    return float(2 * (gold & given).sum() / max(gold.sum() + given.sum(), 1))


def test_the_temperature_is_that_with_the_least_loss(classifier_folder: Path) -> None:
    random = np.random.default_rng(1)
    true_scores = random.normal(size=(2000, 3)) * 2
    probs = np.exp(true_scores) / np.exp(true_scores).sum(axis=1, keepdims=True)
    labels = [CLASSES[random.choice(3, p=row)] for row in probs]
    classifier = scored(classifier_folder, (true_scores * 3).astype(np.float32))  # three times too sure
    found = classifier.calibrate([example("天", label) for label in labels])
    assert found.temperature == pytest.approx(3, rel=0.15)
    assert found.thresholds == {}


def test_a_calibration_changes_what_is_given(classifier_folder: Path, tmp_path: Path) -> None:
    plain = of(classifier_folder, multi_label=True)
    probs = dict(plain("天").ranked)
    thresholds = {label: prob + (1e-6 if label == "bad" else -1e-6) for label, prob in probs.items()}
    Calibration(thresholds=thresholds, n_examples=1).save(tmp_path / "found.json")
    assert set(of(classifier_folder, multi_label=True, calibration=tmp_path / "found.json")("天").labels) == {
        "good",
        "so so",
    }
    cooler = of(classifier_folder, calibration=Calibration(temperature=0.5))("天", function="none")
    assert dict(cooler.ranked) == pytest.approx({k: 2 * v for k, v in plain("天", function="none").ranked})


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    found = Calibration(1.5, {"好": 0.25, "坏": 0.75}, 12, {"好": 0.5, "坏": 1.0})
    found.save(tmp_path / "found.json")
    assert Calibration.load(tmp_path / "found.json") == found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "holds a list"),
        ("{}", "not a calibration"),
        ('{"format": 2, "temperature": 1, "thresholds": {}, "n_examples": 0, "f1": {}}', "not a calibration"),
        ('{"format": 1, "temperature": 0, "thresholds": {}, "n_examples": 0, "f1": {}}', "not numbers"),
        ('{"format": 1, "temperature": 1, "thresholds": {"a": "b"}, "n_examples": 0, "f1": {}}', "not numbers"),
        ('{"format": 1, "temperature": 1, "thresholds": [], "n_examples": 0, "f1": {}}', "not numbers"),
    ],
)
def test_a_file_that_is_no_calibration_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        Calibration.load(tmp_path / "x.json")


@pytest.mark.parametrize(
    ("examples", "error", "message"),
    [
        ([], DataError, "no texts"),
        ([example("天", "great")], LabelError, r"here:1: label 'great'; .*head classify has good, bad, so so"),
        ([example("天", "good", "bad")], LabelError, "here:1: 2 labels; expected one"),
        ([example("天")], LabelError, "here:1: 0 labels; expected one"),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    classifier: Classifier, examples: list[Classified], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        classifier.calibrate(examples)


def test_a_head_that_gives_numbers_has_nothing_to_calibrate(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="gives numbers"):
        of(build_classifier(tmp_path, ("rating",))).calibrate([example("天", "3")])


# Bad input ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [3, ["天"], None])
def test_one_text_is_a_str_or_a_pair(classifier: Classifier, text: Any) -> None:
    with pytest.raises(TypeError, match=r"expected one text \(str\) or a pair"):
        classifier(text)


@pytest.mark.parametrize("text", [("天",) * 3, ("天", 3), ("天", None)])
def test_a_pair_is_two_texts(classifier: Classifier, text: Any) -> None:
    with pytest.raises(TypeError, match="text 0: expected a str or a tuple of two"):
        classifier(text)


def test_several_texts_are_no_str(classifier: Classifier) -> None:
    with pytest.raises(TypeError, match="found one str"):
        classifier.stream("天下")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"topk": 1}, TypeError, "unknown argument 'topk', the nearest is 'top_k'"),
        ({"top_k": 0}, ValueError, "top_k is 0"),
        ({"function": "tanh"}, ValueError, "'tanh'; expected one of softmax, sigmoid, none"),
        ({"threshold": {"great": 0.5}}, LabelError, "threshold: label 'great'"),
    ],
)
def test_options_that_cannot_be_are_refused(
    classifier: Classifier, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        classifier("天", **options)


def test_longer_texts_than_allowed_are_refused(classifier_folder: Path) -> None:
    classifier = of(classifier_folder, max_chars=5)
    with pytest.raises(DataError, match="text 1: 6 characters; expected at most 5"):
        list(classifier.stream(["天" * 5, ("天" * 3, "天" * 3)]))


def test_a_folder_without_the_head_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"no head for classify; it has words \(words\), which Tagger reads"):
        Classifier.load(build_tagger(tmp_path, heads={"words": WORDS}))


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_engines_agree(classifier: Classifier, classifier_folder: Path, engine: str) -> None:
    started = start_engine(open_checkpoint(classifier_folder), EngineOptions(engine, "float32", 1), heads=["classify"])
    flow = Flow("other", open_checkpoint(classifier_folder), started, outputs=["classify"])
    texts: list[Text] = [*SENTENCES, LONG, ("天", "下"), (LONG, "天")]
    assert Classifier(flow, ClassifyOptions()).scores(texts) == pytest.approx(classifier.scores(texts), abs=1e-5)


def test_an_unknown_word_is_classified_too(classifier: Classifier) -> None:
    assert "漢" not in VOCAB
    assert len(classifier("漢\ud800").ranked) == 3


def test_a_record_says_everything(classifier: Classifier) -> None:
    record = json.loads(json.dumps(classifier(("天", "下"), top_k=1).record()))
    assert list(record) == ["text", "text_pair", "labels", "scores", "n_windows"]
    assert (record["text"], record["text_pair"], record["n_windows"]) == ("天", "下", 1)
    assert record["labels"] == [record["scores"][0][0]]
