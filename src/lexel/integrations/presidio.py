"""Presidio: a recogniser that finds entities with a Lexel tagger.

    analyzer.registry.add_recognizer(LexelRecognizer(lexel.load(), language="zh"))

Needs presidio-analyzer. Presidio's own NLP engine may stay a blank one: the recogniser reads the text by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult

from lexel.tasks.tag import Tagger

NAMES: Mapping[str, str] = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
}
"""Presidio's names of entity types; any other type keeps its own."""


class LexelRecognizer(EntityRecognizer):  # type: ignore[misc]
    """Finds the entities of a tagger.

    Args:
        tagger: Reads the text.
        language: The language that Presidio calls it for.
        names: What entity types are called in Presidio.
    """

    def __init__(self, tagger: Tagger, *, language: str = "zh", names: Mapping[str, str] = NAMES) -> None:
        self._tagger = tagger
        self._names = names
        labels = tagger.layers["entities"].label_set.types if "entities" in tagger.layers else ()
        supported = sorted({self._names.get(label, label) for label in labels})
        super().__init__(supported_entities=supported, supported_language=language, name="LexelRecognizer")

    def load(self) -> None:
        """Nothing: the tagger is loaded."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The entities of a text, of the types asked for; no type asked for means all."""
        found = ((self._names.get(span.label, span.label), span) for span in self._tagger(text).entities)
        return [
            RecognizerResult(entity_type=name, start=span.start, end=span.end, score=float(span.score or 0.0))
            for name, span in found
            if not entities or name in entities
        ]
