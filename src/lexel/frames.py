"""Columns of pandas and polars frames: words, tags, entities and vectors of a column of texts.

    frame = frames.tag(frame, "text")              # adds the columns words, pos, entities
    names = frames.entities(frame, "text")         # a row for each entity, with the row of its text
    frame = frames.embed(frame, "text", embedder)  # adds the column vector

A missing text gives missing results. Needs pandas or polars: ``pip install "lexel[pandas]"``, ``"lexel[polars]"``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat
from typing import Any, TypeVar

from lexel.document import Document
from lexel.tasks.embed import Embedder
from lexel.tasks.tag import Tagger

Frame = TypeVar("Frame")

_ENTITY_COLUMNS = ("row", "start", "end", "text", "label", "score")


def tag(frame: Frame, column: str, *, tagger: Tagger | None = None) -> Frame:
    """The frame with a list column for each layer that the model has: ``words``, ``pos`` and ``entities``.

    Entities are objects with ``start``, ``end``, ``text``, ``label`` and ``score``.

    Args:
        frame: A pandas or polars frame.
        column: The column of texts.
        tagger: The tagger to use. Default: the bundled model.

    Raises:
        KeyError: If the frame has no such column.
        TypeError: If it is not a frame, or a text is not a string.
    """
    tagger = tagger or Tagger.load()
    documents = list(_documents(_texts(frame, column), tagger))
    columns: dict[str, list[Any]] = {}
    if "words" in tagger.layers:
        columns["words"] = [None if doc is None else doc.words.texts for doc in documents]
    if "pos" in tagger.layers:
        columns["pos"] = [None if doc is None else doc.words.pos for doc in documents]
    if "entities" in tagger.layers:
        columns["entities"] = [None if doc is None else [e._asdict() for e in doc.entities] for doc in documents]
    return _with_columns(frame, columns)


def entities(frame: Frame, column: str, *, tagger: Tagger | None = None) -> Frame:
    """A frame of the same kind with a row for each entity: ``row start end text label score``.

    Args:
        frame: A pandas or polars frame.
        column: The column of texts.
        tagger: The tagger to use. Default: the bundled model.

    Returns:
        ``row`` is the position of the text in the frame, from 0; in pandas it is also the index, so ``join`` works.
    """
    documents = _documents(_texts(frame, column), tagger or Tagger.load())
    rows = [(row, *_fields(span)) for row, doc in enumerate(documents) if doc is not None for span in doc.entities]
    columns = dict(zip(_ENTITY_COLUMNS, map(list, zip(*rows, strict=True)) if rows else repeat([]), strict=False))
    return _new_frame(frame, columns)


def embed(frame: Frame, column: str, embedder: Embedder, *, name: str = "vector") -> Frame:
    """The frame with a column of vectors: arrays in pandas, ``Array(Float32)`` in polars.

    Args:
        frame: A pandas or polars frame.
        column: The column of texts.
        embedder: The embedder to use.
        name: The new column's name.
    """
    texts = _texts(frame, column)
    vectors = iter(embedder.encode([text for text in texts if text is not None]))
    found = [None if text is None else next(vectors) for text in texts]
    if _library(frame) == "polars":
        import polars

        dtype = polars.Array(polars.Float32, embedder.plan.size)
        rows = [None if vector is None else vector.tolist() for vector in found]
        return _with_columns(frame, {name: polars.Series(name, rows, dtype)})
    return _with_columns(frame, {name: found})


def _fields(span: Any) -> tuple[Any, ...]:
    return span.start, span.end, span.text, span.label, span.score


def _documents(texts: list[str | None], tagger: Tagger) -> Iterator[Document | None]:
    found = tagger.stream([text for text in texts if text is not None])
    return (None if text is None else next(found) for text in texts)


def _library(frame: Any) -> str:
    library = type(frame).__module__.partition(".")[0]
    if library not in ("pandas", "polars") or type(frame).__name__ != "DataFrame":
        found = f"{library}'s {type(frame).__name__}"
        raise TypeError(f"frame is {found}; expected a DataFrame of pandas or polars. Collect a LazyFrame first")
    return library


def _texts(frame: Any, column: str) -> list[str | None]:
    """The texts of a column, ``None`` where one is missing."""
    library = _library(frame)
    if column not in frame.columns:
        raise KeyError(f"no column {column!r}; the frame has {', '.join(map(repr, frame.columns))}")
    series = frame[column]
    if library == "polars":
        return list(series.to_list())
    return [None if missing else text for text, missing in zip(series, series.isna(), strict=True)]


def _with_columns(frame: Frame, columns: Mapping[str, Any]) -> Frame:
    given: Any = frame
    found: Frame
    if _library(frame) == "polars":
        import polars

        found = given.with_columns(polars.Series(name, values) for name, values in columns.items())
    else:
        import pandas

        found = given.assign(**{name: pandas.Series(v, given.index, dtype=object) for name, v in columns.items()})
    return found


def _new_frame(frame: Frame, columns: Mapping[str, list[Any]]) -> Frame:
    given: Any = frame
    found: Frame
    if _library(frame) == "polars":
        import polars

        integer, text = polars.Int64, polars.String
        types = (integer, integer, integer, text, text, polars.Float64)
        found = polars.DataFrame(columns, schema=dict(zip(_ENTITY_COLUMNS, types, strict=True)))
    else:
        import pandas

        found = pandas.DataFrame(columns, index=given.index[columns["row"]])
    return found
