"""Checks that the saved folder, loaded again, gives the scores of the trained model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lexel.checkpoint import open_checkpoint
from lexel.engines.base import Rows
from lexel.engines.choose import EngineOptions, start_engine
from lexel.errors import CheckpointError
from lexel.training.data.batches import packed_rows
from lexel.training.data.rows import Batch, Examples, RowBuilder
from lexel.training.model.model import MultiHead
from lexel.training.model.vectors import VectorHead
from lexel.training.start.setup import Setup

_SEQUENCES = 200
_ROWS = 8
_TOLERANCE = {"float32": 2e-3, "float16": 5e-2}
"""Largest difference of a score, relative to the largest score; float16 rounds each weight to eleven bits."""


@torch.no_grad()  # type: ignore[untyped-decorator]
def check_saved(folder: Path, model: MultiHead, setup: Setup, examples: Examples, builder: RowBuilder) -> None:
    """Compare the scores of Lexel's engine on the saved folder with those of the model, both in float32.

    Args:
        folder: The saved folder.
        model: The model with the weights that were saved, in float32.
        setup: The setup of the run.
        examples: The source of a few hundred sequences.
        builder: Makes batches of them.

    Raises:
        CheckpointError: If a head's scores differ by more than rounding explains.
    """
    tolerance = _TOLERANCE[setup.options.save_dtype]
    checkpoint = open_checkpoint(folder, is_own=True)
    model.eval()
    names = [head.name for head in setup.heads]
    described = [head.name for head in setup.heads if head.modules is None]
    stored = dict(zip(described, checkpoint.heads, strict=True))  # a plain folder names its only head by its labels
    for name in names:
        head = model.head(name)
        if isinstance(head, VectorHead) and head.attention is None:
            stored[name] = f"hidden.{checkpoint.config.n_layers}"
    engine = start_engine(checkpoint, EngineOptions(precision="float32", threads=1), heads=list(stored.values()))
    for batch in _batches(examples, builder, setup):
        states = model.encode(batch)
        slots = _slots(batch)
        (found,) = engine.run([_as_rows(batch, slots)], list(stored.values()))
        for name in names:
            expected = _of_pieces(model, name, model.picked(name, states, batch, torch.from_numpy(slots))).numpy()
            got = found[stored[name]]
            difference, largest = float(np.abs(got - expected).max()), float(np.abs(expected).max())
            if not difference <= tolerance * max(1.0, largest):
                raise CheckpointError(
                    f"{folder}: loaded again, head {name} differs by {difference:.3g} (scores up to {largest:.3g}); "
                    f"expected at most {tolerance:g} of that. The folder is kept aside. This is a bug of Lexel, or a "
                    "fault of the disk: please report it"
                )


def _of_pieces(model: MultiHead, name: str, states: torch.Tensor) -> torch.Tensor:
    """An engine's outputs for pieces: a head's scores; for vectors, the shares, or without them the states."""
    head = model.head(name)
    if not isinstance(head, VectorHead):
        return model.score(name, states)
    shares: torch.Tensor = states if head.attention is None else head.attention(states)
    return shares


def _batches(examples: Examples, builder: RowBuilder, setup: Setup) -> Iterator[Batch]:
    sequences = np.arange(min(_SEQUENCES, len(examples)))
    rows = packed_rows(examples.lengths, sequences, max_length=setup.max_length)
    for length in sorted({length for length, _ in rows}):
        alike = [row for row in rows if row[0] == length]
        for at in range(0, len(alike), _ROWS):
            yield builder.build(alike[at : at + _ROWS], None)


def _slots(batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The first piece of each sequence, and every seventh in use."""
    positions, used = batch.positions.view(-1).numpy(), batch.sequences.view(-1).numpy() > 0
    return np.flatnonzero(used & (positions % 7 == 0)).astype(np.int64)


def _as_rows(batch: Batch, slots: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Rows:
    ids, positions, types, sequences = (
        tensor.numpy().astype(np.int32) for tensor in (batch.ids, batch.positions, batch.types, batch.sequences)
    )
    return Rows(ids, positions, types, sequences, slots.astype(np.int32))
