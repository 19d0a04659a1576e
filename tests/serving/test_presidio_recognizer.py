"""Presidio's analyser with Lexel's recogniser."""

from __future__ import annotations

import lexel
from lexel.integrations.presidio import LexelRecognizer

TEXT = "臺北市長蔣萬安昨天會見東京來的訪問團。"


def test_the_analyser_finds_what_the_tagger_finds() -> None:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Blank(NlpEngine):
        """No language model: the recogniser reads the text by itself."""

        def load(self) -> None: ...
        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            return NlpArtifacts([], [], [], [], self, language)

        def process_batch(self, texts, language, **given):  # type: ignore[no-untyped-def]
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:
            return False

        def is_punct(self, word: str, language: str) -> bool:
            return False

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["zh"]

    nlp = lexel.load()
    registry = RecognizerRegistry(recognizers=[LexelRecognizer(nlp)], supported_languages=["zh"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["zh"])
    found = {(one.start, one.end) for one in analyzer.analyze(TEXT, language="zh")}
    assert found == {(span.start, span.end) for span in nlp(TEXT).entities}
    assert found
    people = analyzer.analyze(TEXT, language="zh", entities=["PERSON"])
    assert {one.entity_type for one in people} == {"PERSON"}
