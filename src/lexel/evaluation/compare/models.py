"""The models of a comparison: their facts, predictions, speed and memory.

A ``ComparedModel`` hides where the model runs. ``LocalModel`` runs it in this process; ``ChildModel`` (in ``child``)
in a separate process, so that its memory is that of one model.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.weights import read_tensors, weight_file
from lexel.document import Document
from lexel.evaluation.scores.likelihood import DocumentLoss
from lexel.evaluation.scores.predictions import read_pairs
from lexel.evaluation.scores.provenance import describe_models
from lexel.evaluation.scores.run import Abilities
from lexel.names import Layer
from lexel.tasks.tag import Tagger


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about a model.

    Attributes:
        name: Its name in the comparison.
        abilities: The layers that it reads.
        parameters: Number of parameters.
        disk_bytes: Size of its folder.
        licence: The licence in its card; ``None`` if there is none.
        notice: A warning about the licence, if any.
        described: Revision, checksums, engine, precision, threads.
    """

    name: str
    abilities: Abilities
    parameters: int
    disk_bytes: int
    licence: str | None
    notice: str | None
    described: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """A model's prediction for one document, with values that a Document does not hold; see ``chunks.Pair``."""

    document: Document
    is_strict: NDArray[np.bool_]
    losses: Mapping[Layer, DocumentLoss] = field(default_factory=dict)


class ComparedModel(Protocol):
    """A model that is ready to read.

    Attributes:
        facts: What it is.
    """

    @property
    def facts(self) -> ModelFacts: ...

    def read(self, documents: Sequence[Document], *, given_words: bool) -> list[ModelOutput]:
        """Its predictions for the texts of gold documents, one for each."""
        ...

    def seconds(self, documents: Sequence[Document], *, given_words: bool) -> float:
        """Time of one pass over the texts, in seconds; results are not kept."""
        ...

    def peak_bytes(self) -> int | None:
        """Peak memory of its process; ``None`` if it cannot be measured."""
        ...


class LocalModel:
    """A model in this process."""

    def __init__(self, tagger: Tagger, *, name: str) -> None:
        self._tagger = tagger
        (flow, *_) = tagger.flows
        checkpoint = flow.checkpoint
        self.facts = ModelFacts(
            name=name,
            abilities=Abilities.of(tagger),
            parameters=_count_parameters(checkpoint),
            disk_bytes=sum(path.stat().st_size for path in checkpoint.source.folder.rglob("*") if path.is_file()),
            licence=checkpoint.card.licence,
            notice=checkpoint.card.notice,
            described=describe_models(tagger)[0],
        )

    def read(self, documents: Sequence[Document], *, given_words: bool) -> list[ModelOutput]:
        """See ``ComparedModel.read``."""
        pairs = read_pairs(self._tagger, documents, given_words=given_words)
        return [ModelOutput(pair.predicted, pair.is_strict, pair.losses) for pair in pairs]

    def seconds(self, documents: Sequence[Document], *, given_words: bool) -> float:
        """See ``ComparedModel.seconds``."""
        began = perf_counter()
        for _ in self._tagger.stream_documents(documents, given_words=given_words, live=False):
            pass
        return perf_counter() - began

    def peak_bytes(self) -> int | None:
        """See ``ComparedModel.peak_bytes``."""
        return peak_bytes()


def _count_parameters(checkpoint: Checkpoint) -> int:
    folder = checkpoint.source.folder
    file = weight_file(folder)
    tensors = {} if file is None else read_tensors(folder, file)
    return sum(tensor.values.size for tensor in tensors.values())


def peak_bytes() -> int | None:
    """Peak memory of this process, including file mappings; ``None`` where the system does not report it (Windows).

    Linux's ``ru_maxrss`` cannot be used: it also counts the process before it became this program.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return _peak_by_resource()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def _peak_by_resource() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
