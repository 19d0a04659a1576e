"""Shared by the integrations: models that are loaded already, or when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from lexel.document import Words
from lexel.tasks.embed import Embedder
from lexel.tasks.loading import Source
from lexel.tasks.tag import Tagger


def ready_embedder(model: Source | Embedder | None, options: Mapping[str, Any]) -> Embedder:
    """The given embedder, or one loaded from a folder or hub id."""
    return model if isinstance(model, Embedder) else Embedder.load(model, **options)


def query_embedder(embedder: Embedder) -> Embedder:
    """The same embedder with the model's prompt for queries, if it has one."""
    return embedder.with_options(prompt="query") if "query" in embedder.plan.prompts else embedder


@lru_cache(maxsize=1)
def bundled_tagger() -> Tagger:
    """The bundled model, loaded once per process."""
    return Tagger.load()


def ready_tagger(tagger: Tagger | None) -> Callable[[str], Words]:
    """A function that finds the words of a text with a tagger; by default the bundled one, loaded on the first text."""

    def words_of(text: str) -> Words:
        return (bundled_tagger() if tagger is None else tagger)(text).words

    return words_of
