"""The heads to be trained, with their labels settled: from the options, from the base model, or from the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Head
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.errors import LabelError
from lexel.labels import LabelSet, detect
from lexel.names import TAGGING
from lexel.tasks.gold import Int16Array, Units, unit_labels, word_labels
from lexel.training.config.options import HeadOptions
from lexel.training.data.features import Features, LabelCount

LAYER_OF_TASK = {"words": "words", "pos": "pos", "words+pos": "pos", "labels": "pos", "entities": "entities",
                 "classify": "classify", "embed": "classify"}  # fmt: skip
"""The layer of a document that a head learns from; texts' classes are read as one."""

_DEFAULT_SCHEMES = {"words": "BI", "words+pos": "BIO", "entities": "BIO"}
_ROLES = {"BI": "BI", "BMES": "BMES", "BIO": "BI", "IOB1": "BI", "IOE1": "IE", "IOE2": "IE", "BIOES": "BIES",
          "BILOU": "BILU"}  # fmt: skip
_SHOWN = 12


@dataclass(frozen=True)
class TrainedHead:
    """A head that is trained.

    Attributes:
        name: What it is called.
        options: What was asked of it.
        labels: Names of its outputs in order; empty for fill and answer. Of embed, the classes that it learns from.
        label_set: What they mean, for tagging.
        modules: Of embed, how its teacher pools, where the teacher has no head of its own for that.
    """

    name: str
    options: HeadOptions
    labels: tuple[str, ...] = ()
    label_set: LabelSet | None = None
    modules: SentenceModules | None = None

    @property
    def task(self) -> str:
        """What it is for."""
        return self.options.task

    @property
    def is_tagging(self) -> bool:
        """Does it give a label to pieces?"""
        return self.task in TAGGING

    @property
    def word_label(self) -> str | None:
        """Where a word's label is read, for heads that label words."""
        return self.options.word_label if self.task in ("pos", "labels", "words+pos") else None

    def targets(self, features: Features, pieces: slice, bounds: NDArray[np.int64]) -> Int16Array:
        """The labels of some pieces of a file, ``[pieces]``, ``IGNORE`` where there are none.

        Args:
            features: The file's columns.
            pieces: Which pieces.
            bounds: Where the documents among them begin and end, counted from the first piece.
        """
        assert self.label_set is not None
        layer = "entities" if self.task == "entities" else "words"
        whole = features.units(layer)
        units = Units(whole.edges[pieces], whole.types[pieces], 0)
        if self.task in ("pos", "labels"):
            return word_labels(units, label_ids=self._numbers(features), word_label=self.options.word_label)
        return unit_labels(units, self.label_set, type_ids=self._numbers(features), bounds=bounds)

    def _numbers(self, features: Features) -> NDArray[np.int64]:
        """Index of each of a file's labels among this head's, ``[file's labels]``."""
        assert self.label_set is not None
        if self.task == "words":
            return np.zeros(0, np.int64)
        names = self.labels if self.task in ("pos", "labels") else self.label_set.types
        index = {name: i for i, name in enumerate(names)}
        return np.array([index[label] for label in features.labels[LAYER_OF_TASK[self.task]]] or [0], np.int64)


def resolve_heads(
    asked: Mapping[str, HeadOptions], files: Sequence[Features], paths: Sequence[str], *, base: Mapping[str, Head]
) -> tuple[list[TrainedHead], list[str]]:
    """The heads with their labels.

    Args:
        asked: The heads by name.
        files: The training files.
        paths: Their names, for messages.
        base: Heads of the base model.

    Returns:
        The heads, and what is to be said of them.

    Raises:
        LabelError: If labels of the data are not in a head's set, or a head finds nothing to learn from.
    """
    heads, said = [], []
    for name, options in asked.items():
        if options.task not in TAGGING:
            heads.append(TrainedHead(name, options, tuple(options.labels or ())))
            continue
        counts = _counts(options.task, files)
        start = base_head(name, options, base)
        labels = options.labels or _base_labels(start, options, counts) or _labels_from(options, counts)
        head = TrainedHead(name, options, tuple(labels), _label_set(name, options, labels))
        check_labels(head, files, paths)
        heads.append(head)
        reused = start is not None and start.labels == head.labels
        said.append(
            f"head {name}: {len(head.labels)} labels, {'weights of the base model' if reused else 'new weights'}"
        )
    return heads, said


def base_head(name: str, options: HeadOptions, base: Mapping[str, Head]) -> Head | None:
    """The base model's head that a head starts from: the one named, else one of its name and task.

    Raises:
        LabelError: If the one named is not there.
    """
    if options.from_head is not None:
        if options.from_head not in base:
            raise LabelError(
                f"heads.{name}.from_head: the base model has no head {options.from_head!r}; it has "
                f"{', '.join(base) or 'none'}"
            )
        return base[options.from_head]
    same = base.get(name)
    return same if same is not None and same.task == options.task else None


def _base_labels(start: Head | None, options: HeadOptions, counts: Mapping[str, Any]) -> Sequence[str] | None:
    """The base head's labels, if they cover the data's."""
    if start is None or not start.labels or (options.scheme and options.scheme != start.scheme):
        return None
    names = start.labels if options.task in ("pos", "labels") else detect(start.labels, scheme=start.scheme).types
    return start.labels if options.task == "words" or set(counts) <= set(names) else None


def _labels_from(options: HeadOptions, counts: Iterable[str]) -> list[str]:
    """The labels that the data and the scheme give."""
    names = sorted(counts)
    if options.task in ("pos", "labels"):
        return names
    roles = _ROLES[options.scheme or _DEFAULT_SCHEMES[options.task]]
    if options.task == "words":
        return list(roles)
    outside = [] if options.task == "words+pos" else ["O"]
    return outside + [f"{role}-{name}" for name in names for role in roles]


def _label_set(name: str, options: HeadOptions, labels: Sequence[str]) -> LabelSet:
    if not labels:
        raise LabelError(
            f"heads.{name}: the training data has no {LAYER_OF_TASK[options.task]}, so there are no labels; give data "
            "that carries the layer, or take the head out"
        )
    scheme = "bare" if options.task in ("pos", "labels") else options.scheme
    return detect(labels, scheme=scheme, where=f"heads.{name}.labels")


def _counts(task: str, files: Sequence[Features]) -> dict[str, LabelCount]:
    counts: dict[str, LabelCount] = {}
    for features in files:
        for label, found in features.labels.get(LAYER_OF_TASK[task], {}).items():
            before = counts.get(label)
            counts[label] = (
                found if before is None else LabelCount(before.count + found.count, before.record, before.example)
            )
    return counts


def label_counts(head: TrainedHead, files: Sequence[Features]) -> dict[str, LabelCount]:
    """How often each of the data's labels of a head's layer stands in files, with an example."""
    if head.task == "words":
        return {}
    return _counts(head.task, files) if head.is_tagging or head.task in ("classify", "embed") else {}


def check_labels(head: TrainedHead, files: Sequence[Features], paths: Sequence[str]) -> None:
    """Refuse data with labels that a head has not.

    Raises:
        LabelError: With all of them, their counts and where each stands first.
    """
    if not head.is_tagging or head.task == "words":
        return
    assert head.label_set is not None
    known = set(head.labels if head.task in ("pos", "labels") else head.label_set.types)
    strange = [
        f"{label} ({found.count:,}, first in record {found.record} of {path})"
        for features, path in zip(files, paths, strict=True)
        for label, found in features.labels[LAYER_OF_TASK[head.task]].items()
        if label not in known
    ]
    if strange:
        names = sorted(known)
        shown = ", ".join(names[:_SHOWN]) + (f", ... {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        raise LabelError(
            f"heads.{head.name}: labels outside its set: {'; '.join(strange)}. The set is {shown}. "
            "Map them with label_map, or give the head these labels"
        )
