"""The reference engine: a plain float64 encoder for comparing the other engines with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future

from lexel.checkpoint import Checkpoint
from lexel.encoder.layers import Inputs
from lexel.engines.base import BATCH_PIECES, Rows, Scores, computed, run_ahead
from lexel.engines.model import Model, build_model
from lexel.engines.numpy_ops import Array, NumpyOps


class NumpyEngine:
    """Computes in float64 on one thread of the CPU."""

    name = "numpy"
    precision = "float64"
    device = "CPU"
    threads = 1
    batch_pieces = BATCH_PIECES

    def __init__(self, checkpoint: Checkpoint, *, heads: Collection[str] | None = None) -> None:
        self._model: Model[Array] = build_model(NumpyOps(), checkpoint, heads)

    def submit(self, rows: Rows, outputs: Sequence[str]) -> Future[Scores]:
        """See ``lexel.engines.base.Engine.submit``."""
        return computed(self.name, rows, lambda: self._compute(rows, outputs))

    def run(self, batches: Iterable[Rows | None], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        return run_ahead(lambda rows: self.submit(rows, outputs), batches, in_flight=1)

    def _compute(self, rows: Rows, outputs: Sequence[str]) -> Scores:
        inputs = Inputs(rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids)
        return dict(zip(outputs, self._model(inputs, rows.picks, outputs), strict=True))
