"""``repeated_lines``: removes lines that occur more than once in a record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.data.records import Record


@dataclass(frozen=True)
class RepeatedLines(Step):
    """Keep the first of equal lines, and drop records that mostly repeat themselves.

    Attributes:
        most: Drop a record if a larger share of its lines repeats an earlier one.
        least_chars: Shorter lines may repeat.
    """

    name = "repeated_lines"

    most: float = 0.3
    least_chars: int = 1

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            found = ((record, self._unrepeated(record.text)) for record in records)
            return [record.with_text(text) for record, text in found if text is not None]

        return apply

    def _unrepeated(self, text: str) -> str | None:
        """The text without repeated lines; ``None`` if there are too many."""
        seen: Counter[str] = Counter()
        lines, n_counted, n_repeated = [], 0, 0
        for line in text.split("\n"):
            bare = line.strip()
            if len(bare) >= self.least_chars:
                n_counted += 1
                seen[bare] += 1
                if seen[bare] > 1:
                    n_repeated += 1
                    continue
            lines.append(line)
        return None if n_repeated > self.most * max(1, n_counted) else "\n".join(lines)
