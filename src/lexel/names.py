"""The names that files, options and programs share: tasks, layers, kinds of pieces, kinds of classification.

Attributes and options have these types, so mypy checks every string that is compared with one. Tag schemes are in
``lexel.labels``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Task = Literal["words", "pos", "words+pos", "entities", "labels", "spans", "fill", "classify", "answer", "embed"]
"""What a head predicts."""
FlatLayer = Literal["words", "pos", "entities"]
"""A layer without overlaps."""
Layer = Literal["words", "pos", "entities", "nested"]
"""A layer of a Document."""
Pieces = Literal["chars", "tokenizer"]
"""The units that a model reads: single characters, or the pieces of its tokenizer."""
Problem = Literal["single", "multi", "regression"]
"""The kind of a text classifier: exclusive classes, independent classes, or numbers."""
WordLabel = Literal["first", "mean"]
"""The pieces that give a word its label: the first, or the mean of all."""

SPAN_TASKS: tuple[Task, ...] = ("words", "words+pos", "entities")
"""Tasks whose tags follow a scheme."""
LABELS_PIECES: tuple[Task, ...] = ("words", "pos", "words+pos", "entities", "labels")
"""Tasks that label each piece."""
TAGGING: tuple[Task, ...] = (*LABELS_PIECES, "spans")
"""Tasks that give layers of a Document."""
TEXT_TASKS: tuple[Task, ...] = ("classify", "answer", "embed")
"""Tasks that read whole texts."""
TASKS: tuple[Task, ...] = get_args(Task)
FLAT_LAYERS: tuple[FlatLayer, ...] = get_args(FlatLayer)
LAYERS: tuple[Layer, ...] = get_args(Layer)
PIECES: tuple[Pieces, ...] = get_args(Pieces)

PROBLEMS: Mapping[str, Problem] = {
    "single_label_classification": "single",
    "multi_label_classification": "multi",
    "regression": "regression",
}
"""The kind of classification for each ``problem_type`` of a ``config.json``."""

RowUnit = Literal["words", "chars"]
"""The unit of a row of CoNLL columns."""
OnError = Literal["stop", "skip", "repair"]
"""What to do with a record that cannot be read: ``repair`` fixes obvious faults and skips the rest."""
OnErrorOrFile = Literal["stop", "skip", "repair", "file"]
"""The same for outputs that can hold bad records: ``file`` skips them and writes them to a file."""

PRESIDIO_TYPES: Mapping[str, str] = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
}
"""Presidio's names of entity types; any other type keeps its own."""
