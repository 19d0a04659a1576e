"""Training sequences from texts and pairs with classes, and from questions with answers.

Windows are the same as in prediction: the longer text of a pair is cut into windows, each with the other text, and a
context into windows with the question. Every window of a text is an example of its classes; in a window without the
answer, the first piece is the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Head
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.data.classified import Classified, Columns
from lexel.data.labelled import DataOptions, read_labelled_questions, read_labelled_texts
from lexel.data.questions import Question
from lexel.decoding.words import WordTable, pieces_of_words
from lexel.disk import sha256_of
from lexel.encoder.family import Family
from lexel.errors import DataError, LabelError
from lexel.names import Problem
from lexel.tasks.base import OVERLAP, Pair, types_known
from lexel.tasks.classify import pair_of
from lexel.tasks.framing import Layout, PartnerPieces, lay_out, room_beside
from lexel.tasks.gold import IGNORE
from lexel.text.alignment import bounds_of, piece_of_char, read_chars
from lexel.text.letters import count_scripts
from lexel.text.pieces import SpecialPieces
from lexel.text.tokenizer import Tokenizer
from lexel.text.windows import plan_batch
from lexel.training.config.choices import LabelsFrom
from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from lexel.training.data.examples import GatheredSequences
from lexel.training.data.features import LabelCount
from lexel.training.data.heads import TrainedHead, check_labels, unknown_labels

IntArray = NDArray[np.int64]
_BLOCK = 1024
_SHOWN_CHARS = 60
_KINDS = {"multi": "several or none a text", "regression": "numbers"}


@dataclass(frozen=True, slots=True)
class Windower:
    """How texts become sequences.

    Attributes:
        tokenizer: The tokenizer.
        special: The model's special pieces.
        max_length: Longest sequence, special pieces included.
        overlap: Pieces that neighbouring windows share; ``None`` for the value of prediction.
    """

    tokenizer: Tokenizer
    special: SpecialPieces
    max_length: int
    overlap: int | None

    def lay_out(self, pairs: Sequence[Pair]) -> tuple[Layout, IntArray, NDArray[np.int32]]:
        """The windows of texts (all pairs or all single), the bounds of their pieces, and the piece of each character.

        Raises:
            DataError: If a text leaves no room for its partner.
        """
        texts = [pair.text for pair in pairs]
        pieces = self.tokenizer.encode(texts)
        size = self.max_length - len(self.special.prefix) - len(self.special.suffix)
        owner = piece_of_char(read_chars(texts), pieces)
        if pairs[0].partner is None:
            shared = min(OVERLAP, size // 4) if self.overlap is None else self.overlap
            windows = plan_batch(pieces.bounds, size=size, overlap=shared, read_empty=True)
            return lay_out(pieces.ids, windows, self.special), pieces.bounds, owner
        partners = [pair.partner or "" for pair in pairs]
        beside = self.tokenizer.encode(partners)
        sizes = room_beside(
            partners,
            np.diff(beside.bounds),
            np.diff(pieces.bounds),
            size=size,
            longest=self.max_length,
            special=self.special,
        )
        shared_each = np.minimum(OVERLAP, sizes // 4) if self.overlap is None else self.overlap
        windows = plan_batch(pieces.bounds, size=sizes, overlap=shared_each, read_empty=True)
        first = np.array([pair.partner_first for pair in pairs], np.bool_)
        layout = lay_out(pieces.ids, windows, self.special, partners=PartnerPieces(beside.ids, beside.bounds, first))
        return layout, pieces.bounds, owner


@dataclass(frozen=True)
class TextFeatures:
    """One file's sequences.

    Attributes:
        about: Counts of the file, as in ``Features``.
        labels: By layer (``classify``), the classes in order of their numbers.
        ids: The pieces, sequence after sequence, special ones included, ``[pieces]``.
        types: BERT's sentence A or B, ``[pieces]``.
        bounds: Where each sequence begins and ends, ``[sequences + 1]``.
        example: The record of each sequence, ``[sequences]``.
        classes: A list of classes by number for each record, ``[records]``; empty for questions, ``None`` for a text
            without annotation.
        numbers: Each record's label as a number, ``[records]``, NaN if it is not a number.
        answers: First and last slot of the answer in its sequence, 0 if it is not there, ``[sequences, 2]``.
        texts: A checksum of each record's texts, ``[records]``.
    """

    about: Mapping[str, Any]
    labels: Mapping[str, Mapping[str, LabelCount]]
    ids: NDArray[np.int32]
    types: NDArray[np.int32]
    bounds: IntArray
    example: IntArray
    classes: Sequence[Sequence[int] | None]
    numbers: NDArray[np.float32]
    answers: IntArray
    texts: NDArray[np.uint64]

    def column(self, name: str) -> NDArray[Any]:
        """The checksums, by the name that they have in ``Features``."""
        column: NDArray[Any] = getattr(self, name)
        return column


def read_text_features(file: DataFile, windower: Windower, *, task: str, labelled: bool = True) -> TextFeatures:
    """Read a file of classified texts, or of questions.

    Args:
        file: The file.
        windower: How texts become sequences.
        task: The task.
        labelled: Whether every text must have classes; if not, a text without classes only serves a teacher.

    Raises:
        DataError: If it cannot be read, or a pair is too long.
    """
    if task == "answer":
        return _Reader(file, windower).read(questions_of(file))
    records = classified_of(file, labelled=labelled)
    if task == "embed":
        records = _single_texts(records)
    unlabelled = (replace(record, labels=()) for record in records) if file.layers == () else records
    return _Reader(file, windower, labelled=labelled).read(unlabelled)


def classified_of(file: DataFile, *, labelled: bool = True) -> Iterator[Classified]:
    """The classified texts of a data file."""
    return read_labelled_texts(file.path, _data_options(file), labelled=labelled)


def questions_of(file: DataFile) -> Iterator[Question]:
    """The questions of a data file."""
    return read_labelled_questions(file.path, _data_options(file))


def _data_options(file: DataFile) -> DataOptions:
    names = Columns()
    return DataOptions(
        format=file.format,
        encoding=file.encoding or "utf-8",
        on_error=file.on_error or "stop",
        text_field=file.text_field or names.text,
        pair_field=file.pair_field or names.pair,
        label_field=file.label_field or names.label,
    )


def _single_texts(records: Iterable[Classified]) -> Iterator[Classified]:
    for record in records:
        if record.pair is not None:
            raise DataError(f"{record.where}: a pair of texts; expected one text, which embed makes a vector of")
        yield record


class _Reader:
    """Turns records into sequences, and counts records."""

    def __init__(self, file: DataFile, windower: Windower, *, labelled: bool = True) -> None:
        self._windower = windower
        self._labelled = labelled
        self._map = file.label_map or {}
        self._path = file.path
        self._labels: dict[str, list[Any]] = {}
        self._counts = {"documents": 0, "chars": 0, "longest_chars": 0}
        self._scripts: dict[str, int] = {}
        self._texts: list[bytes] = []
        self._classes: list[list[int] | None] = []
        self._numbers: list[float] = []

    def read(self, records: Iterable[Classified | Question]) -> TextFeatures:
        layouts, answers, examples, n = [], [], [], 0
        for group in _blocks(records):
            for record in group:
                self._count(record)
            layout, bounds, owner = self._windower.lay_out([_pair(record) for record in group])
            layouts.append(layout)
            answers.append(_answers(group, layout, bounds, owner))
            examples.append(layout.windows.text + n)
            n += len(group)
        sizes = [np.diff(layout.bounds) for layout in layouts]
        empty = np.zeros(0, np.int64)
        lengths = np.concatenate([empty, *sizes])
        return TextFeatures(
            about={
                "sha256": sha256_of(self._path),
                **self._counts,
                "words": 0,
                "entities": 0,
                "pieces": int(lengths.sum()),
                "with": {"words": 0, "pos": 0, "entities": 0},
                "scripts": self._scripts,
            },
            labels={"classify": {name: LabelCount(*values) for name, values in self._labels.items()}},
            ids=np.concatenate([np.zeros(0, np.int32), *(layout.ids for layout in layouts)]),
            types=np.concatenate([np.zeros(0, np.int32), *(layout.type_ids for layout in layouts)]),
            bounds=bounds_of(lengths, len(lengths)),
            example=np.concatenate([empty, *examples]),
            classes=self._classes,
            numbers=np.array(self._numbers, np.float32),
            answers=np.concatenate([np.zeros((0, 2), np.int64), *answers]),
            texts=np.frombuffer(b"".join(self._texts), np.uint64),
        )

    def _count(self, record: Classified | Question) -> None:
        pair = _pair(record)
        text = pair.text + (pair.partner or "")
        self._counts["documents"] += 1
        self._counts["chars"] += len(text)
        self._counts["longest_chars"] = max(self._counts["longest_chars"], len(text))
        for script, count in count_scripts(text).items():
            self._scripts[script] = self._scripts.get(script, 0) + count
        self._texts.append(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        names = [self._map.get(name, name) for name in record.labels] if isinstance(record, Classified) else []
        for name in names:
            self._labels.setdefault(name, [0, self._counts["documents"], pair.text[:_SHOWN_CHARS]])[0] += 1
        numbers = {name: i for i, name in enumerate(self._labels)} if names else {}
        is_known = bool(names) or self._labelled
        self._classes.append([numbers[name] for name in names] if is_known else None)
        self._numbers.append(_number(names))


def _blocks(records: Iterable[Any]) -> Iterator[list[Any]]:
    """Records in groups, with pairs and single texts separate."""
    for _, group in groupby(records, key=lambda record: _pair(record).partner is None):
        while block := list(islice(group, _BLOCK)):
            yield block


def _pair(record: Classified | Question) -> Pair:
    if isinstance(record, Question):
        return Pair(record.context, partner=record.question, partner_first=True)
    return pair_of(record.text if record.pair is None else (record.text, record.pair))


def _number(names: Sequence[str]) -> float:
    try:
        (name,) = names
        return float(name)
    except ValueError:
        return float("nan")


def _answers(
    records: Sequence[Classified | Question], layout: Layout, bounds: IntArray, owner: NDArray[np.int32]
) -> IntArray:
    """First and last slot of each record's first answer in its windows, 0 if a window does not have all of it."""
    windows = layout.windows
    found = np.zeros((len(windows), 2), np.int64)
    if not isinstance(records[0], Question):
        return found
    spans = [record.answers[0] if record.answers else (0, 0) for record in records]  # type: ignore[union-attr]
    chars = bounds_of([len(record.context) for record in records], len(records))[:-1]  # type: ignore[union-attr]
    ranges = np.array(spans, np.int64).reshape(-1, 2) + chars[:, None]
    first, end = pieces_of_words(WordTable(ranges[:, 0], ranges[:, 1], np.arange(len(records))), owner)
    own = np.flatnonzero(layout.piece >= 0)
    base = own[np.minimum(np.searchsorted(layout.window[own], np.arange(len(windows))), max(len(own) - 1, 0))]
    base = base - layout.bounds[:-1] if len(own) else np.zeros(len(windows), np.int64)
    first, last = first[windows.text], end[windows.text] - 1
    inside = (last >= first) & (first >= windows.start) & (last < windows.end)
    found[inside, 0] = (base + first - windows.start)[inside]
    found[inside, 1] = (base + last - windows.start)[inside]
    return found


def resolve_text_head(
    name: str,
    options: HeadOptions,
    files: Mapping[str, Sequence[tuple[TextFeatures, str]]],
    *,
    start: Head | None,
    labels_from: LabelsFrom = "train",
    is_taught: bool = False,
    modules: SentenceModules | None = None,
) -> TrainedHead:
    """A head for whole texts with its classes: the given ones, else those of the base model, else those of the data.

    Args:
        name: The name of the head.
        options: Its options.
        files: The sequences of the files by role, each with its path.
        start: The head of the base model that it starts from.
        labels_from: The files that give new classes.
        is_taught: Whether it learns a teacher's vectors, which needs no classes.
        modules: How the teacher pools, if it has no head for that.

    Raises:
        LabelError: If training data has other classes, or none, or embed's texts have several.
    """
    if options.task == "answer":
        return TrainedHead(name, options)
    train = [features for features, _ in files["train"]]
    counted = [pair for role, found in files.items() if role == "train" or labels_from == "all" for pair in found]
    counts = {label for features, _ in counted for label in features.labels["classify"]}
    problem: Problem | None = options.problem or (_problem_of(train) if train else "single")
    if options.task == "embed":
        if problem in _KINDS:
            raise LabelError(f"heads.{name}: the data's labels are {_KINDS[problem]}; embed learns one class a text")
        problem = None
    base_labels = () if start is None else start.labels
    if problem == "regression":
        labels = options.labels or base_labels or ("score",)
        return TrainedHead(name, replace(options, problem=problem, labels=labels), labels)
    labels = options.labels or (base_labels if counts <= set(base_labels) else ()) or tuple(sorted(counts))
    if not labels and not (is_taught and options.task == "embed"):
        raise LabelError(f"heads.{name}: the training data has no classes; expected a label for each text")
    head = TrainedHead(name, replace(options, problem=problem, labels=labels or None), labels, modules=modules)
    if not labels:
        return head
    check_labels(head, files["train"])
    others = [pair for role, found in files.items() if role != "train" for pair in found]
    return replace(head, missed=tuple(dict.fromkeys(label for label, _ in unknown_labels(head, others))))


def _problem_of(files: Sequence[TextFeatures]) -> Problem:
    if any(classes is not None and len(classes) != 1 for file in files for classes in file.classes):
        return "multi"
    numbers = np.concatenate([file.numbers for file in files])
    fractions = any("." in label for file in files for label in file.labels["classify"])
    return "regression" if fractions and not np.isnan(numbers).any() else "single"


class TextExamples:
    """The sequences of several files, for one head; the same interface as ``WindowExamples``."""

    def __init__(
        self,
        files: Sequence[TextFeatures],
        head: TrainedHead,
        *,
        chosen: Callable[[Any], NDArray[np.bool_]] | None = None,
    ) -> None:
        self._head = head
        self._files = list(files)
        kept = [np.arange(len(file.bounds) - 1) for file in files]
        if chosen is not None:
            kept = [own[chosen(file)[file.example]] for own, file in zip(kept, files, strict=True)]
        self._kept = kept
        self.groups = [0, *np.cumsum([len(own) for own in kept]).tolist()]
        self.lengths: IntArray = np.concatenate(
            [np.zeros(0, np.int64), *(np.diff(file.bounds)[own] for own, file in zip(kept, files, strict=True))]
        )
        self._targets = [self._targets_of(file) for file in files]
        self.n_long = sum(len(own) - len(np.unique(file.example[own])) for own, file in zip(kept, files, strict=True))

    def __len__(self) -> int:
        return len(self.lengths)

    def _targets_of(self, file: TextFeatures) -> NDArray[Any]:
        """The gold labels of each sequence."""
        head = self._head
        if head.task == "answer":
            return file.answers
        if head.options.problem == "regression":
            lacks = np.isnan(file.numbers) & np.array([classes is not None for classes in file.classes], np.bool_)
            if lacks.any():
                raise DataError(f"heads.{head.name}: record {int(lacks.argmax()) + 1} has no number")
            return file.numbers[file.example][:, None]
        index = {name: i for i, name in enumerate(head.gold_labels)}
        own = [index[name] for name in file.labels["classify"]]
        if head.options.problem == "multi":
            rows = np.zeros((len(file.classes), len(head.gold_labels)), np.float32)
            for row, classes in zip(rows, file.classes, strict=True):
                row[:] = np.nan if classes is None else 0
                row[[own[k] for k in classes or ()]] = 1
            return rows[file.example]
        classes_of = (IGNORE if classes is None else own[classes[0]] for classes in file.classes)
        return np.fromiter(classes_of, np.int64, len(file.classes))[file.example]

    def gather(self, sequences: IntArray) -> GatheredSequences:
        """Lay some sequences end to end, in the order asked for."""
        owners = np.searchsorted(self.groups, sequences, side="right") - 1
        ids, types, targets, sizes = [], [], [], []
        for owner, sequence in zip(owners.tolist(), sequences.tolist(), strict=True):
            file, own = self._files[owner], int(self._kept[owner][sequence - self.groups[owner]])
            a, b = int(file.bounds[own]), int(file.bounds[own + 1])
            ids.append(file.ids[a:b])
            types.append(file.types[a:b])
            targets.append(self._targets[owner][own])
            sizes.append(b - a)
        flat = np.concatenate(ids)
        nothing = np.zeros(len(flat), np.bool_)
        bounds = bounds_of(sizes, len(sizes))
        return GatheredSequences(
            flat, np.concatenate(types), {}, nothing, nothing, bounds, {self._head.name: np.stack(targets)}
        )

    def document_chunks(self, n_pieces: int) -> Iterator[tuple[IntArray, IntArray]]:
        """All sequences in order, in chunks."""
        edges = np.cumsum(self.lengths) // n_pieces
        cuts = np.flatnonzero(np.diff(edges)) + 1
        for part in np.split(np.arange(len(self)), cuts):
            if len(part):
                yield part, part

    def label_totals(self, head: TrainedHead) -> IntArray:
        """Number of sequences of each class, ``[labels]``."""
        totals = np.zeros(len(head.labels), np.int64)
        for own, targets in zip(self._kept, self._targets, strict=True):
            mine = targets[own]
            totals += (
                np.nansum(mine, 0).astype(np.int64)
                if mine.ndim == 2
                else np.bincount(mine[mine != IGNORE], minlength=len(totals))
            )
        return totals


def build_windower(options: TrainingOptions, tokenizer: Tokenizer, *, family: Family, max_length: int) -> Windower:
    """How a model's texts become sequences; RoBERTa reads both texts of a pair as one type."""
    return Windower(tokenizer, types_known(tokenizer.special, family=family), max_length, options.overlap)
