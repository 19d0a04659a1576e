"""``script``: keeps records in some scripts."""

from __future__ import annotations

from dataclasses import dataclass

from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.data.records import Record
from lexel.text.letters import count_scripts


@dataclass(frozen=True)
class Script(Step):
    """Keep records by the script of their letters.

    Attributes:
        keep: ISO 15924 codes: ``Hani``, ``Latn``, ``Cyrl``, ``Arab``, ...
        share: The minimum share of a record's letters in these scripts.
    """

    name = "script"

    keep: tuple[str, ...]
    share: float = 0.5

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            kept = []
            for record in records:
                counts = count_scripts(record.text)
                total, wanted = sum(counts.values()), sum(counts.get(name, 0) for name in self.keep)
                if counts:
                    shard.count("scripts", [max(counts, key=counts.__getitem__)])
                if total and wanted >= self.share * total:
                    kept.append(record)
            return kept

        return apply
