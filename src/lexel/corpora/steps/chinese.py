"""``chinese``: converts text to simplified or traditional Chinese, with OpenCC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lexel.corpora.steps.base import Apply, Machine, Shard, Step, texts_of
from lexel.data.records import Record
from lexel.text.script import convert_texts, converter


@dataclass(frozen=True)
class Chinese(Step):
    """Convert Chinese characters; other text does not change.

    Attributes:
        to: ``simplified`` or ``traditional``.
    """

    name = "chinese"

    to: Literal["simplified", "traditional"]

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        convert = converter(self.to)

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            converted = convert_texts(texts_of(records), convert)
            return [record.with_text(one.text) for record, one in zip(records, converted, strict=True)]

        return apply

    def packages(self) -> tuple[str, ...]:
        """See ``Step.packages``."""
        return ("opencc",)
