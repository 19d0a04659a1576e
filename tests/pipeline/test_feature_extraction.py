"""Hidden states in transformers' shape, and similarities in the hub's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import pipeline as transformers_pipeline

import lexel
from tests.builders import build_tagger

LONG = "the old man went home " * 300


@pytest.fixture(scope="module", params=["bert", "roberta"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Our pipeline and theirs on one folder."""
    folder = str(request.getfixturevalue(request.param))
    theirs = transformers_pipeline("feature-extraction", model=folder, device=-1, dtype=torch.float32)
    return lexel.pipeline("feature-extraction", folder, threads=1), theirs


@pytest.mark.filterwarnings("ignore")  # theirs warns of the head that it leaves out
def test_sentences_give_the_hidden_states_that_transformers_gives(pair: tuple[Any, Any], sentences: list[str]) -> None:
    ours, theirs = pair
    texts = [*sentences[::10], ""]
    for mine, expected in zip(ours(texts), theirs(texts), strict=True):
        assert np.shape(mine) == np.shape(expected)
        np.testing.assert_allclose(mine, expected, atol=2e-5)


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = build_tagger(tmp_path_factory.mktemp("bare") / "model", heads={})
    return lexel.pipeline("feature-extraction", str(folder), engine="numpy", precision="auto")


def test_a_text_a_list_and_a_stream_have_transformers_shapes(pipe: Any) -> None:
    one = pipe("the new york")
    assert np.shape(one) == (1, 5, 16)
    assert pipe(["the new york"]) == [one]
    assert list(pipe(text for text in ["the new york"])) == [one]
    assert pipe([]) == []
    assert isinstance(one[0][0][0], float)


def test_arrays_are_given_where_they_are_asked_for(pipe: Any) -> None:
    found = pipe("the new york", return_tensors="np")
    assert found.shape == (1, 5, 16)
    assert found.tolist() == pipe("the new york")


def test_a_long_text_is_read_to_its_end(pipe: Any) -> None:
    """transformers' own pipeline fails in the middle of the model, or cuts if told to."""
    found = pipe(LONG, truncation=True, return_tensors="np")
    assert found.shape[1] == 2 + len(pipe._flow.tokenizer.encode([LONG]))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"return_tensors": True}, ValueError, "return_tensors is True; expected 'np' or nothing"),
        ({"tokenize_kwargs": {"max_length": 9}}, TypeError, "argument 'max_length' is not taken"),
        ({"layer": 3}, TypeError, "unknown argument 'layer'"),
    ],
)
def test_arguments_that_would_change_the_result_are_refused(
    options: dict[str, Any], error: type[Exception], message: str, pipe: Any
) -> None:
    with pytest.raises(error, match=message):
        pipe("a", **options)


@pytest.mark.parametrize("inputs", [3, None, b"bytes", {"text": "a"}, ["a", 3]], ids=repr)
def test_inputs_that_are_no_texts_are_refused(inputs: Any, pipe: Any) -> None:
    with pytest.raises(TypeError, match="expected a str"):
        pipe(inputs)


@pytest.fixture(scope="module")
def similar(bert: Path) -> Any:
    return lexel.pipeline("sentence-similarity", str(bert), threads=1)


def test_similarities_have_the_hubs_shape_and_are_cosines_of_mean_vectors(similar: Any, bert: Path) -> None:
    source, others = "他在北京", ["他在北京", "the old man went home", "他在上海"]
    found = similar({"source_sentence": source, "sentences": others})
    states = lexel.pipeline("feature-extraction", str(bert), threads=1)([source, *others], return_tensors="np")
    vectors = np.stack([one[0].mean(axis=0) for one in states])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert all(isinstance(value, float) for value in found)
    np.testing.assert_allclose(found, vectors[1:] @ vectors[0], atol=1e-5)
    assert similar(source_sentence=source, sentences=others) == found


def test_no_sentences_are_no_similarities(similar: Any) -> None:
    assert similar({"source_sentence": "a", "sentences": []}) == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"source_sentence": "a"}, "found 'source_sentence'; expected 'source_sentence'"),
        ("a", "found a str; expected"),
        ({"source_sentence": "a", "sentences": "b"}, "found str and str"),
    ],
)
def test_what_is_no_pair_of_a_sentence_and_others_is_refused(inputs: Any, message: str, similar: Any) -> None:
    with pytest.raises(TypeError, match=message):
        similar(inputs)
