"""Datasets: a function for ``Dataset.map`` that adds words, tags and entities as columns.

    dataset.map(TagColumn("text"), batched=True, num_proc=2)

Needs datasets: ``pip install "lexel[datasets]"``. The model is loaded in each process, on the first batch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from lexel.document import Document
from lexel.tasks.tag import Tagger

COLUMNS = ("words", "pos", "entities")


class TagColumn:
    """Reads a column of texts: ``map(TagColumn("text"), batched=True)``.

    It adds the columns of the model's layers: ``words`` and ``pos`` (strings), and ``entities`` (each with ``start``,
    ``end``, ``label``, ``score``). A text that is ``None`` gives ``None``.

    Args:
        column: The name of the column of texts.
        model: A model folder or a hub id. Default: the bundled Chinese model.
        columns: The columns to add.
        options: Other arguments of ``lexel.load``.
    """

    def __init__(
        self,
        column: str = "text",
        *,
        model: str | os.PathLike[str] | None = None,
        columns: Sequence[str] = COLUMNS,
        **options: Any,
    ) -> None:
        if unknown := set(columns).difference(COLUMNS):
            raise ValueError(f"columns has {min(unknown)!r}; expected some of {', '.join(COLUMNS)}")
        self.column = column
        self.model = model
        self.columns: tuple[str, ...] = tuple(columns)
        self.options = options
        self._tagger: Tagger | None = None

    def __getstate__(self) -> dict[str, Any]:
        """State without the loaded model: other processes load their own, and the cache of ``map`` stays valid."""
        return self.__dict__ | {"_tagger": None}

    def __call__(self, batch: Mapping[str, Sequence[str | None]]) -> dict[str, list[Any]]:
        """The new columns of a batch."""
        if self._tagger is None:
            self._tagger = Tagger.load(self.model, **self.options)
        texts = batch[self.column]
        if isinstance(texts, str):
            raise TypeError(f"column {self.column!r} holds one str; expected a batch. Pass batched=True to map")
        found = self._tagger.stream([text for text in texts if text is not None])
        documents = [None if text is None else next(found) for text in texts]
        there = [name for name in self.columns if name in self._tagger.layers]
        return {name: [None if doc is None else _COLUMN[name](doc) for doc in documents] for name in there}


def _entities(document: Document) -> list[dict[str, Any]]:
    return [{"start": s.start, "end": s.end, "label": s.label, "score": s.score} for s in document.entities]


_COLUMN = {"words": lambda doc: doc.words.texts, "pos": lambda doc: doc.words.pos, "entities": _entities}
