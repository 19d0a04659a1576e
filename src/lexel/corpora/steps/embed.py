"""``embed``: computes a vector for each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lexel.corpora.steps.base import Apply, Machine, Shard, Step, texts_of
from lexel.data.records import Record
from lexel.tasks.embed import Embedder


@dataclass(frozen=True)
class Embed(Step):
    """Write the vector of a text into a field.

    Attributes:
        model: A folder or hub id. Default: the bundled model.
        pooling: How to pool a text into a vector; by default as the model defines it.
        normalise: Scale vectors to length 1; by default as the model defines it.
        dimensions: Keep only this many dimensions.
        field: The field for the vector.
        decimals: Number of decimals.
    """

    name = "embed"
    is_model_step = True

    model: str | None = None
    pooling: str | None = None
    normalise: bool | None = None
    dimensions: int | None = None
    field: str = "embedding"
    decimals: int = 6

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        asked = {"pooling": self.pooling, "normalise": self.normalise, "dimensions": self.dimensions}
        given = {name: value for name, value in asked.items() if value is not None}
        embedder = Embedder.load(self.model, **machine.loading, **given)  # type: ignore[arg-type]

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            vectors = embedder.stream(texts_of(records), live=False, on_error="yield")
            found = shard.sound(records, vectors)
            return [
                record.with_fields(**{self.field: [round(value, self.decimals) for value in one.vector.tolist()]})
                for record, one in found
            ]

        return apply

    def models(self) -> Sequence[str | None]:
        """See ``Step.models``."""
        return (self.model,)
