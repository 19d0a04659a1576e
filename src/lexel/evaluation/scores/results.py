"""Results of an evaluation, as plain data for all reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lexel.metrics.calibration import Reliability
from lexel.metrics.scores import Estimate, SpanScore
from lexel.metrics.tags import Confusion


@dataclass(frozen=True, slots=True)
class LengthScore:
    """F1 of documents with ``low`` to ``high`` characters; ``None`` for no upper limit."""

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
        known_recall: Recall of words in the training vocabulary; ``None`` without one, like the next three.
        oov_recall: Recall of words outside it.
        n_known: Number of gold words in it.
        n_oov: Number of gold words outside it.
        by_length: F1 by characters of the document.
        reliability: Reliability of the words' scores; ``None`` if the model gives none.
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
        accuracy: Share of right tags among the gold words that were found.
        words_and_tags: Spans of words that must also have the right tag.
        by_label: The same for each tag.
        confusion: Confusion matrix of tags; a word that was not found is in the last row or column.
        by_length: F1 of words and tags by characters of the document.
        reliability: Reliability of the tags' scores, over words that were found.
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
        rule: ``strict`` or ``lenient``; ``exact`` for nested entities.
        description: A description of the rule.
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
        n_documents: Documents with a gold layer of entities, which may be empty.
        strict: Predictions count only if their tags are well formed (seqeval's strict mode).
        lenient: Predictions as conlleval reads tags (seqeval's default).
        confusion: Confusion matrix of types, for entities at the same places.
        by_length: Micro F1 (lenient) by characters of the document.
        reliability: Reliability of the entities' scores.
    """

    n_documents: int
    strict: RuleScore
    lenient: RuleScore
    confusion: Confusion
    by_length: list[LengthScore]
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class NestedResult:
    """Scores of entities that may lie inside each other or overlap.

    Attributes:
        n_documents: Documents with a gold layer of entities, which may be empty.
        spans: Scores of spans; a predicted span counts if a gold span has the same place and label.
        by_length: Micro F1 by characters of the document.
        reliability: Reliability of the spans' scores.
    """

    n_documents: int
    spans: RuleScore
    by_length: list[LengthScore]
    reliability: Reliability | None


@dataclass(frozen=True, slots=True)
class LossResult:
    """The loss of a layer's gold labels.

    Attributes:
        loss: Mean negative log-likelihood, in nats, over pieces or words.
        n_items: Number of pieces or words.
        unit: ``pieces``, or ``words`` if each word has one label.
    """

    loss: Estimate
    n_items: int
    unit: str


@dataclass(frozen=True, slots=True)
class Mistake:
    """One part of a text where prediction and gold differ.

    Attributes:
        layer: ``words``, ``pos``, ``entities`` or ``nested``.
        kind: The kind of mistake: ``split``, ``merged``, ``missed``, ``wrong label``, ...
        document: Its ``id``, else its number from 1.
        before: The text before it.
        text: The text itself.
        after: The text after it.
        gold: The gold annotation.
        predicted: The prediction.
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
    """All results of an evaluation.

    Attributes:
        n_documents: Number of documents, including those without any layer.
        n_chars: Number of their characters.
        seconds: Time for reading and scoring, without loading.
        words: Scores of words, if gold and model have them.
        pos: Scores of tags, likewise.
        entities: Scores of entities, likewise.
        losses: The loss of gold labels, by layer.
        absent: By layer without scores, the reason.
        notes: Notes for readers of the figures.
        mistakes: Differences between prediction and gold, from the start of the data.
        n_mistakes: Number of all such differences, by layer.
        n_overlapping: Documents whose text is also in the training data; ``None`` if that was not given.
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
    """Results and their provenance.

    Attributes:
        results: The results.
        made: Command, time, versions, data with its checksum, model with its revision, engine and options.
    """

    results: Results
    made: dict[str, Any]
