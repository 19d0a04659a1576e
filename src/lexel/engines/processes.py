"""Engines across processes: after a fork, the child starts its own engine, and a pickle holds how to start it.

The threads of an engine do not survive a fork, so a child that used its parent's engine would wait forever. PyTorch
cannot be started again in such a child, so that is an error.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

from lexel.engines.base import Engine, Rows, Scores
from lexel.errors import EngineError


class ProcessEngine:
    """An engine that every process starts for itself.

    Args:
        start: Starts the engine; it must pickle.
    """

    def __init__(self, start: Callable[[], Engine]) -> None:
        self._start = start
        self._started = os.getpid(), start()
        self._lock = threading.Lock()
        self._of_parents: list[Engine] = []

    @property
    def name(self) -> str:
        """See ``Engine``."""
        return self._started[1].name

    @property
    def precision(self) -> str:
        """See ``Engine``."""
        return self._started[1].precision

    @property
    def device(self) -> str:
        """See ``Engine``."""
        return self._started[1].device

    @property
    def threads(self) -> int:
        """See ``Engine``."""
        return self._started[1].threads

    @property
    def batch_pieces(self) -> int:
        """See ``Engine``."""
        return self._started[1].batch_pieces

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """See ``lexel.engines.base.Engine.submit``."""
        return self.own.submit(rows, outputs)

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        return self.own.run(batches, outputs)

    @property
    def own(self) -> Engine:
        """This process's engine.

        Raises:
            EngineError: If the engine is torch and this process is a fork of the one that started it.
        """
        process, engine = self._started
        if process == os.getpid():
            return engine
        if engine.name == "torch":
            raise EngineError(
                f"torch: process {os.getpid()} is a fork of process {process}, which loaded the model; PyTorch's "
                "threads do not survive a fork. Load the model in the child, or start processes by 'spawn'"
            )
        with self._lock:
            if self._started[0] != os.getpid():
                self._of_parents.append(engine)  # deleting it would wait for threads that no longer exist
                self._started = os.getpid(), self._start()
        return self._started[1]

    def __reduce__(self) -> tuple[Any, ...]:
        return ProcessEngine, (self._start,)
