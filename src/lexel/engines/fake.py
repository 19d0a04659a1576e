"""An engine for tests of everything around it: no weights, scores that follow from the piece ids alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lexel.engines.base import Rows, Scores


class FakeEngine:
    """Gives scores from rules instead of a model.

    Args:
        rules: By output, a function from piece ids ``[picks]`` to scores ``[picks, labels]``.

    Attributes:
        n_pieces: How many used slots it has been given, special pieces included.
        n_slots: How many slots, unused ones included.
    """

    name = "fake"
    precision = "float32"
    device = "none"
    threads = 1

    def __init__(self, rules: Mapping[str, Callable[[NDArray[np.int32]], NDArray[np.float32]]]) -> None:
        self._rules = rules
        self.n_pieces = 0
        self.n_slots = 0

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        for rows in batches:
            self.n_pieces += int((rows.sequence_ids > 0).sum())
            self.n_slots += rows.sequence_ids.size
            picked = rows.piece_ids.reshape(-1)[rows.picks]
            yield {name: self._rules[name](picked) for name in outputs}
