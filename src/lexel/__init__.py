"""BERT models on a CPU: words, part-of-speech tags, entities, embeddings and more, with exact character offsets.

>>> import lexel
>>> nlp = lexel.load()  # the bundled Chinese model
>>> doc = nlp("王小明在台北。")
>>> [(entity.text, entity.label) for entity in doc.entities]
[('王小明', 'PER'), ('台北', 'LOC')]

Heavy libraries are imported on first use.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lexel.checkpoint import Checkpoint, open_checkpoint
    from lexel.decoding.lexicon import Lexicon
    from lexel.document import Document, Span, Spans, Word, Words
    from lexel.engines.choose import EngineOptions
    from lexel.errors import (
        CheckpointError,
        DataError,
        EngineError,
        LabelError,
        LexelError,
        MissingExtra,
        OptionError,
        Overloaded,
        PolicyError,
        WeightError,
    )
    from lexel.pipelines.pipeline import pipeline
    from lexel.tasks.answer import Answerer, AnswerOptions
    from lexel.tasks.classify import Classifier, ClassifyOptions
    from lexel.tasks.embed import Embedder
    from lexel.tasks.fill import Filler, FillOptions
    from lexel.tasks.layers import TagOptions
    from lexel.tasks.pooling_choice import EmbedOptions
    from lexel.tasks.tag import Tagger
    from lexel.tasks.zero_shot import ZeroShotClassifier, ZeroShotOptions

    load = Tagger.load

__version__ = "0.1.0"

# OpenVINO and NNCF report their use through openvino_telemetry, and do without it where it cannot be imported.
# The hub library names this machine's other libraries in its requests. Both must be told before their import.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__all__ = [
    "AnswerOptions",
    "Answerer",
    "Checkpoint",
    "CheckpointError",
    "Classifier",
    "ClassifyOptions",
    "DataError",
    "Document",
    "EmbedOptions",
    "Embedder",
    "EngineError",
    "EngineOptions",
    "FillOptions",
    "Filler",
    "LabelError",
    "LexelError",
    "Lexicon",
    "MissingExtra",
    "OptionError",
    "Overloaded",
    "PolicyError",
    "Span",
    "Spans",
    "TagOptions",
    "Tagger",
    "WeightError",
    "Word",
    "Words",
    "ZeroShotClassifier",
    "ZeroShotOptions",
    "__version__",
    "load",
    "open_checkpoint",
    "pipeline",
]

_HOMES = {
    "lexel.checkpoint": ("Checkpoint", "open_checkpoint"),
    "lexel.decoding.lexicon": ("Lexicon",),
    "lexel.document": ("Document", "Span", "Spans", "Word", "Words"),
    "lexel.engines.choose": ("EngineOptions",),
    "lexel.tasks.answer": ("AnswerOptions", "Answerer"),
    "lexel.tasks.classify": ("Classifier", "ClassifyOptions"),
    "lexel.tasks.embed": ("Embedder",),
    "lexel.tasks.fill": ("FillOptions", "Filler"),
    "lexel.pipelines.pipeline": ("pipeline",),
    "lexel.tasks.layers": ("TagOptions",),
    "lexel.tasks.pooling_choice": ("EmbedOptions",),
    "lexel.tasks.tag": ("Tagger",),
    "lexel.tasks.zero_shot": ("ZeroShotClassifier", "ZeroShotOptions"),
}
"""Where each public name lives; the errors are the rest."""


def __getattr__(name: str) -> Any:
    if name == "load":
        return import_module("lexel.tasks.tag").Tagger.load
    if name not in __all__:
        raise AttributeError(f"module 'lexel' has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "lexel.errors")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
