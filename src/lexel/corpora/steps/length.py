"""``length``: drops records that are too short or too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lexel.corpora.steps.base import Apply, Machine, Step
from lexel.data.records import Record
from lexel.errors import OptionError


@dataclass(frozen=True)
class Length(Step):
    """Keep records by their length.

    Attributes:
        least: Minimum.
        most: Maximum; ``None`` for no limit.
        unit: Unit: ``chars``, or ``words`` of records that were tagged or segmented.
    """

    name = "length"

    least: int = 1
    most: int | None = None
    unit: Literal["chars", "words"] = "chars"

    def __post_init__(self) -> None:
        if self.most is not None and self.most < self.least:
            raise OptionError(f"most is {self.most}, least {self.least}; expected most to be at least that")

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        return lambda records, shard: [record for record in records if self._fits(record)]

    def _fits(self, record: Record) -> bool:
        if self.unit == "words":
            if record.document is None or "words" not in record.document.layers:
                raise OptionError("length: counts words, and the records have none; put tag or segment before it")
            size = len(record.document.words)
        else:
            size = len(record.text)
        return self.least <= size and (self.most is None or size <= self.most)
