"""Defines a shape of labelled records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lexel.data.files import TextOutput
from lexel.data.levels import Levels, levels_of
from lexel.data.offsets import chars_of, pairs_of, unit_positions
from lexel.data.omissions import Losses
from lexel.document import Document, Span, Words

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a file states for all of its records.

    Attributes:
        losses: Counts what a Document cannot hold.
        class_names: The names of numbered classes by column.
    """

    losses: Losses
    class_names: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of one tool's records.

    Attributes:
        name: Its name for ``--from`` and ``--to``.
        tool: The tool, for messages.
        layers: The layers that it holds in addition to the text.
        matches: Whether a record has this shape.
        read: Returns the Document of a record; ``None`` if the annotator rejected it.
        write: Returns the record of a Document.
        is_array: Whether a file is one array; otherwise records are lines.
        columns: The columns of its Parquet files, each ``string`` or ``strings``; empty if the tool reads no Parquet.
    """

    name: str
    tool: str
    layers: frozenset[str]
    matches: Callable[[Values], bool]
    read: Callable[[Values, Context], Document | None]
    write: Callable[[Document, TextOutput, Losses], dict[str, Any]]
    is_array: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)


def text_of(values: Values, *keys: str) -> str:
    """The text under the first of several keys that exists.

    Raises:
        ValueError: If there is none.
    """
    for key in keys:
        if isinstance(values.get(key), str):
            return str(values[key])
    raise ValueError(f"no {keys[0]!r}; expected the string that the offsets index")


def id_of(values: Values, key: str = "id") -> str | None:
    """The id of a record."""
    return None if values.get(key) is None else str(values[key])


CHAR_FIRST, UTF16_FIRST = ("char", "utf16"), ("utf16", "char")


def spans_of(
    text: str,
    found: Iterable[tuple[Any, Any, Any]],
    *,
    said: Sequence[str | None] = (),
    key: str,
    units: tuple[str, str] = CHAR_FIRST,
) -> Levels:
    """Entities from offsets in chars or UTF-16 units, whichever match their words; entities may overlap.

    Args:
        text: The text.
        found: ``(start, end, label)`` of each.
        said: The text of each, if the record gives it.
        key: The key that contains them, for messages.
        units: The unit of the tool, and the other one, which is tried if the first does not match.

    Raises:
        ValueError: If one does not match; the message names the first.
    """
    rows = list(found)
    for i, (_, _, label) in enumerate(rows):
        if not isinstance(label, str):
            raise ValueError(f"{key}[{i}] has label {label!r:.40}; expected a string")
    try:
        pairs = pairs_of([[start, end] for start, end, _ in rows])
        known = [(i, word) for i, word in enumerate(said) if word is not None]
        for unit in units:
            try:
                chars = chars_of(pairs, text, unit=unit).tolist()
            except ValueError:
                if unit == units[-1]:
                    raise
                continue
            if all(text[slice(*chars[i])] == word for i, word in known):
                break
        else:
            i, word = next((i, word) for i, word in known if text[slice(*chars[i])] != word)
            raise ValueError(f"[{i}] is {pairs[i].tolist()} but means {word!r:.40}; expected offsets of these words")
    except ValueError as error:
        raise ValueError(f"{key}{error}" if str(error).startswith("[") else f"{key} {error}") from error
    labelled = [(start, end, label) for (start, end), (_, _, label) in zip(chars, rows, strict=True)]
    return levels_of(text, labelled)


def document_of_levels(text: str, levels: Levels, *, words: Words | None = None, id: str | None) -> Document:
    """A Document of entities on one or several levels."""
    return Document(text, words, levels.entities, id=id, nested=levels.nested)


def utf16_rows(document: Document) -> list[tuple[int, int, Span]]:
    """Each entity with its start and end in UTF-16 units, as used by browser-based tools."""
    spans, positions = document.all_entities, unit_positions(document.text, "utf16")
    starts, ends = (at if positions is None else positions[at] for at in (spans.starts, spans.ends))
    return list(zip(starts.tolist(), ends.tolist(), spans, strict=True))


def listed(values: Values, key: str) -> list[Any]:
    """The list under a key; empty if there is none.

    Raises:
        ValueError: If the value is not a list.
    """
    value = values.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{key!r} is {value!r:.40}; expected a list")
    return value


def named(record: dict[str, Any], document: Document) -> dict[str, Any]:
    """A record with the document's id first, if it has one."""
    return record if document.id is None else {"id": document.id, **record}
