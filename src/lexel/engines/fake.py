"""An engine for tests: it has no weights, and its scores depend only on the piece ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray

from lexel.engines.base import BATCH_PIECES, Rows, Scores, computed, run_ahead


class FakeEngine:
    """Computes scores by rules instead of a model.

    Args:
        rules: By output, a function from piece ids ``[picks]`` to scores ``[picks, labels]``.

    Attributes:
        n_pieces: Number of used slots so far, special pieces included.
        n_slots: Number of all slots so far, unused ones included.
    """

    name = "fake"
    precision = "float32"
    device = "none"
    threads = 1
    batch_pieces = BATCH_PIECES

    def __init__(self, rules: Mapping[str, Callable[[NDArray[np.int32]], NDArray[np.float32]]]) -> None:
        self._rules = rules
        self.n_pieces: int = 0
        self.n_slots: int = 0

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """See ``lexel.engines.base.Engine.submit``."""
        return computed(self.name, rows, lambda: self._compute(rows, outputs))

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        return run_ahead(lambda rows: self.submit(rows, outputs), batches, in_flight=1)

    def _compute(self, rows: Rows, outputs: Sequence[str]) -> Scores:
        self.n_pieces += int((rows.sequence_ids > 0).sum())
        self.n_slots += rows.sequence_ids.size
        picked = rows.piece_ids.reshape(-1)[rows.picks]
        return {name: self._rules[name](picked) for name in outputs}
