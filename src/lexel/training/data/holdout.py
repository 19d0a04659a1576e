"""Holds out training documents for validation: a share of them, or one of several folds.

A checksum of the text decides, so equal texts are always on the same side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lexel.training.config.options import TrainingOptions
from lexel.training.data.features import text_checksum

_PARTS = 100_000
"""Resolution of shares."""


class _WithTexts(Protocol):
    def column(self, name: str) -> NDArray[np.uint64]: ...


@dataclass(frozen=True, slots=True)
class Holdout:
    """The documents whose checksum has a remainder in a range.

    Attributes:
        n_parts: The divisor of the checksum.
        start: The first remainder that is held out.
        end: One past the last.
    """

    n_parts: int
    start: int
    end: int

    @classmethod
    def of(cls, options: TrainingOptions) -> Holdout | None:
        """The holdout in the options of a run, if any."""
        if options.folds and options.fold_number:
            return cls(options.folds, options.fold_number - 1, options.fold_number)
        return cls(_PARTS, 0, round(options.dev_fraction * _PARTS)) if options.dev_fraction else None

    def mask(self, features: _WithTexts) -> NDArray[np.bool_]:
        """Whether each document of a file is held out, ``[documents]``."""
        remainders = features.column("texts") % np.uint64(self.n_parts)
        return np.asarray((remainders >= self.start) & (remainders < self.end))

    def has(self, text: str) -> bool:
        """Whether a document with this text is held out."""
        return self.start <= int.from_bytes(text_checksum(text), "little") % self.n_parts < self.end
