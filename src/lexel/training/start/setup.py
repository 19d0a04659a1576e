"""The setup of a run: base model, tokenizer, files and heads with their labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig
from transformers.utils import logging as transformers_logging

from lexel.checkpoint import Checkpoint, Head, open_checkpoint
from lexel.checkpoint.files import TOKENIZER_FILES
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.checkpoint.weights import read_tensors, weight_file
from lexel.disk import sha256_of
from lexel.encoder.families import BY_MODEL_TYPE, family_of
from lexel.encoder.family import Family
from lexel.errors import CheckpointError, OptionError
from lexel.names import TAGGING, TEXT_TASKS
from lexel.text.tokenizer import Tokenizer, load_tokenizer
from lexel.training.config.options import TrainingOptions
from lexel.training.data.examples import WindowExamples
from lexel.training.data.heads import TrainedHead, base_head, missed_notes, resolve_head, shared_rows
from lexel.training.data.holdout import Holdout
from lexel.training.data.rows import Examples
from lexel.training.data.text_examples import (
    TextExamples,
    build_windower,
    resolve_text_head,
)
from lexel.training.distributed import ProcessGroup
from lexel.training.model import model as models
from lexel.training.model.attention import refuse_mistrained
from lexel.training.model.methods import apply_method
from lexel.training.model.student import (
    check_data,
    check_size,
    cut_vocabulary,
    renew_config,
    student_config,
    student_heads,
    student_modules,
)
from lexel.training.start.files import DataReader, FilesRead, with_paths
from lexel.training.start.problems import Problems


@dataclass
class Setup:
    """Everything that is known before the first step.

    Attributes:
        options: The options of the run.
        base: The base model, if there is one.
        tokenizer_folder: The folder of the tokenizer files.
        tokenizer: The tokenizer.
        pieces: ``chars`` or ``tokenizer``.
        config: transformers' config of the encoder.
        heads: The heads.
        files: By role (``train``, ``validation``, ``test``), the columns of each file.
        max_length: Longest sequence.
        teacher: The model to distil, if there is one.
        notes: Notes for the user.
    """

    options: TrainingOptions
    base: Checkpoint | None
    tokenizer_folder: Path
    tokenizer: Tokenizer
    pieces: str
    config: PretrainedConfig
    heads: list[TrainedHead]
    files: Mapping[str, Sequence[Any]]
    max_length: int
    teacher: Checkpoint | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def holdout(self) -> Holdout | None:
        """The training documents that are held out for validation, if any."""
        return Holdout.of(self.options)

    @property
    def family(self) -> Family:
        """The encoder's family."""
        return family_of(self.config.model_type)

    def examples(self, role: str) -> Examples:
        """The windows of a role's files."""
        holdout = self.holdout
        is_held = role == "validation"
        chosen = (lambda features: holdout.mask(features) == is_held) if holdout and role != "test" else None
        files = self.files["train" if holdout and is_held else role]
        if self.heads[0].task in TEXT_TASKS:
            return TextExamples(files, self.heads[0], chosen=chosen)
        return WindowExamples(
            files,
            self.heads,
            special=self.tokenizer.special,
            max_length=self.max_length,
            overlap=self.options.overlap,
            only_labelled=role == "train" and self.teacher is None,
            chosen=chosen,
        )

    @property
    def is_evaluated(self) -> bool:
        """Whether there are labels to evaluate on during training."""
        has_labels = all(head.labels for head in self.heads if head.task == "embed")
        return has_labels and bool(self.files["validation"] or self.holdout)


def prepare(
    options: TrainingOptions, *, process_group: ProcessGroup, cache: Path, problems: Problems | None = None
) -> Setup:
    """Prepare a run: open the models, read the files, resolve the heads.

    Args:
        options: The options of the run.
        process_group: The processes; the main process reads the files, and the others load the result.
        cache: The folder for columns.
        problems: Collects problems of files and heads instead of raising the first; files and heads with problems are
            left out.

    Raises:
        CheckpointError: If the base model or tokenizer cannot be used.
        DataError: If a file cannot be read.
        LabelError: If labels and heads do not match.
        OptionError: If a student is larger than its teacher.
    """
    problems = Problems() if problems is None else problems
    _check_alone(options)
    base = None if options.model is None else open_checkpoint(options.model, revision=options.revision)
    teacher = None if options.teacher is None else open_checkpoint(options.teacher)
    like = base or teacher
    folder = Path(options.tokenizer) if options.tokenizer else like.source.folder  # type: ignore[union-attr]
    pieces = options.pieces or (like.pieces if like is not None else "tokenizer")
    config = student_config(options, teacher) if base is None and teacher is not None else build_config(options, base)
    tokenizer = load_tokenizer(folder, pieces=pieces, model_type=config.model_type)
    modules = None
    if teacher is not None:
        modules = student_modules(options, teacher, hidden_size=config.hidden_size)
        options = replace(options, heads=student_heads(options, teacher))
        check_size(config, teacher)
        check_data(options, tokenizer)
    if options.distill.vocabulary:
        whole, folder = folder, cut_vocabulary(options, folder, tokenizer, cache=cache, process_group=process_group)
        tokenizer = load_tokenizer(folder, pieces=pieces, model_type=config.model_type)
        renew_config(config, whole, folder)
    elif base is None and "vocab_size" not in options.config and (options.tokenizer or teacher is None):
        config.vocab_size = tokenizer.n_pieces
    if tokenizer.n_pieces > config.vocab_size:
        raise CheckpointError(
            f"{folder}: the tokenizer has {tokenizer.n_pieces} pieces, the embedding {config.vocab_size}; they do "
            "not belong together: use the tokenizer files of this checkpoint"
        )
    longest = _longest(config, tokenizer)
    teacher_longest = modules.max_length if modules is not None else None
    max_length = min(longest, options.window or longest, teacher_longest or longest)
    refuse_mistrained(config, max_length=max_length)
    data = DataReader(options, tokenizer, cache=cache, fingerprint=_fingerprint(folder, pieces), problems=problems)
    base_heads = {} if base is None else base.heads
    if any(head.task in TEXT_TASKS for head in options.heads.values()):
        windower = build_windower(options, tokenizer, family=family_of(config.model_type), max_length=max_length)
        read = data.read_texts(windower)
        heads = _text_head(options, read, base_heads, modules=modules)
    else:
        read = data.read_columns(process_group)
        heads = _heads(options, read, base_heads, problems)
    readable = {role: tuple(file for file, _ in found) for role, found in read.items()}
    options = replace(options, train=readable["train"], validation=readable["validation"], test=readable["test"])
    columns = {role: [features for _, features in found] for role, found in read.items()}
    setup = Setup(options, base, folder, tokenizer, pieces, config, heads, columns, max_length, teacher=teacher)
    setup.notes.extend(_notes(setup, base_heads))
    return setup


def _heads(
    options: TrainingOptions, read: FilesRead, base: Mapping[str, Head], problems: Problems
) -> list[TrainedHead]:
    """The heads for documents.

    Raises:
        LabelError: If labels and heads do not match.
    """
    files = with_paths(read)
    heads = []
    for name, asked in options.heads.items():
        with problems.caught():
            start = base_head(name, asked, base)
            heads.append(resolve_head(name, asked, files, start=start, labels_from=options.labels_from))
    if not heads:
        problems.stop()
    return heads


def _text_head(
    options: TrainingOptions, read: FilesRead, base: Mapping[str, Head], *, modules: SentenceModules | None
) -> list[TrainedHead]:
    """The only head, which reads whole texts."""
    ((name, asked),) = options.heads.items()
    head = resolve_text_head(
        name,
        asked,
        with_paths(read),
        start=base_head(name, asked, base),
        labels_from=options.labels_from,
        is_taught=options.teacher is not None,
        modules=modules,
    )
    return [head]


def _notes(setup: Setup, base: Mapping[str, Head]) -> Iterator[str]:
    """Notes for the user about the heads: new or old weights, labels that are always missed."""
    for head in setup.heads:
        if head.task in TAGGING:
            start = base_head(head.name, head.options, base)
            if start is not None and start.labels == head.labels:
                origin = "weights of the base model"
            elif rows := shared_rows(head, start):
                new = [label for row, label in enumerate(head.labels) if row not in rows]
                origin = f"{len(rows)} with weights of the base model" + (f", new: {', '.join(new)}" if new else "")
            else:
                origin = "new weights"
            yield f"head {head.name}: {len(head.labels)} labels, {origin}"
    for role in ("validation", "test"):
        paths = [file.path for file in getattr(setup.options, role)]
        for head in setup.heads:
            yield from missed_notes(head, role, list(zip(setup.files[role], paths, strict=True)))


def _check_alone(options: TrainingOptions) -> None:
    tasks = [head.task for head in options.heads.values()]
    if len(tasks) > 1 and any(task in TEXT_TASKS for task in tasks):
        raise OptionError(
            f"heads: {', '.join(tasks)}; a head for classify, answer or embed is trained alone. Train it by itself"
        )


def _longest(config: PretrainedConfig, tokenizer: Tokenizer) -> int:
    family = family_of(config.model_type)
    positions: int = getattr(config, family.required["max_positions"])
    positions -= family.position_offset(config.pad_token_id or 0)
    return min(positions, tokenizer.max_length or positions)


def build_config(options: TrainingOptions, base: Checkpoint | None) -> PretrainedConfig:
    """transformers' config: the base model's with the given values, or only these values.

    Raises:
        CheckpointError: If Lexel does not support the model type.
    """
    values = dict(options.config)
    if base is not None:
        config = AutoConfig.from_pretrained(base.source.folder, **values)
    else:
        model_type = values.pop("model_type", "bert")
        if model_type not in BY_MODEL_TYPE:
            raise CheckpointError(
                f"config: model_type {model_type!r} is not supported; expected one of {', '.join(BY_MODEL_TYPE)}"
            )
        config = CONFIG_MAPPING[model_type](**values)
    config.dtype = "float32"
    return config


def _fingerprint(folder: Path, pieces: str) -> str:
    """Checksum of a tokenizer's files."""
    paths = sorted({path for pattern in TOKENIZER_FILES for path in folder.glob(pattern) if path.is_file()})
    return hashlib.sha256("".join([pieces, *(path.name + sha256_of(path) for path in paths)]).encode()).hexdigest()


def build_model(setup: Setup) -> models.MultiHead:
    """The model in float32, with the base model's weights if it has them, else random ones."""
    options, base = setup.options, setup.base
    if base is not None and base.adapter is not None:
        raise CheckpointError(
            f"{base.source.folder}: has bottleneck adapters, which training cannot continue from; start from the model "
            "that they were trained on"
        )
    with quiet_transformers():
        encoder = models.build_encoder(
            None if base is None else str(base.source.folder), setup.config, seed=options.seed
        )
    torch.manual_seed(options.seed)
    is_plain = len(setup.heads) == 1
    if options.gradient_checkpointing:
        # Older versions of transformers have the second name only.
        enable = getattr(encoder, "activation_checkpointing_enable", None) or encoder.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    heads: dict[str, nn.Module] = {}
    for head in setup.heads:
        module = models.build_head(head, setup.config, is_plain=is_plain)
        start = base_head(head.name, head.options, {} if base is None else base.heads)
        if base is not None and start is not None and (start.labels == head.labels or head.task not in TAGGING):
            names = models.head_names(start, family=setup.family, prefix=start.prefix)
            tensors = read_weights(base.source.folder)
            if head.task != "embed" or models.fits(module, names, tensors):
                models.load_head(module, names, tensors)
        elif base is not None and start is not None and (rows := shared_rows(head, start)):
            names = models.head_names(start, family=setup.family, prefix=start.prefix)
            models.load_rows(module, names, read_weights(base.source.folder), rows)
        heads[head.name] = module
    return models.MultiHead(encoder, heads, apply_method(encoder, options))


def read_weights(folder: Path) -> Mapping[str, torch.Tensor]:
    """All tensors of a folder in float32, by name.

    Raises:
        CheckpointError: If it has none.
    """
    file = weight_file(folder)
    if file is None:
        raise CheckpointError(f"{folder}: no weights; expected a model folder")
    return {
        name: torch.from_numpy(stored.read().astype("float32")) for name, stored in read_tensors(folder, file).items()
    }


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' warnings about tensors that are new or unused on purpose."""
    before: Any = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
