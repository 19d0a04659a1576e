"""What an evaluation found, as plain data: every report is made of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lexel.metrics.calibration import Reliability
from lexel.metrics.scores import Estimate, SpanScore
from lexel.metrics.tags import Confusion


@dataclass(frozen=True, slots=True)
class LengthScore:
    """F1 of the documents of some lengths: ``low`` to ``high`` characters, ``None`` for no end."""

    low: int
    high: int | None
    n_documents: int
    n_gold: int
    f1: Estimate


@dataclass(frozen=True, slots=True)
class WordResult:
    """Scores of word boundaries.

    Attributes:
        n_documents: Documents with gold words.
        words: Spans of words, by the rules of the SIGHAN bakeoffs.
        tokens: The same over the text without its whitespace, by the rule of CoNLL 2018.
        known_recall: Recall of words in the training vocabulary; ``None`` without one, as the next three.
        oov_recall: Recall of words that are not in it.
        n_known: Gold words in it.
        n_oov: Gold words not in it.
        by_length: F1 by characters of the document.
        reliability: Of the words' scores; ``None`` if the model gives none.
    """

    n_documents: int
    words: SpanScore
    tokens: SpanScore
    known_recall: Estimate | None
    oov_recall: Estimate | None
    n_known: int | None
    n_oov: int | None
    by_length: list[LengthScore]
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class PosResult:
    """Scores of part-of-speech tags.

    Attributes:
        n_documents: Documents with gold tags.
        accuracy: Share of the gold words that were found whose tag is right.
        words_and_tags: Spans of words that must have the right tag too.
        by_label: The same for each tag.
        confusion: Which tags are taken for which; a word that was not found is in the last row or column.
        by_length: F1 of words and tags by characters of the document.
        reliability: Of the tags' scores, over words that were found.
    """

    n_documents: int
    accuracy: Estimate
    words_and_tags: SpanScore
    by_label: dict[str, SpanScore]
    confusion: Confusion
    by_length: list[LengthScore]
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class RuleScore:
    """Scores of entities by one rule.

    Attributes:
        rule: ``strict`` or ``lenient``; ``exact`` of nested entities.
        description: What the rule is.
        micro: All entities together.
        macro_precision: Mean over the types that the data or the predictions have.
        macro_recall: Mean over the same types.
        macro_f1: Mean over the same types.
        by_label: Each type by itself.
    """

    rule: str
    description: str
    micro: SpanScore
    macro_precision: Estimate
    macro_recall: Estimate
    macro_f1: Estimate
    by_label: dict[str, SpanScore]


@dataclass(frozen=True, slots=True)
class EntityResult:
    """Scores of entities, by both rules.

    Attributes:
        n_documents: Documents with gold entities, or said to have none.
        strict: Predictions count only if their tags are well formed (seqeval's strict mode).
        lenient: Predictions as conlleval reads tags (seqeval's default).
        confusion: Which types are taken for which, at the same places.
        by_length: Micro F1 (lenient) by characters of the document.
        reliability: Of the entities' scores.
    """

    n_documents: int
    strict: RuleScore
    lenient: RuleScore
    confusion: Confusion
    by_length: list[LengthScore]
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class NestedResult:
    """Scores of entities that may lie inside of each other or overlap.

    Attributes:
        n_documents: Documents with gold entities, or said to have none.
        spans: A predicted span counts if its place and its label are those of a gold one.
        by_length: Micro F1 by characters of the document.
        reliability: Of the spans' scores.
    """

    n_documents: int
    spans: RuleScore
    by_length: list[LengthScore]
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class LossResult:
    """What the gold labels of a layer cost.

    Attributes:
        loss: Mean negative log-likelihood, in nats, over pieces or words.
        n_items: How many of these.
        unit: ``pieces``, or ``words`` where each word has one label.
    """

    loss: Estimate
    n_items: int
    unit: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """One stretch of text where prediction and gold differ.

    Attributes:
        layer: ``words``, ``pos``, ``entities`` or ``nested``.
        kind: In what way: ``split``, ``merged``, ``missed``, ``wrong label``, ...
        document: Its ``id``, else its number from 1.
        before: The text before it.
        text: The text that is read differently.
        after: The text after it.
        gold: What is right.
        predicted: What was predicted.
        n_chars: Length of the document.
    """

    layer: str
    kind: str
    document: str
    before: str
    text: str
    after: str
    gold: str
    predicted: str
    n_chars: int


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured.

    Attributes:
        n_documents: Documents read, those without any layer too.
        n_chars: Their characters.
        seconds: Time taken by reading and scoring, loading apart.
        words: Scores of words, if gold and model have them.
        pos: Scores of tags, likewise.
        entities: Scores of entities, likewise.
        losses: What the gold labels cost, by layer.
        absent: Why a layer has no scores, by its name.
        notes: What a reader of the numbers should know.
        mistakes: Where prediction and gold differ, from the start of the data.
        n_mistakes: How many such places there are in all, by layer.
        n_overlapping: Documents whose text stands in the training data; ``None`` if that was not given.
        nested: Scores of nested entities, if the model finds them.
    """

    n_documents: int
    n_chars: int
    seconds: float
    words: WordResult | None
    pos: PosResult | None
    entities: EntityResult | None
    losses: dict[str, LossResult]
    absent: dict[str, str]
    notes: list[str]
    mistakes: list[Mistake] = field(repr=False)
    n_mistakes: dict[str, int]
    n_overlapping: int | None = None
    nested: NestedResult | None = None

    @property
    def has_scores(self) -> bool:
        """Whether any layer was scored."""
        return any(layer is not None for layer in (self.words, self.pos, self.entities, self.nested))


@dataclass(frozen=True, slots=True)
class Report:
    """Results and where they come from.

    Attributes:
        results: What was measured.
        made: Command, time, versions, data with its checksum, model with its revision, engine and options.
    """

    results: Results
    made: dict[str, Any]
