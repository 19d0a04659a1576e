"""Texts are classified into labels of the moment by a model of inference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lexel.errors import DataError, LabelError
from lexel.tasks.classify import Classifier
from lexel.tasks.zero_shot import CHINESE_TEMPLATE, TEMPLATE, Inference, ZeroShotClassifier, hypotheses_of
from tests.builders import WORDS, build_tagger

from .conftest import NLI, SENTENCES

LABELS = ("天", "new york", "live")
LONG = "天下的人王小明" * 40


@pytest.fixture(scope="module")
def zero_shot(nli_folder: Path) -> ZeroShotClassifier:
    return ZeroShotClassifier.load(nli_folder, labels=LABELS, engine="numpy")


@pytest.fixture(scope="module")
def entailment(nli_folder: Path) -> Classifier:
    return Classifier.load(nli_folder, engine="numpy")


def test_one_label_is_chosen_by_its_entailment(zero_shot: ZeroShotClassifier, entailment: Classifier) -> None:
    found = zero_shot("王小明", template="在{}的")
    scores = entailment.scores([("王小明", f"在{label}的") for label in LABELS])[:, NLI.index("entailment")]
    powers = np.exp(scores)
    assert dict(found.ranked) == pytest.approx(dict(zip(LABELS, powers / powers.sum(), strict=True)), abs=1e-9)
    assert found.labels == (LABELS[int(scores.argmax())],)


def test_each_label_is_judged_by_itself(zero_shot: ZeroShotClassifier, entailment: Classifier) -> None:
    found = zero_shot("王小明", multi_label=True, template="在{}的", threshold=0.4)
    scores = np.exp(entailment.scores([("王小明", f"在{label}的") for label in LABELS]))
    probs = scores[:, 2] / (scores[:, 0] + scores[:, 2])
    assert dict(found.ranked) == pytest.approx(dict(zip(LABELS, probs, strict=True)), abs=1e-9)
    assert set(found.labels) == {label for label, prob in zip(LABELS, probs, strict=True) if prob >= 0.4}


def test_texts_are_read_as_they_are_alone(zero_shot: ZeroShotClassifier) -> None:
    texts = [*SENTENCES, LONG, "天下"] * 3
    for text, found in zip(texts, zero_shot.stream(texts), strict=True):
        assert found.text == text
        assert dict(zero_shot(text).ranked) == pytest.approx(dict(found.ranked), abs=1e-9)


def test_a_call_may_have_labels_of_its_own(zero_shot: ZeroShotClassifier) -> None:
    assert {label for label, _ in zero_shot("天", ["a", "b"]).ranked} == {"a", "b"}
    assert zero_shot("天", ["a"]).score != 1  # alone it is judged by itself
    assert len(zero_shot("天", top_k=1).ranked) == 1


def test_a_long_text_is_read_to_its_end(zero_shot: ZeroShotClassifier) -> None:
    assert zero_shot(LONG).n_windows > 4
    assert zero_shot(LONG + "new york").score != pytest.approx(zero_shot(LONG + "天天天").score, abs=1e-9)


@pytest.mark.parametrize(("labels", "template"), [(["体育"], CHINESE_TEMPLATE), (["sports", "law"], TEMPLATE)])
def test_the_usual_hypothesis_is_in_the_language_of_the_labels(labels: list[str], template: str) -> None:
    assert hypotheses_of(labels, None) == [template.replace("{}", label) for label in labels]


@pytest.mark.parametrize(
    ("labels", "entailment", "contradiction"),
    [
        (NLI, 2, 0),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), 0, 2),
        (("neutral", "contradiction", "entailment"), 2, 1),
        (("entailment", "not_entailment"), 0, 1),
        (("矛盾", "中立", "蕴含"), 2, 0),
        (("no", "entailed"), 1, 0),
    ],
)
def test_the_labels_of_inference_are_found_by_name(
    labels: tuple[str, ...], entailment: int, contradiction: int
) -> None:
    assert Inference.of(labels, "here") == Inference(entailment, contradiction)


@pytest.mark.parametrize("labels", [("good", "bad"), ("LABEL_0", "LABEL_1", "LABEL_2"), ("entailment",)])
def test_labels_without_entailment_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(LabelError, match=f"here: its labels are {', '.join(labels)}; expected one that means entail"):
        Inference.of(labels, "here")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([], {}, r"labels: \[\]; expected one label or more"),
        (["a", " "], {}, "none of them blank"),
        (["a", "a"], {}, "'a' appears twice"),
        ("a,b", {}, "'a,b' is one string"),
        (["a"], {"template": "about"}, r"template: 'about'; expected a sentence with \{\}"),
        (["a"], {"template": "{} {}"}, r"expected a sentence with \{\}"),
        (["a"], {"template": "{.name}"}, r"expected a sentence with \{\}"),
        (["a"], {"template": "{[name]}"}, r"expected a sentence with \{\}"),
        (["a"], {"template": "{:>9}"}, r"expected a sentence with \{\}"),
    ],
)
def test_labels_that_make_no_hypotheses_are_refused(
    nli_folder: Path, labels: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(LabelError, match=message):
        ZeroShotClassifier.load(nli_folder, labels=labels, **options)


def test_a_pair_has_no_place_for_a_hypothesis(zero_shot: ZeroShotClassifier) -> None:
    with pytest.raises(TypeError, match="text 1: expected a str, found a pair"):
        list(zero_shot.stream(["天", ("天", "下")]))  # type: ignore[list-item]


def test_a_hypothesis_that_leaves_no_room_is_refused(zero_shot: ZeroShotClassifier) -> None:
    with pytest.raises(DataError, match="have room for"):
        zero_shot(LONG, ["天" * 55])


def test_a_folder_without_the_head_says_which_it_has(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"no head for classify; it has words \(words\), which Tagger reads"):
        ZeroShotClassifier.load(build_tagger(tmp_path, heads={"words": WORDS}), labels=LABELS)
