"""Presidio: a recogniser that finds entities with a Lexel tagger, and an NLP engine that also gives Presidio the words.

    analyzer.registry.add_recognizer(LexelRecognizer(lexel.load(), language="zh"))
    AnalyzerEngine(nlp_engine=LexelNlpEngine({"zh": lexel.load()}), supported_languages=["zh"])

Needs presidio-analyzer. The recogniser works next to your NLP engine. Lexel's engine replaces it: Presidio's other
recognisers then see Lexel's words, so context words near a match (``context``) raise its score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from lexel.document import Document
from lexel.names import PRESIDIO_TYPES
from lexel.tasks.tag import Tagger


class LexelRecognizer(EntityRecognizer):  # type: ignore[misc]
    """Finds the entities of a tagger.

    Args:
        tagger: Reads the text.
        language: The language for which Presidio calls it.
        names: Presidio's names of entity types.
    """

    def __init__(self, tagger: Tagger, *, language: str = "zh", names: Mapping[str, str] = PRESIDIO_TYPES) -> None:
        self._tagger = tagger
        self._names = names
        super().__init__(supported_entities=_types(tagger, names), supported_language=language, name="LexelRecognizer")

    def load(self) -> None:
        """Does nothing: the tagger is already loaded."""

    def analyze(self, text: str, entities: Sequence[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """The entities of a text, of the requested types; an empty list means all."""
        found = ((self._names.get(span.label, span.label), span) for span in self._tagger(text).entities)
        return [
            RecognizerResult(entity_type=name, start=span.start, end=span.end, score=float(span.score or 0.0))
            for name, span in found
            if not entities or name in entities
        ]


class LexelNlpEngine(NlpEngine):  # type: ignore[misc]
    """Gives Presidio words and entities.

    Lexel has no stop words and no lemmas: Presidio compares context with the word forms.

    Args:
        taggers: A tagger for each of Presidio's languages.
        names: Presidio's names of entity types.
    """

    def __init__(self, taggers: Mapping[str, Tagger], *, names: Mapping[str, str] = PRESIDIO_TYPES) -> None:
        self._taggers = taggers
        self._names = names

    def load(self) -> None:
        """Does nothing: the taggers are already loaded."""

    def is_loaded(self) -> bool:
        """Always true."""
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """The words and entities of a text."""
        return self._artifacts(self._taggers[language](text), language)

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **options: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        """Each text with its words and entities; Lexel chooses the batches."""
        for doc in self._taggers[language].stream(map(str, texts)):
            yield doc.text, self._artifacts(doc, language)

    def is_stopword(self, word: str, language: str) -> bool:
        """Always false."""
        return False

    def is_punct(self, word: str, language: str) -> bool:
        """Whether a word has neither letters nor digits."""
        return not any(char.isalnum() for char in word)

    def get_supported_entities(self) -> list[str]:
        """The types of all taggers, under Presidio's names."""
        return sorted({name for tagger in self._taggers.values() for name in _types(tagger, self._names)})

    def get_supported_languages(self) -> list[str]:
        """The languages with a tagger."""
        return list(self._taggers)

    def _artifacts(self, doc: Document, language: str) -> NlpArtifacts:
        words = [_Span(word.text, word.start, word.end) for word in doc.words]
        entities = [
            _Span(span.text, span.start, span.end, self._names.get(span.label, span.label)) for span in doc.entities
        ]
        return NlpArtifacts(
            entities=entities,
            tokens=words,
            tokens_indices=[word.start_char for word in words],
            lemmas=[word.text for word in words],
            nlp_engine=self,
            language=language,
            scores=[float(span.score or 0.0) for span in doc.entities],
        )


@dataclass(frozen=True, slots=True)
class _Span:
    """A word or an entity with the attributes of spaCy's that Presidio reads."""

    text: str
    start_char: int
    end_char: int
    label_: str = ""

    def __len__(self) -> int:
        return len(self.text)


def _types(tagger: Tagger, names: Mapping[str, str]) -> list[str]:
    """The types of a tagger, under Presidio's names."""
    labels = tagger.layers["entities"].label_set.types if "entities" in tagger.layers else ()
    return sorted({names.get(label, label) for label in labels})
