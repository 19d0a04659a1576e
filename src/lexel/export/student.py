"""What a student loses beside its teacher, and what it gains: scores, decisions, size, speed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.heads import TAGGING
from lexel.checkpoint.weights import weight_file
from lexel.data.classified import Classified
from lexel.document import Document
from lexel.engines.choose import EngineOptions
from lexel.errors import CheckpointError
from lexel.evaluation.run import EvaluationOptions, evaluate
from lexel.evaluation.texts import evaluate_classifier
from lexel.export.cost import Cost, LayerCost, flips_between, layer_costs, read_outputs, speeds
from lexel.tasks.base import Flow
from lexel.tasks.classify import Classifier
from lexel.tasks.loading import start_flow
from lexel.tasks.tag import Tagger

_SAMPLE_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Gold:
    """What both are scored on.

    Attributes:
        documents: Labelled documents, for heads that tag.
        classified: Texts with their classes, for a classifier.
        label_map: What the models call labels of the documents that have other names.
    """

    documents: Sequence[Document] = ()
    classified: Sequence[Classified] = ()
    label_map: Mapping[str, str] = field(default_factory=dict)


def student_cost(
    teacher: Checkpoint,
    student: Checkpoint,
    *,
    gold: Gold,
    texts: Sequence[str],
    threads: int | None = None,
) -> Cost:
    """Compare a student with its teacher, each as prediction computes it on this machine.

    Args:
        teacher: What it learnt from.
        student: What has learnt.
        gold: What both are scored on.
        texts: Text to compare decisions on; of much text the beginning. A text that the two cut into other pieces,
            because the student's vocabulary lacks one, is left out.
        threads: Threads to compute with; as prediction does if not given.
    """
    both = (teacher, student)
    sample = list(_beginning(texts))
    shared = [name for name, head in student.heads.items() if name in teacher.heads]
    tags = [name for name in shared if student.heads[name].task in TAGGING]
    classes = next((name for name in shared if student.heads[name].task == "classify"), None)
    before, after = (_flow(checkpoint, tags, threads=threads) for checkpoint in both)
    layers: dict[str, LayerCost] = {}
    flips: dict[str, float] = {}
    if tags:
        layers |= _tag_scores(both, gold, threads=threads)
        alike = _cut_alike(sample, before, after)
        flips |= flips_between(read_outputs(before, alike), read_outputs(after, alike)) if alike else {}
    if classes is not None:
        readers = [Classifier.load(checkpoint, head=classes, threads=threads) for checkpoint in both]
        layers |= _class_scores(readers, gold)
        flips[classes] = _class_flips(readers, sample)
    rates = speeds(before, after, sample)
    return Cost(
        layers=layers,
        flips=flips,
        examples=(),
        n_bytes=_size(student),
        n_bytes_before=_size(teacher),
        chars_per_second=rates[1],
        chars_per_second_before=rates[0],
    )


def _beginning(texts: Sequence[str]) -> Iterator[str]:
    n_chars = 0
    for text in texts:
        if n_chars and n_chars + len(text) > _SAMPLE_CHARS:
            return
        n_chars += len(text)
        yield text


def _flow(checkpoint: Checkpoint, heads: Sequence[str], *, threads: int | None) -> Flow:
    """A flow of some heads, or of the last layer if there are none."""
    outputs = heads or [f"hidden.{checkpoint.config.n_layers}"]
    return start_flow(checkpoint, outputs, EngineOptions(threads=threads))


def _tag_scores(both: Sequence[Checkpoint], gold: Gold, *, threads: int | None) -> dict[str, LayerCost]:
    if not gold.documents:
        return {}
    taggers = [Tagger.load(checkpoint, threads=threads) for checkpoint in both]
    options = EvaluationOptions(label_map=gold.label_map, given_words="words" not in taggers[1].layers)
    before, after = (evaluate(tagger, gold.documents, options=options) for tagger in taggers)
    return layer_costs(before, after)


def _class_scores(readers: Sequence[Classifier], gold: Gold) -> dict[str, LayerCost]:
    """Accuracy, or, of numbers, the correlation."""
    if not gold.classified:
        return {}
    before, after = (evaluate_classifier(reader, gold.classified).classes for reader in readers)
    for name in ("accuracy", "pearson"):
        pair = getattr(before, name), getattr(after, name)
        if None not in pair:
            return {name: LayerCost(*pair)}
    return {}


def _class_flips(readers: Sequence[Classifier], texts: Sequence[str]) -> float:
    """Texts of a thousand that are given other classes."""
    given = [[found.labels for found in reader.stream(texts)] for reader in readers]
    return 1000 * float(np.mean([one != other for one, other in zip(*given, strict=True)])) if texts else 0.0


def _cut_alike(texts: Sequence[str], *flows: Flow) -> list[str]:
    """The texts that both cut into the same pieces."""
    first, second = (flow.tokenizer.encode(texts) for flow in flows)
    return [
        text
        for text, (a, b), (c, d) in zip(texts, _ranges(first.bounds), _ranges(second.bounds), strict=True)
        if np.array_equal(first.starts[a:b], second.starts[c:d]) and np.array_equal(first.ends[a:b], second.ends[c:d])
    ]


def _ranges(bounds: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[tuple[int, int]]:
    return zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)


def _size(checkpoint: Checkpoint) -> int:
    folder: Path = checkpoint.source.folder
    name = weight_file(folder)
    if name is None:
        raise CheckpointError(f"{folder}: no weights; expected a model folder")
    return (folder / name).stat().st_size
