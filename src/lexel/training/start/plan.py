"""The plan of a run, for ``--dry-run``: data, labels, steps and memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from lexel.checkpoint import open_checkpoint
from lexel.data import Losses, by_ending, format_named
from lexel.data.files import ending_of
from lexel.data.tags import ILL_FORMED
from lexel.errors import DataError
from lexel.names import LAYERS, TAGGING
from lexel.training.config.options import DataFile, TrainingOptions
from lexel.training.data.features import read_documents, shared_texts
from lexel.training.data.heads import LAYER_OF_TASK
from lexel.training.start.problems import Problems

if TYPE_CHECKING:
    from lexel.training.data.heads import TrainedHead
    from lexel.training.start.setup import Setup

_LOOKED_AT = 200
"""Number of documents whose layers are taken as those of the file."""

_SHOWN_LABELS = 12


# The data ------------------------------------------------------------------------------------------------------------


def layers_of_data(file: DataFile) -> tuple[str, ...]:
    """The layers of a file's first documents: words, pos, entities; empty for files of other examples.

    Raises:
        DataError: If the file cannot be read.
    """
    if not _holds_documents(file):
        return ()
    found = {layer for document in islice(read_documents(file), _LOOKED_AT) for layer in document.layers}
    wanted = file.layers or LAYERS
    return tuple(layer for layer in LAYERS if layer in found and layer in wanted)


def heads_left_out(options: TrainingOptions) -> dict[str, str]:
    """The base model's tagging heads whose layer no head of a run learns, by name, with their layer.

    Raises:
        CheckpointError: If the base model cannot be used.
    """
    if options.model is None:
        return {}
    learned = {LAYER_OF_TASK[head.task] for head in options.heads.values() if head.task in TAGGING}
    if "nested" in learned:  # such a head also finds flat entities
        learned.add("entities")
    base = open_checkpoint(options.model, revision=options.revision)
    layers = {head.name: LAYER_OF_TASK[head.task] for head in base.heads.values() if head.task in TAGGING}
    return {name: layer for name, layer in layers.items() if layer not in learned}


def _holds_documents(file: DataFile) -> bool:
    """Whether a file holds documents by its format; a table may hold either, so its ending is not enough."""
    if file.format is None and ending_of(file.path) in (".tsv", ".tab", ".csv"):
        return False
    try:
        row = format_named(file.format) if file.format else by_ending(file.path)
    except DataError:
        return False
    return row.reader is not None and bool(row.layers)


@dataclass(frozen=True, slots=True)
class FileSummary:
    """The contents of a data file.

    Attributes:
        role: ``train``, ``validation`` or ``test``.
        file: The file.
        documents: Number of documents.
        chars: Number of characters in all of them.
        words: Number of annotated words.
        entities: Number of annotated entities.
        empty: Documents without a piece.
        longest_chars: Length of the longest document in characters.
        ill_formed: Ill-formed tags, read by conlleval's rule.
        in_training: Documents whose text is also in the training data; ``None`` for training files.
    """

    role: str
    file: DataFile
    documents: int
    chars: int
    words: int
    entities: int
    empty: int
    longest_chars: int
    ill_formed: int
    in_training: int | None


def _summarise_file(role: str, file: DataFile, setup: Setup, features: Any) -> FileSummary:
    about = features.about
    in_training = None if role == "train" else shared_texts(features, setup.files["train"])
    return FileSummary(
        role=role,
        file=file,
        documents=about["documents"],
        chars=about["chars"],
        words=about["words"],
        entities=about["entities"],
        empty=int((np.diff(features.bounds) == 0).sum()),
        longest_chars=about["longest_chars"],
        ill_formed=_n_ill_formed(file) if setup.options.repair and _holds_documents(file) else 0,
        in_training=in_training,
    )


def _n_ill_formed(file: DataFile) -> int:
    losses = Losses()
    for _ in read_documents(file, losses=losses, repair=True):
        pass
    return sum(loss.count for loss in losses if loss.what == ILL_FORMED)


def _with_count(problem: str, options: TrainingOptions) -> str:
    """Add the number of ill-formed tags of a file to the error about the first."""
    files = (file for files in (options.train, options.validation, options.test) for file in files)
    file = next((file for file in files if problem.startswith(f"{file.path}:")), None)
    if file is None or "is not allowed here" not in problem:
        return problem
    return f"{problem}. {_n_ill_formed(file):,} tags of the file are ill-formed; --repair reads them as conlleval does"


# The run -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """A head with its labels and their counts in the training data."""

    name: str
    task: str
    description: str
    labels: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run.

    Attributes:
        files: The contents of the data files.
        heads: The heads with their labels.
        n_windows: Number of windows for an epoch.
        n_long: Windows beyond the first of their document.
        window: Longest window in pieces.
        steps_per_epoch: Steps of the first epoch.
        n_steps: Steps in all.
        n_parameters: Number of parameters.
        n_trainable: Number of trained parameters.
        memory_bytes: Estimated memory of weights, optimiser and one batch.
        notes: Notes for the user.
        problems: Problems that would stop the run.
    """

    files: Sequence[FileSummary]
    heads: Sequence[HeadPlan]
    n_windows: int
    n_long: int
    window: int
    steps_per_epoch: int
    n_steps: int
    n_parameters: int
    n_trainable: int
    memory_bytes: int
    notes: Sequence[str]
    problems: Sequence[str]

    def lines(self) -> list[str]:
        """The plan as lines of text."""
        return [
            *_file_lines(self.files),
            *(line for head in self.heads for line in _head_lines(head)),
            f"windows: {self.n_windows:,} of at most {self.window:,} pieces"
            + (f", {self.n_long:,} of them for documents that need several" if self.n_long else "")
            + "; no label is dropped",
            f"steps: {self.n_steps:,}, {self.steps_per_epoch:,} an epoch",
            f"parameters: {self.n_parameters:,}, of which {self.n_trainable:,} are trained",
            f"memory: about {self.memory_bytes / 1e9:.1f} GB a process",
            *self.notes,
            *(f"problem: {problem}" for problem in self.problems),
        ]


def plan_training(options: TrainingOptions) -> Plan:
    """Prepare a run without training; nothing is written.

    Problems of files and heads are collected; the plan leaves out files and heads with problems.

    Raises:
        DataError: With all problems, if a training file cannot be read or no head is left.
        CheckpointError: If the model or tokenizer cannot be used.
    """
    from accelerate import PartialState

    from lexel.training.distributed import ProcessGroup
    from lexel.training.objective.scoring import metric_of
    from lexel.training.start.setup import build_model, prepare

    problems = Problems(collects=True)
    with TemporaryDirectory() as folder:
        group = ProcessGroup(PartialState(cpu=True))
        try:
            setup = prepare(options, process_group=group, cache=Path(folder), problems=problems)
        except DataError as error:
            raise DataError(_with_count(str(error), options)) from error
        asked, options = options, setup.options
        with problems.caught():
            metric_of(setup.heads, options.metric_for_best_model)
        examples = setup.examples("train")
        steps_per_epoch, n_steps, most_pieces = _steps(options, setup, examples)
        model = build_model(setup)
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        n_trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        return Plan(
            files=[
                _summarise_file(role, file, setup, features)
                for role, files in (
                    ("train", options.train),
                    ("validation", options.validation),
                    ("test", options.test),
                )
                for file, features in zip(files, setup.files[role], strict=True)
            ],
            heads=[_head_plan(head, setup) for head in setup.heads],
            n_windows=len(examples),
            n_long=examples.n_long,
            window=setup.max_length,
            steps_per_epoch=steps_per_epoch,
            n_steps=n_steps,
            n_parameters=n_parameters,
            n_trainable=n_trainable,
            memory_bytes=_memory_bytes(options, setup.config, n_parameters, n_trainable, n_pieces=most_pieces),
            notes=setup.notes,
            problems=[_with_count(problem, asked) for problem in problems.found],
        )


def _steps(options: TrainingOptions, setup: Setup, examples: Any) -> tuple[int, int, int]:
    """Steps of the first epoch, steps in total, and the maximum number of pieces that one process computes at once."""
    from lexel.training.data.batches import Budget, Sampler

    n_processes = int(os.environ.get("WORLD_SIZE", "1"))
    budget = Budget.of(options, n_processes=n_processes, max_length=setup.max_length)
    weights = [file.weight for file in options.train]
    plan = Sampler(examples.lengths, examples.groups, weights, budget=budget, seed=options.seed).plan(0)
    sizes = [
        sum(length for length, _ in plan.part(step, part))
        for step in range(plan.n_steps)
        for part in range(plan.n_parts)
    ]
    if not plan.n_steps:
        raise DataError("train: the files hold nothing to learn from for these heads; expected labelled documents")
    steps = options.max_steps if options.max_steps > 0 else math.ceil(plan.n_steps * options.num_train_epochs)
    return plan.n_steps, steps, max(sizes)


def _head_plan(head: TrainedHead, setup: Setup) -> HeadPlan:
    from lexel.training.data.heads import label_counts

    counts = label_counts(head, setup.files["train"])
    labels = sorted(((name, found.count) for name, found in counts.items()), key=lambda pair: (-pair[1], pair[0]))
    return HeadPlan(head.name, head.task, "" if head.label_set is None else head.label_set.description, labels)


def _memory_bytes(options: TrainingOptions, config: Any, n_parameters: int, n_trainable: int, *, n_pieces: int) -> int:
    """Estimated memory of weights, gradients and moments, and of the activations of a batch.

    Each trained parameter has a float32 master, a gradient and Adam's two moments, and in bf16 a copy. For each piece,
    a layer keeps about ten times its hidden size and three times its inner size.
    """
    from lexel.engines.choose import is_bf16_native, processor_flags

    is_bf16 = is_bf16_native(processor_flags()) if options.bf16 is None else options.bf16
    number = 2 if is_bf16 else 4
    weights = n_trainable * (4 + number + 8 + (number if is_bf16 else 0)) + (n_parameters - n_trainable) * number
    inner = getattr(config, "intermediate_size", None) or config.hidden_dim
    kept = n_pieces * config.num_hidden_layers * (10 * config.hidden_size + 3 * inner) * number
    return int(weights + kept)


# Text ----------------------------------------------------------------------------------------------------------------


def _file_lines(files: Sequence[FileSummary]) -> Iterator[str]:
    for found in files:
        counts = [f"{found.documents:,} documents", f"{found.chars:,} characters"]
        counts += [f"{n:,} {what}" for n, what in ((found.words, "words"), (found.entities, "entities")) if n]
        weight = "" if found.file.weight == 1 else f", read {found.file.weight:g} times an epoch"
        yield f"{found.role}: {found.file.path}: {', '.join(counts)}, the longest of {found.longest_chars:,}{weight}"
        if found.empty:
            yield f"  {found.empty:,} empty documents"
        if found.ill_formed:
            yield f"  {found.ill_formed:,} ill-formed tags, repaired as conlleval reads them"
        if found.in_training:
            share = found.in_training / found.documents
            yield f"  {found.in_training:,} documents ({share:.1%}) are also in the training data: scores are too high"


def _head_lines(head: HeadPlan) -> Iterator[str]:
    yield f"head {head.name}: {head.description or head.task}"
    if head.labels:
        shown = ", ".join(f"{label} {count:,}" for label, count in head.labels[:_SHOWN_LABELS])
        more = len(head.labels) - _SHOWN_LABELS
        yield f"  {shown}" + (f", ... {more} more" if more > 0 else "")
