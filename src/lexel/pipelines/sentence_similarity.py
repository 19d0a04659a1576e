"""Similarity of a sentence to several others, in the form of the hub's sentence-similarity task.

pipe({"source_sentence": "...", "sentences": ["...", "..."]})     # [0.83, 0.12]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lexel.tasks.embed import Embedder

OPTIONS = ("pooling", "layer", "prompt")
_KEYS = ("source_sentence", "sentences")


class SentenceSimilarityPipeline:
    """Compares sentences by the cosine of their vectors. Safe to call from several threads.

    Made by ``lexel.pipeline``.

    Attributes:
        task: ``sentence-similarity``.
    """

    task = "sentence-similarity"

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, inputs: Any = None, **given: Any) -> list[float]:
        """The similarity of ``source_sentence`` to each of ``sentences``, from -1 to 1.

        Args:
            inputs: A mapping with both; or pass them by name.
            given: ``source_sentence`` and ``sentences``.

        Raises:
            TypeError: If one of them is missing, or has the wrong type.
        """
        values = {**(inputs if isinstance(inputs, Mapping) else {}), **given}
        if (inputs is not None and not isinstance(inputs, Mapping)) or set(values) != set(_KEYS):
            found = ", ".join(map(repr, values)) or f"a {type(inputs).__name__}"
            raise TypeError(
                f"inputs: found {found}; expected 'source_sentence' (a str) and 'sentences' (a list of them)"
            )
        source, sentences = (values[key] for key in _KEYS)
        if not isinstance(source, str) or not isinstance(sentences, list | tuple):
            kinds = f"{type(source).__name__} and {type(sentences).__name__}"
            raise TypeError(f"source_sentence and sentences: found {kinds}; expected a str and a list of them")
        similar: list[float] = self._embedder.similarity(source, sentences).tolist()
        return similar

    @property
    def description(self) -> str:
        """The model and the engine, one line each."""
        return self._embedder.description
