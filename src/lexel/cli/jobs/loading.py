"""Loads models from command-line options."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.hub_cache import may_be_downloaded
from lexel.checkpoint.source import fetch
from lexel.cli.options.groups import (
    ComputeOptions,
    EncoderOptions,
    LabelOptions,
    LayerOptions,
    MessageOptions,
    ModelOptions,
    ReadingOptions,
    TagOptions,
)
from lexel.cli.terminal.messages import is_terminal
from lexel.tasks.tag import Tagger

T = TypeVar("T")


def load_tagger(
    model: ModelOptions,
    layers: LayerOptions,
    *,
    labels: LabelOptions,
    reading: ReadingOptions,
    tagging: TagOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
    ignore: str | None = None,
) -> Tagger:
    """Load a tagger with every layer that the checkpoints have a head for."""
    fetch_in_sight((model.model, model.words, layers.pos, layers.entities), model, messages)
    return Tagger.load(
        model.model,
        revision=model.revision,
        words=model.words,
        pos=layers.pos,
        entities=layers.entities,
        entities_on_words=tagging.entities_on_words,
        min_score=tagging.min_score,
        ignore=_names(ignore) or (),
        expects=model.expect,
        **_common(labels, reading, compute),
    )


def load_segmenter(
    model: ModelOptions,
    labels: LabelOptions,
    *,
    reading: ReadingOptions,
    compute: ComputeOptions,
    messages: MessageOptions,
) -> Tagger:
    """Load a tagger that computes only the words head."""
    fetch_in_sight((model.words or model.model,), model, messages)
    common = _common(labels, reading, compute)
    checkpoint = open_checkpoint(
        model.words or model.model,
        revision=None if model.words else model.revision,
        pieces=labels.pieces,
        scheme=labels.scheme,
        labels=common["labels"],
    )
    return Tagger.load(words=checkpoint, **common)


def _common(labels: LabelOptions, reading: ReadingOptions, compute: ComputeOptions) -> dict[str, Any]:
    return {
        **compute.loading,
        "scheme": labels.scheme,
        "labels": _names(labels.labels),
        "pieces": labels.pieces,
        "decode": reading.decode,
        "lexicon": reading.lexicon,
        "snap": reading.snap,
        "script": reading.script,
    }


def _names(typed: str | None) -> list[str] | None:
    """The comma-separated names of an option."""
    return None if typed is None else [name.strip() for name in typed.split(",")]


def load_reader(
    load: Callable[..., T], model: EncoderOptions, *, compute: ComputeOptions, messages: MessageOptions, **options: Any
) -> T:
    """Load the model that the options name, with the ``load`` of its class."""
    fetch_in_sight((model.model,), model, messages)
    named = {field.name: getattr(model, field.name) for field in fields(model) if field.name not in ("model", "locked")}
    return load(model.model, **named, **compute.loading, **options)


def fetch_in_sight(
    sources: tuple[str | None, ...], model: ModelOptions | EncoderOptions, messages: MessageOptions
) -> None:
    """Download models, with progress bars on a terminal; they are then loaded from the cache."""
    if messages.quiet or not is_terminal(sys.stderr):
        return
    for source in sources:
        if source is not None and may_be_downloaded(source):
            fetch(source, revision=model.revision if source == model.model else None, show_progress=True)
