"""The contract between the flow of the tasks and the engines."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexel.errors import EngineError

IntArray = NDArray[np.int32]

BATCH_PIECES = 1024
"""Number of slots in a batch that keeps a CPU busy."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Sequences packed into rows of one length, each array ``[rows, length]``.

    Attributes:
        piece_ids: Vocabulary indexes; the padding piece in unused slots.
        position_ids: Position of the piece in its own sequence, from 0.
        type_ids: BERT's sentence A (0) or B (1).
        sequence_ids: The sequence of the row that a slot belongs to, from 1; 0 is an unused slot.
        picks: Flat slots (row * length + column) whose scores are requested, ``[picks]``.
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
        precision: ``float64``, ``float32``, ``bf16``, ``float16`` or ``int8``.
        device: A description of its device.
        threads: Number of its threads.
        batch_pieces: Number of slots in a batch that keeps it busy.
    """

    @property
    def name(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def batch_pieces(self) -> int: ...

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """Start to compute ``outputs`` for one batch.

        The engine keeps the arrays alive until the future is done. Drop the future if you no longer need the scores.
        Callbacks of the future run in a thread of the engine, so they must be short.

        Returns:
            A future that holds the scores, or an ``EngineError`` if the device fails.
        """
        ...

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """Compute ``outputs`` for each batch, in order, and read a few batches ahead.

        A result is returned as soon as it is finished, before another batch is taken. A source that is about to
        wait yields ``None`` first: then the results of all earlier batches are returned, and an empty mapping for it.

        Raises:
            EngineError: If the device fails; the results of other batches in progress are lost.
        """
        ...


def run_ahead(
    submit: Callable[[Rows], Future[Scores]], batches: Iterable[Rows | None], *, in_flight: int
) -> Iterator[Scores]:
    """``Engine.run`` on top of ``submit``.

    Args:
        submit: Starts a batch.
        batches: The batches, and ``None`` when their source is about to wait.
        in_flight: Number of batches that are computed while the next one is made.
    """
    running: deque[Future[Scores]] = deque()
    try:
        for rows in batches:
            if rows is not None:
                running.append(submit(rows))
            while running and (rows is None or len(running) > in_flight or running[0].done()):
                yield running.popleft().result()
            if rows is None:
                yield {}
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            with suppress(CancelledError):
                future.exception()


def computed(engine: str, rows: Rows, compute: Callable[[], Scores]) -> Future[Scores]:
    """A completed future, for engines that compute in the caller's thread."""
    future: Future[Scores] = Future()
    try:
        future.set_result(compute())
    except Exception as error:  # noqa: BLE001 (the future raises it)
        future.set_exception(failure(engine, rows, error))
    return future


def failure(engine: str, rows: Rows, cause: Exception) -> EngineError:
    """The error of an engine that could not compute a batch."""
    if isinstance(cause, EngineError):
        return cause
    error = EngineError(
        f"{engine}: a batch of shape {rows.piece_ids.shape} failed: {str(cause) or type(cause).__name__}"
    )
    error.__cause__ = cause
    return error
