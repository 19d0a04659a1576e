"""Distillation: a teacher's probabilities and hidden states as targets, and the initial weights of a student.

The teacher computes the same rows as the student, including masks and unknown pieces, without dropout. Its outputs are
not stored, so a run resumes like any other. If the student's vocabulary is a part of the teacher's, pieces are matched
by their spelling.

Sources: soft labels with a temperature (https://arxiv.org/abs/1503.02531), hidden states through a learned map
(https://arxiv.org/abs/1909.10351), vectors of texts by their directions (see ``vector_loss``), initial layers
(https://arxiv.org/abs/1910.01108, which takes every other layer; here they are evenly spaced and end with the last).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, PretrainedConfig

from lexel.checkpoint import Checkpoint
from lexel.encoder.families import family_of
from lexel.encoder.family import EmbeddingNames, Family
from lexel.errors import CheckpointError
from lexel.text.tokenizer_files import read_vocabulary
from lexel.training.data.batches import Row
from lexel.training.data.heads import TrainedHead, base_head
from lexel.training.data.rows import Batch, RowBuilder, Target, TeacherScores
from lexel.training.model import model as models
from lexel.training.model.layers import layer_pattern
from lexel.training.start.setup import Setup, quiet_transformers, read_weights


class Teacher:
    """The teacher of a student.

    Args:
        setup: The setup of the run.
        checkpoint: The teacher's folder.
        device: The device.
        dtype: The number type to compute in.
    """

    def __init__(self, setup: Setup, checkpoint: Checkpoint, *, device: torch.device, dtype: torch.dtype) -> None:
        self._setup = setup
        self._config = AutoConfig.from_pretrained(checkpoint.source.folder)
        self._heads = [head for head in setup.heads if head.modules or _start(head, checkpoint) is not None]
        model = _load(checkpoint, self._heads, self._config, seed=setup.options.seed)
        self._model = model.to(device, dtype).eval().requires_grad_(False)
        self._pieces = _common_pieces(setup, checkpoint).to(device)
        special = setup.tokenizer.special
        around = {*special.prefix, *special.suffix, special.pad}
        self._around = torch.tensor(sorted(around), device=device)
        every = setup.options.distill.hidden_layers == "all"
        n = setup.config.num_hidden_layers
        self._student_layers = tuple(range(1, n + 1)) if every else (n,)
        heights = teacher_layers(n, self._config.num_hidden_layers)
        self._layers = [heights[layer - 1] + 1 for layer in self._student_layers]

    def prepare(self, student: models.MultiHead) -> None:
        """Initialise a student: its weights, if it has none, and maps to the teacher's hidden size."""
        setup = self._setup
        torch.manual_seed(setup.options.seed)
        if setup.base is None:
            self._give_weights(student)
        if setup.options.distill.hidden_weight or any(head.task == "embed" for head in self._heads):
            width, own = self._config.hidden_size, setup.config.hidden_size
            maps = [nn.Linear(own, width) if own != width else nn.Identity() for _ in self._layers]
            student.compare(self._student_layers, nn.ModuleList(maps))

    def _give_weights(self, student: models.MultiHead) -> None:
        """Copy every tensor that fits, each layer from the same relative depth; none if the hidden size differs."""
        own, config = self._setup.config, self._config
        if (own.hidden_size, own.num_attention_heads) != (config.hidden_size, config.num_attention_heads):
            return
        heights = teacher_layers(own.num_hidden_layers, config.num_hidden_layers)
        given = {name: tensor.float().cpu() for name, tensor in self._model.state_dict().items()}
        family = self._setup.family
        with torch.no_grad():
            for name, parameter in student.named_parameters():
                there = name if family.shares_layers else _moved(name, family, heights)
                _take(parameter, given.get(there), name, family.embeddings, self._pieces.cpu())

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def teach(self, batch: Batch) -> Batch:
        """Add the teacher's outputs to a batch."""
        asked = replace(batch, ids=self._pieces[batch.ids])
        layers = self._model.layers(asked)
        last = layers[-1]
        ordinary = (batch.sequences > 0) & ~torch.isin(batch.ids, self._around)
        slots = torch.nonzero(ordinary.view(-1))[:, 0]
        targets = dict(batch.targets)
        for head in self._heads:
            targets[head.name] = self._target(head, targets[head.name], last, slots, asked)
        used = batch.sequences.view(-1) > 0
        hidden = torch.stack([layers[layer][used] for layer in self._layers])
        return replace(batch, targets=targets, hidden=hidden)

    def _target(
        self, head: TrainedHead, target: Target, states: torch.Tensor, slots: torch.Tensor, batch: Batch
    ) -> Target:
        """A target with the teacher's scores; heads that tag are compared at all pieces of the text."""
        if head.is_tagging:
            return replace(target, soft=TeacherScores(self._model.score(head.name, states[slots]), slots))
        picked = self._model.picked(head.name, states, batch, target.slots)
        if target.pools is not None:
            return replace(target, soft=TeacherScores(self._model.vectors(head.name, picked, target.pools)))
        scores = self._model.score(head.name, picked)
        return replace(target, soft=TeacherScores(scores[:, self._pieces] if head.task == "fill" else scores))


class TeacherRowBuilder:
    """Builds batches with a teacher's outputs; the same interface as ``RowBuilder``."""

    def __init__(self, builder: RowBuilder, teacher: Teacher, *, device: torch.device) -> None:
        self._builder, self._teacher, self._device = builder, teacher, device

    def build(self, rows: Sequence[Row], random: np.random.Generator | None) -> Batch:
        """Build a batch, and add the teacher's outputs."""
        taught: Batch = self._teacher.teach(self._builder.build(rows, random).to(self._device))
        return taught


def teacher_layers(n_student: int, n_teacher: int) -> list[int]:
    """For each layer of a student, from 0, the teacher's at the same relative depth; the last maps to the last."""
    return [round((layer + 1) * n_teacher / n_student) - 1 for layer in range(n_student)]


def _start(head: TrainedHead, checkpoint: Checkpoint) -> Any:
    return base_head(head.name, head.options, checkpoint.heads)


def _load(
    checkpoint: Checkpoint, heads: Sequence[TrainedHead], config: PretrainedConfig, *, seed: int
) -> models.MultiHead:
    folder = checkpoint.source.folder
    if checkpoint.adapter is not None:
        raise CheckpointError(f"{folder}: has bottleneck adapters; expected a teacher without. Take its base model")
    with quiet_transformers():
        encoder = models.build_encoder(str(folder), config, seed=seed)
    tensors = read_weights(folder) if heads else {}
    made: dict[str, nn.Module] = {}
    for head in heads:
        start = _start(head, checkpoint)
        is_plain = start is not None and not start.prefix.startswith("heads.")
        made[head.name] = module = models.build_head(head, config, is_plain=is_plain)
        if start is not None:
            names = models.head_names(start, family=family_of(config.model_type), prefix=start.prefix)
            models.load_head(module, names, tensors)
    return models.MultiHead(encoder, made)


def _common_pieces(setup: Setup, checkpoint: Checkpoint) -> torch.Tensor:
    """The teacher's index of each of the student's pieces, by its spelling, ``[vocab]``.

    Raises:
        CheckpointError: If the teacher lacks some of them.
    """
    folder = checkpoint.source.folder
    if setup.tokenizer_folder == folder:
        return torch.arange(setup.config.vocab_size)
    own, _ = read_vocabulary(setup.tokenizer_folder)
    theirs, _ = read_vocabulary(folder)
    strange = [piece for piece in own if piece not in theirs]
    if strange:
        raise CheckpointError(
            f"{setup.tokenizer_folder}: {len(strange):,} of its {len(own):,} pieces are not in the teacher's "
            f"vocabulary ({', '.join(map(repr, strange[:3]))} ...); expected the teacher's pieces, or a part of them"
        )
    pieces = torch.zeros(setup.config.vocab_size, dtype=torch.int64)
    for piece, index in own.items():
        pieces[index] = theirs[piece]
    return pieces


def _moved(name: str, family: Family, heights: Sequence[int]) -> str:
    """The name of a student's parameter in the teacher, whose layers have other numbers."""
    match = layer_pattern(family).search(name)
    return name if match is None else f"{name[: match.start(1)]}{heights[int(match[1])]}{name[match.end(1) :]}"


def _take(
    parameter: torch.Tensor, given: torch.Tensor | None, name: str, tables: EmbeddingNames, pieces: torch.Tensor
) -> None:
    """Copy a tensor if it fits: completely, by pieces, or for positions, the first ones."""
    if given is None:
        return
    if name.endswith(f"{tables.pieces}.weight") or (name.startswith("heads.") and len(parameter) == len(pieces)):
        given = given[pieces]
    elif name.endswith(f"{tables.positions}.weight"):
        given = given[: len(parameter)]
    if given.shape == parameter.shape:
        parameter.copy_(given)
