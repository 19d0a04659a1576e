"""Splits nested entities into layers: ``entities`` holds the outer ones, ``nested`` all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lexel.document import Document, Spans

Row = tuple[int, int, str]
"""First character, one past the last, label."""


class Levels(NamedTuple):
    """The entities of a text; ``nested`` is ``None`` if none overlap, and both are ``None`` if none were annotated."""

    entities: Spans | None
    nested: Spans | None


def levels_of(text: str, found: Iterable[Row]) -> Levels:
    """Entities in any order as the two layers of a Document."""
    rows = sorted(found, key=_outer_first)
    outer, inner = _split(rows)
    return Levels(Spans.of(text, outer), Spans.of(text, rows) if inner else None)


def outer_and_inner(document: Document) -> tuple[Spans, Spans]:
    """The entities of a document that lie in no other, and those that overlap one of these."""
    rows = sorted(((span.start, span.end, span.label) for span in document.all_entities), key=_outer_first)
    outer, inner = _split(rows)
    return Spans.of(document.text, outer), Spans.of(document.text, inner)


def has_entities(document: Document) -> bool:
    """Whether entities were annotated."""
    return bool(document.layers & {"entities", "nested"})


def _outer_first(row: Row) -> tuple[int, int]:
    return row[0], -row[1]


def _split(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    outer: list[Row] = []
    inner: list[Row] = []
    for row in rows:
        (inner if outer and row[0] < outer[-1][1] else outer).append(row)
    return outer, inner
