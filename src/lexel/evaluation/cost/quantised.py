"""Measures the loss of a quantised graph against float32, on a written folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.checkpoint.quantised import GRAPH_WEIGHTS, WEIGHTS
from lexel.document import Document
from lexel.engines.choose import EngineOptions
from lexel.engines.heads import computed_heads
from lexel.evaluation.cost.cost import Cost, Loss
from lexel.evaluation.cost.measure import (
    Tagged,
    flips_between,
    read_outputs,
    speeds,
    tolerance_between,
    without_announcements,
)
from lexel.names import TAGGING
from lexel.tasks.base import Flow
from lexel.tasks.loading import start_flow
from lexel.tasks.tag import Tagger


class Scorer:
    """Compares a quantised graph with its original checkpoint.

    Args:
        checkpoint: The original.
        gold: Labelled documents, for heads that tag.
        texts: Text to compare decisions on.
    """

    def __init__(self, checkpoint: Checkpoint, gold: Sequence[Document], *, texts: Sequence[str]) -> None:
        self._checkpoint, self._texts = checkpoint, texts
        with without_announcements():
            self._tagger = Tagger.load(checkpoint, precision="float32") if gold or _tags(checkpoint) else None
        self._has_gold = bool(gold)
        self._documents = gold or ([] if self._tagger is None else list(self._tagger.stream(texts, live=False)))
        self._outputs = read_outputs(_flow(checkpoint, "float32"), texts)

    def loss(self, folder: Path) -> Loss:
        """The differences in predictions of a written folder."""
        quantised = open_checkpoint(folder, is_own=True)
        outputs = read_outputs(_flow(quantised, "int8"), self._texts)
        loss = Loss(flips=flips_between(self._outputs, outputs), tolerance=tolerance_between(self._outputs, outputs))
        if self._tagger is None or not self._documents:
            return loss
        with without_announcements():
            tagged = Tagged(self._tagger, Tagger.load(quantised, precision="int8"), self._documents)
        loss = replace(loss, changed=tagged.changed(), examples=tagged.examples())
        if self._has_gold:
            return replace(loss, layers=tagged.layers())
        return replace(loss, examples=[replace(flip, gold="") for flip in loss.examples])

    def cost(self, folder: Path, loss: Loss) -> Cost:
        """The loss with sizes and speeds; the original runs in the best other precision of this machine."""
        before, after = _flow(self._checkpoint, "auto"), _flow(open_checkpoint(folder, is_own=True), "int8")
        texts = self._texts or [document.text for document in self._documents]
        rates = speeds(before, after, texts) if texts else (0.0, 0.0)
        return Cost(
            loss=loss,
            n_bytes=(folder / GRAPH_WEIGHTS).stat().st_size,
            n_bytes_before=(folder / WEIGHTS).stat().st_size,
            chars_per_second=rates[1],
            chars_per_second_before=rates[0],
        )


def outputs_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The outputs of a quantised graph: every head that an engine computes, and the last layer."""
    return (*computed_heads(checkpoint.heads, checkpoint.open_weights()), f"hidden.{checkpoint.config.n_layers}")


def _tags(checkpoint: Checkpoint) -> bool:
    return any(head.task in TAGGING for head in checkpoint.heads.values())


def _flow(checkpoint: Checkpoint, precision: str) -> Flow:
    """A flow with all compared outputs: all except scores of the vocabulary, which are too many, and of spans."""
    heads = checkpoint.heads
    outputs = [
        name for name in outputs_of(checkpoint) if name not in heads or heads[name].task not in ("fill", "spans")
    ]
    return start_flow(checkpoint, outputs, EngineOptions(engine="openvino", precision=precision))
