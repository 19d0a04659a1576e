"""Loads a checkpoint for a task: the head that the task needs, and a flow that computes only this head."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

from lexel.checkpoint import Checkpoint, Head, open_checkpoint
from lexel.engines.choose import EngineOptions, describe, start_engine
from lexel.errors import LabelError
from lexel.names import TAGGING
from lexel.tasks.base import Flow

Source = str | os.PathLike[str] | Checkpoint

READERS: Mapping[str, str] = {
    **dict.fromkeys(TAGGING, "Tagger"),
    "fill": "Filler",
    "classify": "Classifier",
    "answer": "Answerer",
    "embed": "Embedder",
}
"""The class that reads a head, by the head's task."""

_logger = logging.getLogger("lexel")


def load_checkpoint(source: Source | None, *, revision: str | None = None, pieces: str | None = None) -> Checkpoint:
    """The checkpoint of a source: an opened one, or the folder or hub id to open.

    Only taggers interpret labels, so other tasks accept labels that no tagger could read.

    Raises:
        CheckpointError: If it cannot be used.
    """
    if isinstance(source, Checkpoint):
        return source
    try:
        return open_checkpoint(source, revision=revision, pieces=pieces)
    except LabelError as error:
        try:
            return open_checkpoint(source, revision=revision, pieces=pieces, scheme="bare")
        except LabelError:
            raise error from None


def find_head(checkpoint: Checkpoint, task: str, *, name: str | None = None) -> Head:
    """The head for a task.

    Args:
        checkpoint: The model.
        task: The task of the head.
        name: The name of the head, if the checkpoint has several.

    Raises:
        LabelError: If there is no such head (the message names the existing heads and the classes that read them), or
            there are several and no name.
    """
    heads = [head for head in checkpoint.heads.values() if head.task == task and name in (None, head.name)]
    folder = checkpoint.source.folder
    if len(heads) > 1:
        names = ", ".join(head.name for head in heads)
        raise LabelError(f"{folder}: has several heads for {task}: {names}; say which with head=")
    if not heads:
        wanted = f"no head for {task}" if name is None else f"no head {name!r} for {task}"
        raise LabelError(f"{folder}: {wanted}; {_why_none(checkpoint, task)}")
    return heads[0]


def heads_of(checkpoint: Checkpoint) -> str:
    """The heads of a checkpoint and the classes that read them, for messages."""
    heads = ", ".join(
        f"{head.name} ({head.task}), which {READERS[head.task]} reads" for head in checkpoint.heads.values()
    )
    return f"it has {heads}" if heads else "it holds a bare encoder, which Embedder reads"


def start_flow(
    checkpoint: Checkpoint,
    outputs: Sequence[str],
    options: EngineOptions,
    *,
    script: str = "as-is",
) -> Flow:
    """A flow of a checkpoint that loads only the heads among its outputs.

    Args:
        checkpoint: The model.
        outputs: Names of heads, or ``hidden.N``.
        options: The engine, precision, threads and device.
        script: The Chinese script that the model reads; see ``Flow``.

    Raises:
        CheckpointError: If the checkpoint cannot be used.
        EngineError: If this machine cannot run the requested engine, device or precision.
    """
    engine = start_engine(checkpoint, options, heads=outputs)
    name = str(checkpoint.source.folder)
    batch_pieces = engine.batch_pieces if options.batch_pieces is None else options.batch_pieces
    return Flow(name, checkpoint, engine, outputs=outputs, batch_pieces=batch_pieces, script=script)


def describe_flow(flow: Flow) -> str:
    """The model and the engine, one line each."""
    script = "" if flow.script == "as-is" else f"\nscript: text is read as {flow.script} Chinese"
    return f"{flow.checkpoint.description}\nengine: {describe(flow.engine)}{script}"


def announce(flow: Flow) -> None:
    """Log what was loaded; a restrictive licence is a warning."""
    for line in describe_flow(flow).splitlines():
        _logger.log(logging.WARNING if line == flow.checkpoint.card.notice else logging.INFO, line)


def _why_none(checkpoint: Checkpoint, task: str) -> str:
    config = checkpoint.config
    for ending, head in config.family.missing_heads.items():
        if task == "fill" and (config.architecture or "").endswith(ending):
            return f"{config.architecture} is {head}"
    return f"{heads_of(checkpoint)}. Train such a head first, or choose another checkpoint"
