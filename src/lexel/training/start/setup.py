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

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.checkpoint.source import TOKENIZER_FILES
from lexel.checkpoint.weights import read_tensors, weight_file
from lexel.disk import sha256_of
from lexel.encoder.families import BY_MODEL_TYPE, family_of
from lexel.encoder.family import Family
from lexel.errors import CheckpointError, OptionError
from lexel.names import TEXT_TASKS
from lexel.text.tokenizer import Tokenizer, load_tokenizer
from lexel.training.config.options import DataFile, TrainingOptions
from lexel.training.data.examples import WindowExamples
from lexel.training.data.features import Features, held_out, read_features
from lexel.training.data.heads import TrainedHead, base_head, check_labels, resolve_heads
from lexel.training.data.rows import Examples
from lexel.training.data.text_examples import (
    TextExamples,
    TextFeatures,
    Windower,
    build_windower,
    read_text_features,
    resolve_text_labels,
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


@dataclass
class Setup:
    """Everything that is known before the first step.

    Attributes:
        options: The options of the run.
        base: The base model, if there is one.
        tokenizer_folder: Where the tokenizer files are.
        tokenizer: The tokenizer.
        pieces: ``chars`` or ``tokenizer``.
        config: transformers' config of the encoder.
        heads: The heads.
        files: By role (``train``, ``validation``, ``test``) the columns of each file.
        max_length: Longest sequence.
        said: What is to be said of it all.
        teacher: The model that it learns from, if there is one.
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
    said: list[str] = field(default_factory=list)
    teacher: Checkpoint | None = None

    @property
    def family(self) -> Family:
        """The encoder's family."""
        return family_of(self.config.model_type)

    def examples(self, role: str) -> Examples:
        """The windows of a role's files."""
        share = self.options.dev_fraction
        is_held = role == "validation"
        chosen = (lambda features: held_out(features, share) == is_held) if share and role != "test" else None
        if self.heads[0].task in TEXT_TASKS:
            return TextExamples(self.files["train" if share and is_held else role], self.heads[0], chosen=chosen)
        return WindowExamples(
            self.files["train" if share and is_held else role],
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
        return has_labels and bool(self.files["validation"] or self.options.dev_fraction)


def prepare(options: TrainingOptions, *, process_group: ProcessGroup, cache: Path) -> Setup:
    """Settle everything; the first process reads files, the others find them read.

    Raises:
        CheckpointError: If the base model or tokenizer cannot be used.
        DataError: If a file cannot be read.
        LabelError: If labels and heads do not fit together.
        OptionError: If a student is larger than its teacher.
    """
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
            f"{folder}: the tokenizer has {tokenizer.n_pieces} pieces, the embedding {config.vocab_size}; they are not "
            "of one model: take the tokenizer files of this checkpoint"
        )
    fingerprint = _fingerprint(folder, pieces)

    def columns(file: DataFile) -> Features:
        return read_features(file, tokenizer, cache=cache, fingerprint=fingerprint, repair=options.repair)

    def read(files: Sequence[DataFile]) -> list[Features]:
        if process_group.is_main:
            for file in files:
                columns(file)
        process_group.barrier()
        return [columns(file) for file in files]

    longest = _longest(config, tokenizer)
    said_longest = modules.max_length if modules is not None else None
    max_length = min(longest, options.window or longest, said_longest or longest)
    refuse_mistrained(config, max_length=max_length)
    if any(head.task in TEXT_TASKS for head in options.heads.values()):
        windower = build_windower(options, tokenizer, family=family_of(config.model_type), max_length=max_length)
        heads, text_files = _text_head(options, base, windower=windower, modules=modules)
        return Setup(options, base, folder, tokenizer, pieces, config, heads, text_files, max_length, teacher=teacher)
    roles = {"train": options.train, "validation": options.validation, "test": options.test}
    files = {role: read(members) for role, members in roles.items()}
    heads, said = resolve_heads(
        options.heads, files["train"], [file.path for file in options.train], base={} if base is None else base.heads
    )
    for role in ("validation", "test"):
        for head in heads:
            check_labels(head, files[role], [file.path for file in roles[role]])
    return Setup(options, base, folder, tokenizer, pieces, config, heads, files, max_length, said, teacher)


def _text_head(
    options: TrainingOptions, base: Checkpoint | None, *, windower: Windower, modules: SentenceModules | None
) -> tuple[list[TrainedHead], dict[str, list[TextFeatures]]]:
    """The one head for whole texts, and the files read for it.

    Raises:
        OptionError: If there are other heads beside it.
    """
    if len(options.heads) > 1:
        tasks = ", ".join(head.task for head in options.heads.values())
        raise OptionError(
            f"heads: {tasks} together; a head for classify, answer or embed is trained alone. Train it by itself"
        )
    ((name, asked),) = options.heads.items()
    head = TrainedHead(name, asked)
    roles = {"train": options.train, "validation": options.validation, "test": options.test}
    is_taught = options.teacher is not None
    free = () if not is_taught else tuple(roles) if asked.task == "embed" else ("train",)  # of classes
    files = {
        role: [read_text_features(file, windower, task=asked.task, labelled=role not in free) for file in own]
        for role, own in roles.items()
    }
    start = base_head(name, asked, {} if base is None else base.heads)
    base_labels = () if start is None else start.labels
    labels, problem = resolve_text_labels(head, files["train"], base_labels, options.train, is_taught=is_taught)
    settled = TrainedHead(name, replace(asked, problem=problem, labels=labels or None), labels, modules=modules)
    for role in ("validation", "test"):
        resolve_text_labels(settled, files[role], (), roles[role], is_taught=is_taught)
    return [settled], files


def _longest(config: PretrainedConfig, tokenizer: Tokenizer) -> int:
    family = family_of(config.model_type)
    positions: int = getattr(config, family.required["max_positions"])
    positions -= family.position_offset(config.pad_token_id or 0)
    return min(positions, tokenizer.max_length or positions)


def build_config(options: TrainingOptions, base: Checkpoint | None) -> PretrainedConfig:
    """transformers' config: the base model's with the values given, or one of these alone.

    Raises:
        CheckpointError: If the model type is none that Lexel computes.
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
    """The model in float32, with the base model's weights where it has them, else random ones."""
    options, base = setup.options, setup.base
    if base is not None and base.adapter is not None:
        raise CheckpointError(
            f"{base.source.folder}: has bottleneck adapters, which training does not go on from; start from the model "
            "that they were trained on"
        )
    with quiet_transformers():
        encoder = models.build_encoder(
            None if base is None else str(base.source.folder), setup.config, seed=options.seed
        )
    torch.manual_seed(options.seed)
    is_plain = len(setup.heads) == 1
    heads: dict[str, nn.Module] = {}
    for head in setup.heads:
        module = models.build_head(head, setup.config, is_plain=is_plain)
        start = base_head(head.name, head.options, {} if base is None else base.heads)
        if base is not None and start is not None and (start.labels == head.labels or not head.is_tagging):
            names = models.head_names(start, family=setup.family, prefix=start.prefix)
            tensors = read_weights(base.source.folder)
            if head.task != "embed" or models.fits(module, names, tensors):
                models.load_head(module, names, tensors)
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
