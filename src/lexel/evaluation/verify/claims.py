"""The claims of a card, and the figure of a report that each claim means.

A claim is one metric of a card's ``model-index`` (https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
Names of metrics are free text there ("F1", "word F1", "entity F1 (strict)"), so they are read word by word. A name with
an unknown word is skipped, so that another kind of figure is never mistaken for one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from lexel.evaluation.scores.results import Results, RuleScore
from lexel.metrics.scores import Estimate, SpanScore

Part = Literal["words", "pos", "entities", "nested", "tags", "classes"]
Quantity = Literal["precision", "recall", "f1", "accuracy"]

_QUANTITIES: dict[str, Quantity] = {
    **dict.fromkeys(("precision", "p"), "precision"),
    **dict.fromkeys(("recall", "r"), "recall"),
    **dict.fromkeys(("f1", "f", "fscore", "fmeasure"), "f1"),
    **dict.fromkeys(("accuracy", "acc"), "accuracy"),
}
_PARTS: dict[str, Part] = {
    **dict.fromkeys(("word", "words", "segmentation", "cws", "ws"), "words"),
    **dict.fromkeys(("pos", "upos", "tag", "tags", "tagging"), "pos"),
    **dict.fromkeys(("entity", "entities", "ner", "strict", "lenient", "conlleval", "seqeval"), "entities"),
    "nested": "nested",
}
_RULES = {"strict": "strict", "lenient": "lenient", "conlleval": "lenient"}
_CLASS_AVERAGES = {"positive": "positive", "macro": "macro", "micro": "micro", "weighted": "weighted"}
_CLASS_WORDS = {**_CLASS_AVERAGES, "binary": "positive"}
_SMALL_WORDS = """
    a and average avg by dev development eval evaluation exact found level mode of on only or overall rule score scores
    set span spans test the token tokens validation with"""
_EMPTY = frozenset(_SMALL_WORDS.split())
_WORD = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?")


class DataKey(NamedTuple):
    """The key of a claim's data set."""

    dataset: str
    dataset_type: str
    config: str | None
    split: str | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure that a card claims.

    Attributes:
        dataset: Name of the data set.
        value: The figure in the card.
        metric_type: The metric's identifier, such as ``f1``.
        metric_name: The metric's name for readers.
        dataset_type: The data set's identifier.
        config: Its configuration; in Lexel's own cards, the rule that folds gold tags.
        split: Its split.
        revision: Its revision; in Lexel's own cards, the file's SHA-256.
        args: Arguments of the metric; in Lexel's own cards, layer, rule, average and decoding.
    """

    dataset: str
    value: Any
    metric_type: str
    metric_name: str = ""
    dataset_type: str = ""
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> DataKey:
        """The key of its data set."""
        return DataKey(self.dataset, self.dataset_type, self.config, self.split, self.revision)

    @property
    def data_name(self) -> str:
        """The name of its data set in messages."""
        name = self.dataset or self.dataset_type or "a data set without a name"
        return f"{name}, {self.split}" if self.split else name

    @property
    def name(self) -> str:
        """The name of the figure in messages."""
        return self.metric_name or self.metric_type

    @property
    def number(self) -> float | None:
        """The value as a number, also from ``"92.1 ± 0.3"`` and ``"92.1 %"``; ``None`` if there is none."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float | str):
            return None
        match = _NUMBER.search(str(self.value))
        return None if match is None else float(match[0])

    @property
    def is_above_1(self) -> bool:
        """Whether the value can only be in per cent, or is not a share at all."""
        return self.number is not None and self.number > 1


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a report.

    Attributes:
        part: The scored part: words, words with their tags (``pos``), entities, single tags (``tags``: plain accuracy
            of the tags that entities or words are read from), or classes of texts.
        quantity: The quantity.
        rule: For entities, ``strict`` or ``lenient``.
        average: For entities, ``micro`` or ``macro``; for classes also ``weighted`` or ``positive``, the second of two
            classes; empty for the usual meaning of a name without an average.
    """

    part: Part
    quantity: Quantity
    rule: str = "lenient"
    average: str = "micro"

    @property
    def name(self) -> str:
        """Its name in messages."""
        quantity = "F1" if self.quantity == "f1" else self.quantity
        if self.part == "entities":
            return f"entity {quantity}, {self.rule}, {self.average}"
        if self.part == "nested":
            return f"nested entity {quantity}, {self.average}"
        if self.part == "classes":
            average = f", {self.average}" if self.average and quantity != "accuracy" else ""
            return f"{quantity} of classes{average}"
        if self.part == "pos":
            return "accuracy of tags on found words" if quantity == "accuracy" else f"words with tags, {quantity}"
        return f"word {quantity}" if self.part == "words" else "accuracy of single tags"

    def others(self) -> list[Figure]:
        """Figures that often have the same name."""
        if self.part == "classes" and self.quantity != "accuracy":
            return [replace(self, average=average) for average in _CLASS_AVERAGES if average != self.average]
        if self.part != "entities":
            return []
        pairs = [(rule, average) for rule in ("strict", "lenient") for average in ("micro", "macro")]
        found = [replace(self, rule=rule, average=average) for rule, average in pairs]
        return sorted((other for other in found if other != self), key=lambda other: other.average != self.average)

    def of(self, results: Results) -> Estimate | None:
        """Its value in a report; ``None`` if it was not scored, or is not part of reports (``tags``)."""
        if self.part == "words" and results.words is not None:
            return _of_spans(results.words.words, self.quantity)
        if self.part == "pos" and results.pos is not None:
            is_share = self.quantity == "accuracy"
            return results.pos.accuracy if is_share else _of_spans(results.pos.words_and_tags, self.quantity)
        score = self._entity_score(results)
        if score is not None:
            if self.average == "macro":
                macro: Estimate | None = getattr(score, f"macro_{self.quantity}", None)
                return macro
            return _of_spans(score.micro, self.quantity)
        return None

    def _entity_score(self, results: Results) -> RuleScore | None:
        if self.part == "nested":
            return None if results.nested is None else results.nested.spans
        if self.part != "entities" or results.entities is None:
            return None
        return results.entities.strict if self.rule == "strict" else results.entities.lenient


def _of_spans(score: SpanScore, quantity: Quantity) -> Estimate | None:
    found: Estimate | None = getattr(score, quantity, None)
    return found


def figure_of(claim: Claim, layers: Collection[str]) -> Figure | str:
    """The figure that a claim means, or the reason why there is none.

    Args:
        claim: One figure of a card.
        layers: The layers of the model: some of ``words``, ``pos`` and ``entities``, or only ``classes``.
    """
    said = _WORD.findall(f"{claim.metric_type} {claim.metric_name}".lower().replace("-", ""))
    is_of_classes = "classes" in layers
    strange = [word for word in said if not _is_known(word, is_of_classes=is_of_classes)]
    if strange and "layer" not in claim.args:
        return f"{claim.name!r} is not a figure that Lexel re-runs ({', '.join(dict.fromkeys(strange))})"
    quantities = list(dict.fromkeys(_QUANTITIES[word] for word in said if word in _QUANTITIES))
    if len(quantities) != 1:
        found = "none" if not quantities else " and ".join(quantities)
        return f"{claim.name!r} names {found}; expected one of precision, recall, F1 and accuracy"
    if is_of_classes:
        named = next((_CLASS_WORDS[word] for word in said if word in _CLASS_WORDS), "")
        return Figure("classes", quantities[0], average=str(claim.args.get("average", named)))
    part = _part_of(claim, said, quantities[0], layers)
    if part is None:
        return f"{claim.name!r} does not say of what; the model reads {', '.join(layers)}"
    args = {key: str(value) for key, value in claim.args.items()}
    rule = args.get("rule") or next((_RULES[word] for word in said if word in _RULES), "lenient")
    average = args.get("average") or ("macro" if "macro" in said else "micro")
    if part == "nested":
        return Figure(part, quantities[0], average=average)
    return Figure(part, quantities[0], rule, average) if part == "entities" else Figure(part, quantities[0])


def _is_known(word: str, *, is_of_classes: bool) -> bool:
    if is_of_classes:
        return word in _QUANTITIES or word in _EMPTY or word in _CLASS_WORDS
    return word in _QUANTITIES or word in _PARTS or word in _EMPTY or word in ("micro", "macro")


def _part_of(claim: Claim, said: Sequence[str], quantity: Quantity, layers: Collection[str]) -> Part | None:
    if claim.args.get("layer") in ("words", "pos", "entities", "nested", "tags"):
        part: Part = claim.args["layer"]
        return part
    named = {_PARTS[word] for word in said if word in _PARTS} or {_PARTS[layer] for layer in layers}
    if "nested" in named:
        return "nested"
    if "pos" in named and "entities" not in named:  # words with their tags
        return "pos"
    if len(named) != 1:
        return None
    return "tags" if quantity == "accuracy" else named.pop()
