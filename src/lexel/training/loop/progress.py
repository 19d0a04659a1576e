"""Callbacks of the training loop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol


class Progress(Protocol):
    """Called by the training loop, in the main process only, in this order."""

    def on_start(self, total: int, *, done: int = 0) -> None:
        """Training begins: all steps, and the steps that an earlier run has taken."""
        ...

    def on_step(self, step: int, loss: float, rate: float) -> None:
        """A step is taken: its number from 1, its loss, and examples per second so far."""
        ...

    def on_evaluation(self, row: Mapping[str, Any]) -> None:
        """A row of the table is complete: ``step``, ``epoch``, ``training_loss``, ``validation_loss``, ``f1``, ..."""
        ...

    def on_save(self, path: Path) -> None:
        """A checkpoint, or at the end the model folder, is written."""
        ...


class NoProgress:
    """Ignores everything."""

    def on_start(self, total: int, *, done: int = 0) -> None:
        """Nothing."""

    def on_step(self, step: int, loss: float, rate: float) -> None:
        """Nothing."""

    def on_evaluation(self, row: Mapping[str, Any]) -> None:
        """Nothing."""

    def on_save(self, path: Path) -> None:
        """Nothing."""
