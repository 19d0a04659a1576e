"""Taggers that read another script than their texts: offsets are the caller's, in every kind of reading."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from lexel.decoding.lexicon import Entry, Lexicon
from lexel.tasks.layers import TagOptions
from lexel.tasks.tag import Tagger
from lexel.text.script import ScriptTokenizer, convert_texts, converter
from tests.builders import ENTITIES, POS, SPECIALS, WORDS, build_rule_tagger, build_tagger, fake_tagger
from tests.flow.test_any_text import BATCHES, check
from tests.script.test_script import by, doubling

DATA = Path(__file__).parents[1] / "data"
RULE = {"台": "B", "湾": "I", "大": "B", "学": "I", "的": "B"}
LAYERS = {"words": WORDS, "pos": POS, "entities": ENTITIES}


def sentences(name: str, n: int = 40) -> list[str]:
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:n]
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="module")
def simplified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows the words of simplified text."""
    return build_rule_tagger(tmp_path_factory.mktemp("rule"), WORDS, RULE)


def load(folder: Path, **options: Any) -> Tagger:
    return Tagger.load(folder, engine="numpy", **options)


def test_a_model_of_one_script_finds_the_words_of_the_other(simplified: Path) -> None:
    text = "灣大臺學的"
    doc = load(simplified, script="simplified")(text)
    assert doc.text is text
    assert doc.words.texts == ["灣", "大", "臺學", "的"]
    assert load(simplified)(text).words.texts != doc.words.texts


def test_a_long_text_is_read_in_windows_of_the_other_script(simplified: Path) -> None:
    doc = load(simplified, script="simplified")("臺灣 大學的" * 50)
    assert doc.words.texts == ["臺灣", "大學", "的"] * 50


def test_a_lexicon_is_looked_up_in_the_text_as_it_is(simplified: Path) -> None:
    lexicon = Lexicon([Entry("灣大", "force", 1.0)])
    doc = load(simplified, script="simplified", lexicon=lexicon)("臺灣大學的")
    assert doc.words.texts == ["臺", "灣大", "學", "的"]


def test_given_words_are_tagged_in_the_other_script(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, ["NR", "NN"], {"台": "NR", "湾": "NR", "学": "NN"})
    doc = load(folder, script="simplified").tag_words(["臺灣", "學"])
    assert [(word.text, word.pos) for word in doc.words] == [("臺灣", "NR"), ("學", "NN")]


def test_the_script_is_said(simplified: Path) -> None:
    assert "script: text is read as simplified Chinese" in load(simplified, script="simplified").description
    assert "script:" not in load(simplified).description


@pytest.mark.parametrize("pieces", ["chars", "tokenizer"])
@pytest.mark.parametrize(("name", "file"), [("simplified", "zh_gsd"), ("traditional", "zh_gsdsimp")])
def test_real_sentences_get_what_their_conversion_gets(tmp_path: Path, pieces: str, name: str, file: str) -> None:
    vocab = (*SPECIALS, *sorted(set("".join(sentences("zh_gsd") + sentences("zh_gsdsimp"))) - {" ", "\u3000"}))
    folder = build_tagger(tmp_path, heads=LAYERS, pieces=pieces, vocab=vocab)
    texts = sentences(file)
    mapped = list(load(folder, script=name).stream(texts))
    alone = list(load(folder).stream([one.text for one in convert_texts(texts, converter(name))]))
    for text, ours, theirs in zip(texts, mapped, alone, strict=True):
        assert ours.text is text
        assert [(w.start, w.end, w.pos, w.score) for w in ours.words] == [
            (w.start, w.end, w.pos, w.score) for w in theirs.words
        ]
        assert [(e.start, e.end, e.label) for e in ours.entities] == [
            (e.start, e.end, e.label) for e in theirs.entities
        ]


# Conversions that change the length ----------------------------------------------------------------------------------


def with_converter(tagger: Tagger, change: Callable[[str], str]) -> Tagger:
    (flow,) = tagger.flows
    flow.tokenizer = ScriptTokenizer(flow.tokenizer, by(change))
    return tagger


@pytest.fixture(scope="module", params=["chars", "tokenizer"])
def lengthening(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    folder = build_tagger(tmp_path_factory.mktemp("model"), heads=LAYERS, pieces=request.param)
    return with_converter(fake_tagger(folder), lambda run: doubling(run).replace("天", "天天").replace("中", ""))


@given(texts=BATCHES)
@settings(max_examples=60)
def test_offsets_slice_back_whatever_becomes_of_the_length(lengthening: Tagger, texts: list[str]) -> None:
    for document, text in zip(lengthening.stream(texts), texts, strict=True):
        check(document, text)


@given(texts=BATCHES)
@settings(max_examples=30)
def test_a_lexicon_and_a_changed_length_go_together(lengthening: Tagger, texts: list[str]) -> None:
    options = replace(TagOptions(), lexicon=Lexicon([Entry("天下", "force", 1.0), Entry("的中", "prefer", 2.0)]))
    guided = Tagger(lengthening.flows, lengthening.layers, options)
    for document, text in zip(guided.stream(texts), texts, strict=True):
        check(document, text, with_spaces=True)


def test_a_cut_inside_a_changed_run_goes_to_an_edge_of_it(tmp_path: Path) -> None:
    folder = build_rule_tagger(tmp_path, WORDS, {"戊": "B", "己": "B", "丁": "B", "甲": "B"})
    tagger = with_converter(load(folder), lambda run: run.replace("乙丙", "戊己戊"))
    assert tagger("甲乙丙丁").words.texts == ["甲", "乙丙", "丁"]
