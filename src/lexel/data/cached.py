"""Reads tables from the cache of the ``datasets`` library: Arrow files whose schema names the labels.

A row has words (``tokens`` or ``words``) and a number for each word: the index of its tag in the names that the
schema's metadata lists under ``huggingface`` (https://huggingface.co/docs/datasets/about_arrow).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lexel.data.parquet import first_line
from lexel.data.tags import spans_of_tags
from lexel.data.words import words_joined
from lexel.document import Document
from lexel.errors import DataError, MissingExtra

FORMAT = "datasets"
_WORDS = ("tokens", "words", "form")
_ENTITIES = ("ner_tags", "ner", "tags", "labels", "ner_tag")
_POS = ("upos", "pos_tags", "pos")


def cache_of_datasets() -> Path:
    """The library's cache folder, from the environment variables that it uses."""
    if chosen := os.environ.get("HF_DATASETS_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("HF_HOME") or f"{base}/huggingface").expanduser() / "datasets"


def read_cached(path: str | os.PathLike[str]) -> Iterator[Document]:
    """Reads each row as a Document with words, and with tags and entities if the schema names them.

    Raises:
        DataError: If the file is not such a table.
        MissingExtra: If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtra('reading the cache of datasets needs pyarrow: pip install "lexel[parquet]"') from error
    place = os.fspath(path)
    try:
        with pa.memory_map(place) as file:
            table = pa.ipc.open_stream(file).read_all()
    except (OSError, pa.ArrowException) as error:
        found = f"cannot be read as a table of datasets ({first_line(error)})"
        raise DataError(f"{place}: {found}; expected its cache") from error
    names = _label_names(table.schema.metadata or {})
    columns = table.column_names
    words = next((name for name in _WORDS if name in columns), None)
    if words is None:
        raise DataError(f"{place}: columns {', '.join(columns)}; expected one of {', '.join(_WORDS)}")
    tags = next((name for name in _ENTITIES if name in columns), None)
    pos = next((name for name in _POS if name in columns), None)
    for number, row in enumerate(table.to_pylist(), 1):
        yield _document(row, f"{place}:{number}", words=words, tags=tags, pos=pos, names=names)


def _document(
    row: Mapping[str, Any],
    where: str,
    *,
    words: str,
    tags: str | None,
    pos: str | None,
    names: Mapping[str, list[str]],
) -> Document:
    texts = row[words]
    try:
        entities = (
            None if tags is None else spans_of_tags(_named(row[tags], names.get(tags)), scheme="BIO", repair=True)
        )
        tagged = None if pos is None else _named(row[pos], names.get(pos))
        return words_joined(texts, joiner=None, pos=tagged, entities=entities)
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(f"{where}: cannot be read ({error}); expected words with a tag each") from error


def _named(values: list[Any], names: list[str] | None) -> list[str]:
    return [names[value] if names is not None and isinstance(value, int) else str(value) for value in values]


def _label_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The label names of each column, whatever the name of the enclosing list type."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    found = {}
    for column, feature in features.items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else feature
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, dict) and isinstance(inner.get("names"), list):
            found[column] = inner["names"]
    return found
