"""``swap``: adds training data by swapping entities with the same label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from lexel.corpora.spans import Replacement, replace_spans
from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.corpora.steps.copies import copies_of
from lexel.data.records import Record
from lexel.disk import refused
from lexel.document import Document
from lexel.errors import DataError

Pool = dict[str, list[str]]


@dataclass(frozen=True)
class Swap(Step):
    """Add copies of records with other entities; labels are kept, with new offsets.

    Entities come from the records of the same shard, and from a file.

    Attributes:
        labels: Labels to swap; empty for all.
        names: A file of entities to use, one per line: a label, a tab and an entity.
        share: The probability that an entity is replaced.
        copies: Number of copies of each record with entities.
        original: Whether to keep the record itself.
    """

    name = "swap"

    labels: tuple[str, ...] = ()
    names: str | None = None
    share: float = 1.0
    copies: int = 1
    original: bool = True

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        given = {} if self.names is None else _read_names(self.names)

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            pool = _pool_of(records, given)
            return copies_of(
                records,
                lambda record: [self._swapped(record, pool, shard.random) for _ in range(self.copies)],
                original=self.original,
            )

        return apply

    def files(self) -> Sequence[str]:
        """See ``Step.files``."""
        return () if self.names is None else (self.names,)

    def _swapped(self, record: Record, pool: Pool, random: Random) -> Document | None:
        """The record's document with other entities; ``None`` if there is none to replace."""
        replacements: list[Replacement] = []
        for one in () if record.document is None else record.document.entities:
            is_wanted = not self.labels or one.label in self.labels
            is_free = not replacements or replacements[-1].end <= one.start
            others = [name for name in pool.get(one.label, ()) if name != one.text] if is_wanted and is_free else []
            if others and random.random() < self.share:
                replacements.append(Replacement(one.start, one.end, random.choice(others)))
        if not replacements or record.document is None:
            return None
        return replace_spans(record.document, replacements)


def _pool_of(records: Sequence[Record], given: Pool) -> Pool:
    """The available entities by label, in an order that depends only on the records."""
    pool = {label: dict.fromkeys(names) for label, names in given.items()}
    for record in records:
        for one in () if record.document is None else record.document.entities:
            pool.setdefault(one.label, {})[one.text] = None
    return {label: list(names) for label, names in pool.items()}


def _read_names(path: str) -> Pool:
    pool: Pool = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {refused(error)}; expected a file of entities") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; expected a file of entities in UTF-8") from error
    for number, line in enumerate(lines, 1):
        label, tab, name = line.partition("\t")
        if not tab or not name.strip():
            raise DataError(f"{path}:{number}: found {line!r}; expected a label, a tab and an entity")
        pool.setdefault(label, []).append(name.strip())
    return pool
