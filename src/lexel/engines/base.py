"""The contract between the one flow of the tasks and whatever computes the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Rows:
    """Sequences packed side by side into rows of one length, each array ``[rows, length]``.

    Attributes:
        piece_ids: Vocabulary indexes; the padding piece in slots that nobody uses.
        position_ids: Position of the piece in its own sequence, from 0.
        type_ids: BERT's sentence A (0) or B (1).
        sequence_ids: Which sequence of the row a slot belongs to, from 1; 0 is an unused slot.
        picks: Flat slots (row * length + column) whose scores are asked for, ``[picks]``.
    """

    piece_ids: IntArray
    position_ids: IntArray
    type_ids: IntArray
    sequence_ids: IntArray
    picks: IntArray


Scores = Mapping[str, NDArray[np.floating[Any]]]
"""By output: a head's scores ``[picks, labels]``, or ``hidden.N`` as ``[picks, hidden]``; float32 (numpy: float64)."""


class Engine(Protocol):
    """Computes an encoder and its heads over packed rows. Safe to call from several threads.

    Attributes:
        name: The engine's name, as in ``--engine``.
        precision: What it computes in: ``float64``, ``float32``, ``bf16`` or ``float16``.
        device: What it runs on, in words.
        threads: Threads it computes with.
    """

    @property
    def name(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """Compute ``outputs`` for each batch, in order, while taking batches a few ahead.

        Raises:
            EngineError: If the device cannot do it; every batch in flight is then lost.
        """
        ...
