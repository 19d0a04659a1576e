"""``html``: extracts the main text of web pages, without menus, footers and other boilerplate, with trafilatura."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.data.records import Record
from lexel.errors import MissingExtra

_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|p|article|table|span|a|br|script)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Html(Step):
    """Extract the main text from HTML. Text without markup does not change.

    Attributes:
        empty: What to do with pages without a main text: ``drop``, or ``keep`` them with an empty text.
        tables: Whether to include text in tables.
        precision: Prefer to miss text rather than include boilerplate.
    """

    name = "html"

    empty: Literal["drop", "keep"] = "drop"
    tables: bool = True
    precision: bool = False

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        try:
            from trafilatura import extract
        except ImportError as error:
            raise MissingExtra('reading HTML needs trafilatura: pip install "lexel[corpora]"') from error

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            found = []
            for record in records:
                text: str | None = record.text
                if _MARKUP.search(record.text):
                    text = extract(
                        record.text, include_comments=False, include_tables=self.tables, favor_precision=self.precision
                    )
                if text or self.empty == "keep":
                    found.append(record.with_text(text or ""))
            return found

        return apply

    def packages(self) -> tuple[str, ...]:
        """See ``Step.packages``."""
        return ("trafilatura",)
