"""Lexel's pipeline gives what transformers' gives, on real sentences."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import lexel

from .conftest import assert_same, theirs, without_blanks

STRATEGIES = ("none", "simple", "first", "average", "max")


@pytest.fixture(scope="module")
def their_bert(bert: Path) -> Any:
    return theirs(bert)


@pytest.fixture(scope="module")
def their_roberta(roberta: Path) -> Any:
    return theirs(roberta)


@pytest.fixture(scope="module")
def our_bert(bert: Path) -> Any:
    return lexel.pipeline("token-classification", model=str(bert), threads=1)


@pytest.fixture(scope="module")
def our_roberta(roberta: Path) -> Any:
    return lexel.pipeline("token-classification", model=str(roberta), threads=1)


def run_theirs(pipe: Any, inputs: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of its fallback heuristic for each piece
        return pipe(inputs, batch_size=32, **options)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_500_sentences_in_wordpiece_give_the_same_entities(
    strategy: str, our_bert: Any, their_bert: Any, sentences: list[str]
) -> None:
    ours = our_bert(sentences, aggregation_strategy=strategy, word_style="transformers")
    assert_same(ours, run_theirs(their_bert, sentences, aggregation_strategy=strategy), words=True)


def test_the_500_sentences_hold_every_label_unknown_pieces_and_sub_words(our_bert: Any, sentences: list[str]) -> None:
    entities = [entity for found in our_bert(sentences, ignore_labels=[]) for entity in found]
    assert {entity["entity"] for entity in entities} == {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"}
    assert sum(entity["word"].startswith("##") for entity in entities) > 1000
    groups = [entity for found in our_bert(sentences, aggregation_strategy="simple") for entity in found]
    assert len(groups) > 2000
    assert len({entity["end"] - entity["start"] for entity in groups}) > 5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_sentences_in_byte_level_bpe_give_the_same_entities(
    strategy: str, our_roberta: Any, their_roberta: Any, sentences: list[str]
) -> None:
    some = [*sentences[:60], *sentences[-120:]]
    ours = our_roberta(some, aggregation_strategy=strategy, word_style="transformers")
    expected = run_theirs(their_roberta, some, aggregation_strategy=strategy)
    assert_same(ours, expected if strategy == "none" else without_blanks(expected, some), words=True)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_split_words_give_the_same_entities(
    family: str, strategy: str, sentences: list[str], request: pytest.FixtureRequest
) -> None:
    texts = [sentence.split() for sentence in sentences[-100:]] + [list(sentence) for sentence in sentences[:20]]
    ours = request.getfixturevalue(f"our_{family}")
    their = request.getfixturevalue(f"their_{family}")
    options = {"aggregation_strategy": strategy, "is_split_into_words": True, "delimiter": "  "}
    found = ours(texts, word_style="transformers", **options)
    expected = run_theirs(their, texts, **options)
    blanks = family == "roberta" and strategy != "none"
    assert_same(
        found, without_blanks(expected, ["  ".join(words) for words in texts]) if blanks else expected, words=True
    )


@pytest.mark.parametrize("ignore", [[], ["O", "PER"], ["I-PER", "B-LOC"]])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ignored_labels_are_left_out_alike(
    ignore: list[str], strategy: str, our_bert: Any, their_bert: Any, sentences: list[str]
) -> None:
    some = sentences[::25]
    options = {"aggregation_strategy": strategy, "ignore_labels": ignore}
    ours = our_bert(some, word_style="transformers", **options)
    assert_same(ours, run_theirs(their_bert, some, **options), words=True)


@pytest.mark.parametrize(
    "inputs",
    ["The old man went home.", ["The old man", "went home"], [], "", [""], ["  "], ["[SEP] is not [UNK] here [MASK]"]],
    ids=repr,
)
def test_inputs_of_every_shape_give_the_same_shape(inputs: Any, our_bert: Any, their_bert: Any) -> None:
    if inputs == []:
        assert our_bert(inputs) == []  # theirs raises a ValueError
        return
    ours, expected = our_bert(inputs), their_bert(inputs)
    if isinstance(inputs, str):
        ours, expected = [ours], [expected]
    assert_same(ours, expected, words=True)


def test_one_list_of_words_gives_a_list_of_one_result_as_theirs_does(our_bert: Any, their_bert: Any) -> None:
    words = ["The", "old", "man", "went", "home"]
    ours = our_bert(words, is_split_into_words=True)
    assert len(ours) == 1
    assert_same(ours, their_bert(words, is_split_into_words=True), words=True)


def test_stride_changes_nothing_for_texts_of_one_window(our_bert: Any, their_bert: Any, sentences: list[str]) -> None:
    options = {"aggregation_strategy": "simple", "stride": 16}
    ours = our_bert(sentences[:40], **options)
    assert_same(ours, [their_bert(sentence, **options) for sentence in sentences[:40]], words=False)


def test_options_of_the_pipeline_hold_until_a_call_says_otherwise(bert: Path, sentences: list[str]) -> None:
    options = {"aggregation_strategy": "simple", "ignore_labels": ["LOC"]}
    ours = lexel.pipeline("ner", model=str(bert), threads=1, word_style="transformers", **options)
    expected = theirs(bert, **options)
    some = sentences[::50]
    assert_same(ours(some), run_theirs(expected, some), words=True)
    assert_same(ours(some, ignore_labels=["O"]), run_theirs(expected, some, ignore_labels=["O"]), words=True)
