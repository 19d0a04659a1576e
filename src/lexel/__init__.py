"""Lexel reads text with BERT-family encoders: words, part-of-speech tags and named entities with exact offsets.

>>> import lexel
>>> nlp = lexel.load()                      # the bundled Chinese model
>>> doc = nlp("傅達仁今將執行安樂死。")
>>> [(word.text, word.pos) for word in doc.words]      # doctest: +SKIP

Nothing heavy is imported until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lexel.checkpoint import Checkpoint, open_checkpoint
    from lexel.decoding.lexicon import Lexicon
    from lexel.document import Document, Span, Spans, Word, Words
    from lexel.errors import (
        CheckpointError,
        DataError,
        EngineError,
        LabelError,
        LexelError,
        MissingExtra,
        Overloaded,
        WeightError,
    )
    from lexel.tasks.pipeline import pipeline
    from lexel.tasks.tag import Tagger

    load = Tagger.load

__version__ = "0.1.0"

_HOMES = {
    "Checkpoint": "lexel.checkpoint",
    "CheckpointError": "lexel.errors",
    "DataError": "lexel.errors",
    "Document": "lexel.document",
    "EngineError": "lexel.errors",
    "LabelError": "lexel.errors",
    "LexelError": "lexel.errors",
    "Lexicon": "lexel.decoding.lexicon",
    "MissingExtra": "lexel.errors",
    "Overloaded": "lexel.errors",
    "Span": "lexel.document",
    "Spans": "lexel.document",
    "Tagger": "lexel.tasks.tag",
    "WeightError": "lexel.errors",
    "Word": "lexel.document",
    "Words": "lexel.document",
    "open_checkpoint": "lexel.checkpoint",
    "pipeline": "lexel.tasks.pipeline",
}

__all__ = sorted([*_HOMES, "__version__", "load"])  # pyright: ignore


def __getattr__(name: str) -> Any:
    if name == "load":
        return import_module("lexel.tasks.tag").Tagger.load
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'lexel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
