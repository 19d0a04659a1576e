"""The names that files, options and programs have in common: tasks, layers, kinds of pieces, kinds of classification.

Attributes and options have these types, so mypy checks every string that is compared with one. Schemes of tags are in
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
"""What a Document holds beside its text."""
Pieces = Literal["chars", "tokenizer"]
"""What a model reads: single characters, or the pieces of its tokenizer."""
Problem = Literal["single", "multi", "regression"]
"""What the outputs of a text classifier are: exclusive classes, classes each by itself, or numbers."""
WordLabel = Literal["first", "mean"]
"""Which pieces give a word its label: the first, or all by their mean."""

SPAN_TASKS: tuple[Task, ...] = ("words", "words+pos", "entities")
"""Tasks whose tags follow a scheme."""
LABELS_PIECES: tuple[Task, ...] = ("words", "pos", "words+pos", "entities", "labels")
"""Tasks that label pieces, one by one."""
TAGGING: tuple[Task, ...] = (*LABELS_PIECES, "spans")
"""Tasks that give layers of a Document."""
TEXT_TASKS: tuple[Task, ...] = ("classify", "answer", "embed")
"""Tasks that look at whole texts."""
TASKS: tuple[Task, ...] = get_args(Task)
FLAT_LAYERS: tuple[FlatLayer, ...] = get_args(FlatLayer)
LAYERS: tuple[Layer, ...] = get_args(Layer)
PIECES: tuple[Pieces, ...] = get_args(Pieces)

PROBLEMS: Mapping[str, Problem] = {
    "single_label_classification": "single",
    "multi_label_classification": "multi",
    "regression": "regression",
}
"""The problem that each ``problem_type`` of a ``config.json`` names."""

RowUnit = Literal["words", "chars"]
"""What a row of CoNLL columns is."""
OnError = Literal["stop", "skip", "repair"]
"""What happens at a record that cannot be read: ``repair`` mends what has an obvious reading and skips the rest."""
OnErrorOrFile = Literal["stop", "skip", "repair", "file"]
"""The same where bad records can be written to a file: ``file`` skips them and writes them there."""

PRESIDIO_TYPES: Mapping[str, str] = {
    "PER": "PERSON",
    "PERSON": "PERSON",
    "LOC": "LOCATION",
    "GPE": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
}
"""Presidio's names of entity types; any other type keeps its own."""
