"""``perplexity``: filters texts by their pseudo-perplexity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from lexel.corpora.steps.base import Apply, Machine, Shard, Step, texts_of
from lexel.data.records import Record
from lexel.tasks.fill import Filler


@dataclass(frozen=True)
class Perplexity(Step):
    """Write the pseudo-perplexity of a text into a field, and drop texts outside a range.

    Attributes:
        model: A folder or hub id with a head that fills masks.
        least: Drop texts with a lower perplexity, such as repeated strings.
        most: Drop texts with a higher perplexity, such as tables and text in another language.
        whole_words: Mask whole words; see ``lexel fill --perplexity``.
        field: The field for it; ``null`` for none.
    """

    name = "perplexity"
    is_model_step = True

    model: str
    least: float | None = None
    most: float | None = None
    whole_words: bool = False
    field: str | None = "perplexity"

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        filler = Filler.load(self.model, **machine.loading)

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            results = filler.stream_perplexities(
                texts_of(records), whole_words=self.whole_words, live=False, on_error="yield"
            )
            found = [(record, one.value) for record, one in shard.sound(records, results)]
            return [self._noted(record, value) for record, value in found if self._fits(value)]

        return apply

    def _fits(self, value: float) -> bool:
        if isnan(value):
            return self.least is None and self.most is None
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def _noted(self, record: Record, value: float) -> Record:
        noted = None if isnan(value) else round(value, 3)
        return record if self.field is None else record.with_fields(**{self.field: noted})

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        return (self.model,)
