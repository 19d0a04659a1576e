"""Describes the source of each vector; stored next to the vectors in every format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class VectorRecord(NamedTuple):
    """The source of a vector: a text, or its part ``[start, end)``, with a label if it has one."""

    id: str | None
    text: str
    start: int | None = None
    end: int | None = None
    label: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its JSON form: a whole text has neither offsets nor label."""
        parts = {} if self.start is None else {"start": self.start, "end": self.end, "label": self.label}
        return {"id": self.id, "text": self.text, **parts}


Batch = tuple[Sequence[VectorRecord], Floats]
"""Records and their vectors, ``[records, dims]``."""
