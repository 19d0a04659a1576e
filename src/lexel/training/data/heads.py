"""The heads of a run with their labels, which come from the options, the base model or the data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Head
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.data.folding import FOLDS
from lexel.errors import LabelError
from lexel.labels import LabelSet, detect
from lexel.names import LABELS_PIECES, SPAN_TASKS, TAGGING, Task
from lexel.pointers import PointerForm, check_span_labels
from lexel.tasks.gold import Int16Array, Units, unit_labels, word_labels
from lexel.training.config.choices import LabelsFrom
from lexel.training.config.options import HeadOptions
from lexel.training.data.features import Features, LabelCount

LAYER_OF_TASK = {"words": "words", "pos": "pos", "words+pos": "pos", "labels": "pos", "entities": "entities",
                 "spans": "nested", "classify": "classify", "embed": "classify"}  # fmt: skip
"""The layer that a head learns from; the classes of texts count as a layer."""

_DEFAULT_SCHEMES = {"words": "BI", "words+pos": "BIO", "entities": "BIO"}
_ROLES = {"BI": "BI", "BMES": "BMES", "BIO": "BI", "IOB1": "BI", "IOE1": "IE", "IOE2": "IE", "BIOES": "BIES",
          "BILOU": "BILU"}  # fmt: skip
_SHOWN = 12

FilesByRole = Mapping[str, Sequence[tuple[Features, str]]]
"""By role (``train``, ``validation``, ``test``), the columns of each file, and its path."""


@dataclass(frozen=True)
class TrainedHead:
    """A head with its labels.

    Attributes:
        name: The name of the head.
        options: The options of the head.
        labels: The labels in the order of the outputs; empty for fill and answer. For embed, the classes to learn from.
        label_set: The labels as tags, for heads that tag.
        modules: For embed, how the teacher pools, if it has no head for that.
        missed: Labels of the validation and test data that the head does not have and always misses.
        pointer: The form of a head for spans.
    """

    name: str
    options: HeadOptions
    labels: tuple[str, ...] = ()
    label_set: LabelSet | None = None
    modules: SentenceModules | None = None
    missed: tuple[str, ...] = ()
    pointer: PointerForm | None = None

    @property
    def task(self) -> Task:
        """What the head predicts."""
        return self.options.task

    @property
    def is_tagging(self) -> bool:
        """Whether the head labels each piece."""
        return self.task in LABELS_PIECES

    @property
    def types(self) -> tuple[str, ...]:
        """The labels of the data that the head can predict: its types for tags of spans, else its labels."""
        is_span = self.task in SPAN_TASKS
        return self.labels if not is_span else self.label_set.types if self.label_set is not None else ()

    @cached_property
    def gold_labels(self) -> tuple[str, ...]:
        """The labels, followed by those that the head misses."""
        if not self.missed or self.task not in SPAN_TASKS:
            return (*self.labels, *self.missed)
        assert self.label_set is not None
        if self.label_set.scheme not in _ROLES:  # bare: tags without roles
            return (*self.labels, *self.missed)
        roles = _ROLES[self.label_set.scheme]
        return (*self.labels, *(f"{role}-{name}" for name in self.missed for role in roles))

    @cached_property
    def gold_label_set(self) -> LabelSet:
        """The same labels as tags; types keep their numbers."""
        assert self.label_set is not None
        return detect(self.gold_labels, scheme=self.label_set.scheme) if self.missed else self.label_set

    @property
    def word_label(self) -> str | None:
        """The pieces that give a word its label, for heads that label words."""
        return self.options.word_label if self.task in ("pos", "labels", "words+pos") else None

    def span_types(self, features: Features) -> NDArray[np.int64]:
        """The index of each entity's label in ``gold_labels``, for heads for spans, ``[spans]``."""
        return np.asarray(self._numbers(features)[features.column("span_types")], np.int64)

    def piece_labels(self, features: Features, pieces: slice, bounds: NDArray[np.int64]) -> Int16Array:
        """The gold labels of pieces of a file by their index in ``gold_labels``, ``IGNORE`` where there are none.

        Args:
            features: The file's columns.
            pieces: The range of pieces.
            bounds: Where its documents begin and end, counted from the first piece, ``[documents + 1]``.

        Returns:
            The labels, ``[pieces]``.
        """
        layer = "entities" if self.task == "entities" else "words"
        whole = features.units(layer)
        units = Units(whole.edges[pieces], whole.types[pieces], 0)
        if self.task in SPAN_TASKS:
            return unit_labels(units, self.gold_label_set, type_ids=self._numbers(features), bounds=bounds)
        return word_labels(units, label_ids=self._numbers(features), word_label=self.options.word_label)

    def _numbers(self, features: Features) -> NDArray[np.int64]:
        """Index of each of a file's labels among the gold types or labels, ``[file's labels]``."""
        if self.task == "words":
            return np.zeros(0, np.int64)
        names = self.gold_label_set.types if self.task in SPAN_TASKS else self.gold_labels
        index = {name: i for i, name in enumerate(names)}
        return np.array([index[label] for label in features.labels[LAYER_OF_TASK[self.task]]] or [0], np.int64)


def resolve_head(
    name: str, options: HeadOptions, files: FilesByRole, *, start: Head | None, labels_from: LabelsFrom = "train"
) -> TrainedHead:
    """A head with its labels: the given ones, else those of the base model, else those of the data.

    Args:
        name: The name of the head.
        options: Its options.
        files: The columns of the files by role, each with its path.
        start: The head of the base model that it starts from.
        labels_from: The files that give new labels.

    Raises:
        LabelError: If training data has other labels, or none.
    """
    if options.task not in TAGGING:
        return TrainedHead(name, options, tuple(options.labels or ()))
    counted = [found for role, found in files.items() if role == "train" or labels_from == "all"]
    counts = _counts(options.task, [features for found in counted for features, _ in found])
    labels = options.labels or _base_labels(start, options, counts) or _labels_from(options, counts)
    if options.task == "spans":
        own = PointerForm(options.pointer, options.pointer_size, rotary=options.rotary)
        _check_there(name, options, labels)
        check_span_labels(labels, f"heads.{name}.labels")
        form = own if start is None or start.pointer is None else start.pointer
        head = TrainedHead(name, options, tuple(labels), pointer=form)
    else:
        head = TrainedHead(name, options, tuple(labels), _label_set(name, options, labels))
    check_labels(head, files["train"])
    others = [pair for role, found in files.items() if role != "train" for pair in found]
    return replace(head, missed=tuple(dict.fromkeys(label for label, _ in unknown_labels(head, others))))


def base_head(name: str, options: HeadOptions, base: Mapping[str, Head]) -> Head | None:
    """The base model's head that a head starts from: the one given, else one with its name and task.

    Raises:
        LabelError: If the given one does not exist.
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


def shared_rows(head: TrainedHead, start: Head | None) -> dict[int, int]:
    """Rows of a tagging head's output whose labels the base model's head also has, each with its row there.

    Empty if the heads use different schemes, or one has a CRF or scores spans.
    """
    if start is None or head.label_set is None or head.pointer is not None or start.pointer is not None:
        return {}
    if head.options.crf or start.crf or head.label_set.scheme != start.scheme:
        return {}
    there = {label: row for row, label in enumerate(start.labels)}
    return {row: there[label] for row, label in enumerate(head.labels) if label in there}


def _base_labels(start: Head | None, options: HeadOptions, counts: Mapping[str, Any]) -> Sequence[str] | None:
    """The base head's labels, if they cover the data's."""
    if start is None or not start.labels or (options.scheme and options.scheme != start.scheme):
        return None
    names = (
        start.labels if options.task in ("pos", "labels", "spans") else detect(start.labels, scheme=start.scheme).types
    )
    return start.labels if options.task == "words" or set(counts) <= set(names) else None


def _labels_from(options: HeadOptions, counts: Iterable[str]) -> list[str]:
    """The labels that the data and the scheme give."""
    names = sorted(counts)
    if options.task in ("pos", "labels", "spans"):
        return names
    roles = _ROLES[options.scheme or _DEFAULT_SCHEMES[options.task]]
    if options.task == "words":
        return list(roles)
    outside = [] if options.task == "words+pos" else ["O"]
    return outside + [f"{role}-{name}" for name in names for role in roles]


def _check_there(name: str, options: HeadOptions, labels: Sequence[str]) -> None:
    if not labels:
        raise LabelError(
            f"heads.{name}: the training data has no {LAYER_OF_TASK[options.task]}, so there are no labels; give data "
            "that carries the layer, or take the head out"
        )


def _label_set(name: str, options: HeadOptions, labels: Sequence[str]) -> LabelSet:
    _check_there(name, options, labels)
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
    """The count of each label of a head's layer in files, with an example."""
    if head.task == "words":
        return {}
    has_labels = head.task in (*TAGGING, "classify", "embed")
    return _counts(head.task, files) if has_labels else {}


def unknown_labels(head: TrainedHead, files: Sequence[tuple[Any, str]]) -> Iterator[tuple[str, str]]:
    """The labels of files that a head does not have, each with its count and first place."""
    if head.task == "words" or head.task not in LAYER_OF_TASK:
        return
    for features, path in files:
        for label, found in features.labels.get(LAYER_OF_TASK[head.task], {}).items():
            if label not in head.types:
                yield label, f"{label} ({found.count:,}, first in record {found.record} of {path})"


def check_labels(head: TrainedHead, files: Sequence[tuple[Any, str]]) -> None:
    """Refuse training data with labels that a head does not have.

    Raises:
        LabelError: With all of them, their counts and first places.
    """
    unknown = list(unknown_labels(head, files))
    if not unknown:
        return
    raise LabelError(
        f"heads.{head.name}: labels that the head does not have: {'; '.join(place for _, place in unknown)}. It has "
        f"{_some(sorted(head.types))}. Rename them with label_map, or list all labels in the head's labels"
        + fold_hint({label for label, _ in unknown}, head.types)
    )


def missed_notes(head: TrainedHead, role: str, files: Sequence[tuple[Any, str]]) -> Iterator[str]:
    """A note for each label of validation or test data that a head does not have."""
    for label, place in unknown_labels(head, files):
        hint = fold_hint({label}, head.types)
        yield f"{role}: head {head.name} has no label {place}: counted as missed; --labels-from all adds it{hint}"


def fold_hint(unknown: Collection[str], known: Collection[str]) -> str:
    """Advice for the end of a message: the rule that folds unknown labels into known ones; empty if there is none."""
    for rule in FOLDS.values():
        folded = {tag for tag, _ in rule.tags}
        if folded & set(unknown) and set(rule.tags.values()) <= set(known):
            return f", or fold them with --fold {rule.name} (in a recipe: data_fold: {rule.name})"
    return ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", ... {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
