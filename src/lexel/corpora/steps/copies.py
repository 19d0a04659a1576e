"""Copies of records: what all steps that make more of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from lexel.data.records import Record
from lexel.document import Document


def copies_of(
    records: Iterable[Record], change: Callable[[Record], Iterable[Document | None]], *, original: bool
) -> list[Record]:
    """Records, each followed by its changed copies, whose names end in ``-1``, ``-2``, ....

    Args:
        records: The records.
        change: The documents of a record's copies; ``None`` where there is nothing to change, which makes no copy.
        original: Whether the records themselves stay.
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
