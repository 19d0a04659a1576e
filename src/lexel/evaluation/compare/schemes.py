"""Reconciles label sets: maps labels to common names, and refuses models with different labels.

A map is a JSON object from labels, of any model or the data, to common names; ``null`` leaves an entity type out
everywhere. If a label means different things, an object under a model's name (or ``gold``) applies to it alone:

    {"PERSON": "PER", "GPE": "LOC", "MISC": null, "my-model": {"LOC": "FAC"}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lexel.document import Document, Spans, Words
from lexel.errors import LabelError
from lexel.evaluation.compare.models import ModelOutput
from lexel.names import Layer

GOLD = "gold"
"""The key for the labels of the data in a map."""

Renaming = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Common names for labels.

    Attributes:
        everywhere: The map for all models and the data.
        special: By model, or ``gold``, a map for it alone.
    """

    everywhere: Renaming = field(default_factory=dict)
    special: Mapping[str, Renaming] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any], *, names: Sequence[str], where: str) -> LabelMap:
        """A map from the values of its file.

        Args:
            values: The object.
            names: The models of the comparison.
            where: The file, for messages.

        Raises:
            LabelError: If it has another form, or an object under a name that no model has.
        """
        special = {name: value for name, value in values.items() if isinstance(value, dict)}
        strange = sorted(special.keys() - {*names, GOLD})
        if strange:
            raise LabelError(
                f"{where}: an object under {', '.join(map(repr, strange))}; expected a label, {GOLD!r}, or a model: "
                f"{', '.join(map(repr, names))}"
            )
        everywhere = {name: value for name, value in values.items() if name not in special}
        for part in (everywhere, *special.values()):
            for label, name in part.items():
                if not (name is None or isinstance(name, str)):
                    raise LabelError(f"{where}: {label!r} is mapped to {name!r}; expected a label, or null")
        return cls(everywhere, special)

    def renaming(self, name: str) -> Renaming:
        """The map for a model, or for ``gold``."""
        return {**self.everywhere, **self.special.get(name, {})}

    def __bool__(self) -> bool:
        return bool(self.everywhere or self.special)


def renamed_labels(labels: Iterable[str], renaming: Renaming) -> tuple[str, ...]:
    """The common names of labels, each once, without those left out."""
    names = (renaming.get(label, label) for label in labels)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def renamed(document: Document, renaming: Renaming) -> Document:
    """A document with common label names, without entities of types that are left out."""
    if not renaming:
        return document
    words = document.words if "words" in document.layers else None
    entities = document.entities if "entities" in document.layers else None
    if words is not None and words.pos_ids is not None:
        labels = [renaming.get(label, label) or label for label in words.pos_labels]
        words = Words(
            document.text,
            words.starts,
            words.ends,
            pos_ids=words.pos_ids,
            pos_labels=labels,
            scores=words.scores,
            pos_scores=words.pos_scores,
        )
    if entities is not None:
        entities = _renamed_spans(entities, renaming)
    nested = _renamed_spans(document.nested, renaming) if "nested" in document.layers else None
    return Document(document.text, words, entities, id=document.id, nested=nested)


def _renamed_spans(spans: Spans, renaming: Renaming) -> Spans:
    kept = _are_kept(spans, renaming)
    return Spans(
        spans.text,
        spans.starts[kept],
        spans.ends[kept],
        label_ids=spans.label_ids[kept],
        labels=[renaming.get(label, label) or label for label in spans.labels],
        scores=None if spans.scores is None else spans.scores[kept],
    )


def _are_kept(spans: Spans, renaming: Renaming) -> np.ndarray[Any, np.dtype[np.bool_]]:
    table = np.array([renaming.get(label, label) is not None for label in spans.labels] or [True], np.bool_)
    return table[spans.label_ids] if len(spans) else np.zeros(0, np.bool_)


def rename_output(read: ModelOutput, renaming: Renaming) -> ModelOutput:
    """A prediction with common label names, without losses, which apply to the model's own labels."""
    if not renaming:
        return read
    kept = _are_kept(read.document.entities, renaming)
    return ModelOutput(renamed(read.document, renaming), read.is_strict[kept])


def check_schemes(layer: Layer, models: Mapping[str, Set[str]], gold: Set[str]) -> list[str]:
    """Refuse models whose labels mean different things; returns notes on accepted differences.

    Entity types must be the same in all models. Tags of words may differ (small treebanks lack some), as long as every
    model knows half of the gold tags.

    Args:
        layer: ``pos`` or ``entities``.
        models: The common names of each model's labels.
        gold: The labels of the data.

    Raises:
        LabelError: Naming the labels that only some have.
    """
    every, some = set[str].intersection(*map(set, models.values())), set[str]().union(*models.values())
    for name, labels in models.items():
        if gold and len(gold & labels) * 2 < len(gold):
            raise LabelError(
                f"{layer}: {name} labels {_listed(labels)}, the data {_listed(gold)}; expected the same names. "
                "Map them with --label-map FILE"
            )
    if layer == "entities" and some != every:
        beyond = {name: set(labels) - every for name, labels in models.items()}
        parts = [f"{name} has {_listed(labels)}" for name, labels in beyond.items() if labels]
        raise LabelError(
            f"entities: the models label different things ({'; '.join(parts)}; all have {_listed(every)}); expected "
            'the same types. Map them with --label-map FILE, as in {"GPE": "LOC", "MISC": null}'
        )
    notes = []
    if some != every:
        notes.append(f"{layer}: only some models have {_listed(some - every)}")
    if gold - some:
        notes.append(f"{layer}: no model knows {_listed(gold - some)}; these count as missed")
    return notes


def _listed(labels: Iterable[str], *, limit: int = 12) -> str:
    names = sorted(labels)
    return ", ".join(names[:limit]) + (f", ... {len(names) - limit} more" if len(names) > limit else "") or "nothing"
