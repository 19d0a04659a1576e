"""A record: a text with its id, its annotation and the other columns of its input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lexel.data.jsonl import document_of_record, record_of_document
from lexel.document import Document
from lexel.errors import OptionError

ANNOTATION = ("words", "pos", "upos", "entities", "nested", "sentences", "scores", "offset_unit")
"""Columns of a record's document."""
OWN = ("id", "text", *ANNOTATION)
"""Columns of a written record; input columns with these names are returned as ``input_NAME``."""


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """The columns to read.

    Attributes:
        text: The column of the text.
        id: The column of the record's id; optional in a table.
        keep: The other columns to keep: ``all``, ``none``, or their names.

    Raises:
        OptionError: If one of the names is not a valid column name.
    """

    text: str = "text"
    id: str = "id"
    keep: str | tuple[str, ...] = "all"

    def __post_init__(self) -> None:
        if not self.text or not self.id or (isinstance(self.keep, str) and self.keep not in ("all", "none")):
            found = f"text {self.text!r}, id {self.id!r}, keep {self.keep!r}"
            raise OptionError(f"columns: {found}; expected names; and keep all, none or a tuple of names")

    def keeps(self, name: str) -> bool:
        """Whether a column is kept."""
        return self.keep == "all" or (self.keep != "none" and name in self.keep)

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The columns that must be read; ``None`` means all."""
        if self.keep == "all":
            return None
        kept = () if self.keep == "none" else tuple(self.keep)
        return tuple(dict.fromkeys((self.text, self.id, *ANNOTATION, *kept)))


@dataclass(frozen=True, slots=True)
class Record:
    """One text with its data.

    Attributes:
        text: The text.
        id: Its id in the input, if it has one.
        document: Its words and entities, if it has any; ``document.text`` is ``text``.
        fields: The other columns kept.
        place: Its place in the file: the line where it begins, or the row, from 1.
    """

    text: str
    id: str | None = None
    document: Document | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    place: int = 0

    def with_text(self, text: str) -> Record:
        """The same record with another text; words and entities are dropped, since their offsets do not apply to it."""
        return self if text == self.text else replace(self, text=text, document=None)

    def with_document(self, document: Document) -> Record:
        """The same record with the text of a document, and its annotation if it has any."""
        return replace(self, text=document.text, document=document if document.layers else None)

    def with_fields(self, **found: Any) -> Record:
        """The same record with additional columns."""
        return replace(self, fields={**self.fields, **found})

    @property
    def as_document(self) -> Document:
        """Its document; without layers if it has no annotation."""
        return Document(self.text, id=self.id) if self.document is None else self.document


def record_of(values: Any, columns: RecordColumns, *, place: int) -> Record:
    """A record from the columns of a row, or the object of a line.

    Args:
        values: The columns as read.
        columns: The columns of the text and the id, and those to keep.
        place: Its line or row, from 1.

    Raises:
        ValueError: If the record is invalid.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"found a JSON {type(values).__name__}; expected an object with {columns.text!r}")
    text = values.get(columns.text)
    if not isinstance(text, str):
        found = f"no {columns.text!r}" if columns.text not in values else f"{columns.text!r} is {_kind(text)}"
        raise ValueError(f"{found}; expected the text of the record{_advice(values)}")
    name = values.get(columns.id)
    if not (name is None or type(name) in (str, int)):
        raise ValueError(f"{columns.id!r} is {_kind(name)}; expected the record's name, a string")
    id = None if name is None or name == "" else str(name)
    document = None
    if any(isinstance(values.get(name), list | dict) for name in ("words", "entities", "nested")):
        document = document_of_record({**values, "text": text, "id": id})
    taken = {columns.text, columns.id}
    if document is not None or "offset_unit" in values:
        taken.update(ANNOTATION)
    fields = {_back(key): value for key, value in values.items() if key not in taken and columns.keeps(key)}
    return Record(text, id, document, fields, place)


def columns_of_record(record: Record, *, unit: str = "char") -> dict[str, Any]:
    """A record as columns: ``id``, ``text``, those of its document, and its fields.

    Args:
        record: The record.
        unit: The unit of offsets: ``char``, ``utf16`` or ``byte``.
    """
    document = record.document
    own = {"id": record.id, "text": record.text} if document is None else record_of_document(document, unit=unit)
    return {**own, "id": record.id, **record.fields}


def _back(name: str) -> str:
    return f"input_{name}" if name in OWN else name


def _advice(values: Mapping[str, Any]) -> str:
    names = [key for key, value in values.items() if isinstance(value, str)][:5]
    return f"; name its column with --text-column ({', '.join(names)})" if names else ""


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")
