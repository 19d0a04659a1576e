"""Copies of records, for steps that add records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from lexel.data.records import Record
from lexel.document import Document


def copies_of(
    records: Iterable[Record], change: Callable[[Record], Iterable[Document | None]], *, original: bool
) -> list[Record]:
    """Records, each followed by its changed copies, whose ids end in ``-1``, ``-2``, ....

    Args:
        records: The records.
        change: Returns the documents of a record's copies; ``None`` if there is nothing to change, so no copy is made.
        original: Whether to keep the records themselves.
    """
    found: list[Record] = []
    for record in records:
        if original:
            found.append(record)
        for number, document in enumerate(change(record), 1):
            if document is not None:
                name = None if record.id is None else f"{record.id}-{number}"
                found.append(replace(record.with_document(document), id=name))
    return found
