"""Sums over shards: records in, records out, and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Tally:
    """Sums over shards.

    Attributes:
        shards: Number of shards.
        records_in: Records that they read; blank lines count.
        records_out: Records that they wrote.
        blank: Lines without a record.
        faulty: Records that could not be read.
        first_fault: The error of the first of them.
        steps: For each step: its name, records in, records out, and records that it could not read.
        counts: Counts by topic and name.
        bytes: Bytes written.
    """

    shards: int = 0
    records_in: int = 0
    records_out: int = 0
    blank: int = 0
    faulty: int = 0
    first_fault: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    bytes: int = 0

    def add(self, record: dict[str, Any]) -> None:
        """Add the record of a complete shard."""
        self.shards += 1
        for name in ("records_in", "records_out", "blank", "faulty"):
            setattr(self, name, getattr(self, name) + record[name])
        self.first_fault = self.first_fault or record["first_fault"]
        self.bytes += sum(file["bytes"] for file in record["files"])
        if not self.steps:
            self.steps = [{"step": step["step"], "in": 0, "out": 0, "faulty": 0} for step in record["steps"]]
        for total, step in zip(self.steps, record["steps"], strict=True):
            for name in ("in", "out", "faulty"):
                total[name] += step[name]
        for topic, names in record["counts"].items():
            self.counts.setdefault(topic, Counter()).update(names)

    def as_json(self) -> dict[str, Any]:
        """The sums as JSON values; the names of a topic are sorted by count."""
        return {
            "shards": self.shards,
            "records_in": self.records_in,
            "records_out": self.records_out,
            "blank": self.blank,
            "faulty": self.faulty,
            "first_fault": self.first_fault,
            "bytes": self.bytes,
            "steps": self.steps,
            "counts": {topic: dict(names.most_common()) for topic, names in sorted(self.counts.items())},
        }
