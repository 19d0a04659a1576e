"""The reference engine: the encoder in float64, plainly, to compare the others with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from lexel.checkpoint import Checkpoint
from lexel.encoder.layers import Inputs
from lexel.engines.base import Rows, Scores
from lexel.engines.model import Model, build_model
from lexel.engines.numpy_ops import Array, NumpyOps


class NumpyEngine:
    """Computes in float64 on one thread of this processor."""

    name = "numpy"
    precision = "float64"
    device = "CPU"
    threads = 1

    def __init__(self, checkpoint: Checkpoint, *, heads: Collection[str] | None = None) -> None:
        self._model: Model[Array] = build_model(NumpyOps(), checkpoint, heads)

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        for rows in batches:
            inputs = Inputs(rows.piece_ids, rows.position_ids, rows.type_ids, rows.sequence_ids)
            yield dict(zip(outputs, self._model(inputs, rows.picks, outputs), strict=True))
