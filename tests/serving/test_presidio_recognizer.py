"""Presidio's analyser with Lexel's recogniser, and with Lexel as its NLP engine."""

from __future__ import annotations

from typing import Any

import pytest
from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine

import lexel
from lexel.integrations.presidio import LexelNlpEngine, LexelRecognizer

TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"
PHONE = "他在北京，電話是13800138000。"


@pytest.fixture(scope="module")
def nlp() -> lexel.Tagger:
    return lexel.load()


@pytest.fixture(scope="module")
def analyzer(nlp: lexel.Tagger) -> AnalyzerEngine:
    """Presidio's analyser on Lexel's words and entities, with a recogniser of numbers that looks at words nearby."""
    registry = RecognizerRegistry(supported_languages=["zh"])
    numbers = [Pattern("eleven digits", r"(?<!\d)1\d{10}(?!\d)", 0.2)]
    registry.add_recognizer(
        PatternRecognizer("PHONE_NUMBER", patterns=numbers, context=["電話"], supported_language="zh")
    )
    engine = LexelNlpEngine({"zh": nlp})
    registry.add_nlp_recognizer(engine)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["zh"])


def places(results: list[Any]) -> set[tuple[int, int]]:
    return {(one.start, one.end) for one in results}


def test_the_recogniser_finds_what_the_tagger_finds(nlp: lexel.Tagger) -> None:
    registry = RecognizerRegistry(recognizers=[LexelRecognizer(nlp)], supported_languages=["zh"])
    engine = NoOpNlpEngine([{"lang_code": "zh", "model_name": ""}])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["zh"])
    found = analyzer.analyze(TEXT, language="zh")
    assert places(found) == {(span.start, span.end) for span in nlp(TEXT).entities}
    assert found
    people = analyzer.analyze(TEXT, language="zh", entities=["PERSON"])
    assert {one.entity_type for one in people} == {"PERSON"}


def test_the_engine_finds_what_the_tagger_finds(analyzer: AnalyzerEngine, nlp: lexel.Tagger) -> None:
    found = analyzer.analyze(TEXT, language="zh")
    assert places(found) == {(span.start, span.end) for span in nlp(TEXT).entities}
    assert {one.entity_type for one in found} <= {"PERSON", "LOCATION", "ORGANIZATION"}
    assert all(0 < one.score <= 1 for one in found)


def test_words_nearby_raise_the_score_of_a_pattern(analyzer: AnalyzerEngine) -> None:
    (near,) = analyzer.analyze(PHONE, language="zh", entities=["PHONE_NUMBER"])
    (alone,) = analyzer.analyze("他在北京，13800138000。", language="zh", entities=["PHONE_NUMBER"])
    assert near.score > alone.score


def test_several_texts_are_read_together(analyzer: AnalyzerEngine) -> None:
    found = list(BatchAnalyzerEngine(analyzer).analyze_iterator([TEXT, "好", TEXT], language="zh"))
    assert places(found[0]) == places(found[2]) == places(analyzer.analyze(TEXT, language="zh"))
    assert found[1] == []


def test_a_decision_can_be_traced(nlp: lexel.Tagger) -> None:
    artifacts = LexelNlpEngine({"zh": nlp}).process_text(TEXT, "zh")
    assert '"tokens": [' in artifacts.to_json()
    assert "。" not in artifacts.keywords
