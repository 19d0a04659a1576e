"""Measures the loss and gain of a student against its teacher: scores, decisions, size, speed.

A smaller graph of an exported folder is compared with its model in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.exported import GRAPHS, is_exported
from lexel.checkpoint.sentence_transformers import is_sentence_folder
from lexel.checkpoint.weights import weight_file
from lexel.data.classified import Classified
from lexel.data.questions import Question
from lexel.document import Document
from lexel.engines.choose import EngineOptions
from lexel.errors import CheckpointError
from lexel.evaluation.cost.agreement import vector_agreement
from lexel.evaluation.cost.cost import Cost, LayerCost, Loss
from lexel.evaluation.cost.measure import Tagged, cut_to, flips_between, read_outputs, speeds
from lexel.evaluation.scores.run import EvaluationOptions
from lexel.evaluation.scores.tallies import Sampling, Sums
from lexel.evaluation.scores.texts import evaluate_answerer, evaluate_classifier
from lexel.metrics.resampling import FloatArray, paired_bootstrap
from lexel.metrics.scores import Estimate
from lexel.names import LABELS_PIECES
from lexel.tasks.answer import Answerer
from lexel.tasks.base import Flow
from lexel.tasks.classify import Classifier
from lexel.tasks.embed import Embedder
from lexel.tasks.fill import Filler
from lexel.tasks.loading import start_flow
from lexel.tasks.tag import Tagger

_SAMPLE_CHARS = 200_000
_GUESSED_CHARS = 2_000
"""Number of characters that are masked one by one; each costs one pass over its sentence."""


@dataclass(frozen=True, slots=True)
class Gold:
    """The data that both are scored on.

    Attributes:
        documents: Labelled documents, for heads that tag.
        classified: Texts with their classes, for a classifier.
        questions: Questions with their answers, for a head that answers.
        label_map: The models' names for labels of the documents, if they differ.
    """

    documents: Sequence[Document] = ()
    classified: Sequence[Classified] = ()
    questions: Sequence[Question] = ()
    label_map: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> list[str]:
        """The texts, without their annotation."""
        groups = (
            [document.text for document in self.documents],
            [example.text for example in self.classified],
            list(dict.fromkeys(question.context for question in self.questions)),
        )
        return [text for group in groups for text in group]


def student_cost(
    teacher: Checkpoint,
    student: Checkpoint,
    *,
    gold: Gold,
    texts: Sequence[str],
    engines: tuple[EngineOptions, EngineOptions] | None = None,
    is_timed: bool = True,
) -> Cost:
    """Compare a student with its teacher, each computed as in prediction on this machine.

    Without labelled documents, changed words are counted against the teacher's predictions.

    Args:
        teacher: The teacher.
        student: The student.
        gold: The data that both are scored on.
        texts: Text to compare decisions on; only the beginning of long data is used. A text is left out if the two cut
            it into different pieces because the student's vocabulary lacks one.
        engines: The engines of the two; by default those of prediction.
        is_timed: Whether to also measure their speeds.
    """
    engines = engines or (EngineOptions(), EngineOptions())
    sample = list(cut_to(texts, n_chars=_SAMPLE_CHARS))
    shared = {name: head.task for name, head in student.heads.items() if name in teacher.heads}
    if is_sentence_folder(student.source.folder):
        shared["embed"] = "embed"
    tags = [name for name, task in shared.items() if task in LABELS_PIECES]
    flows = _flow(teacher, tags, engines[0]), _flow(student, tags, engines[1])
    alike = _cut_alike(sample, *flows)
    parts = [_tag_loss((teacher, student), gold, flows, alike, engines)] if tags else []
    for name, task in shared.items():
        if task in _OF_TASK:
            load, compare = _OF_TASK[task]
            both = zip((teacher, student), engines, strict=True)
            models = tuple(load(checkpoint, head=name, options=engine) for checkpoint, engine in both)
            parts.append(compare(name, models, gold, alike if task == "fill" else sample))
    rates = speeds(*flows, sample) if is_timed else (0.0, 0.0)
    return Cost(
        loss=_joined(parts),
        n_bytes=_size(student, engines[1].precision),
        n_bytes_before=_size(teacher, engines[0].precision),
        chars_per_second=rates[1],
        chars_per_second_before=rates[0],
    )


def _joined(parts: Sequence[Loss]) -> Loss:
    """The losses of several heads as one."""
    return Loss(
        layers={name: layer for part in parts for name, layer in part.layers.items()},
        flips={name: flips for part in parts for name, flips in part.flips.items()},
        changed={name: n for part in parts for name, n in part.changed.items()},
        examples=[flip for part in parts for flip in part.examples],
        agreement={name: found for part in parts for name, found in part.agreement.items()},
    )


def _flow(checkpoint: Checkpoint, heads: Sequence[str], engine: EngineOptions) -> Flow:
    """A flow of some heads, or of the last layer if there are none."""
    outputs = heads or [f"hidden.{checkpoint.config.n_layers}"]
    return start_flow(checkpoint, outputs, engine)


# By task -------------------------------------------------------------------------------------------------------------


def _tag_loss(
    both: tuple[Checkpoint, Checkpoint],
    gold: Gold,
    flows: tuple[Flow, Flow],
    alike: Sequence[str],
    engines: tuple[EngineOptions, EngineOptions],
) -> Loss:
    before, after = (read_outputs(flow, alike) for flow in flows)
    flips = flips_between(before, after)
    teacher, student = (
        Tagger.load(checkpoint, options=engine) for checkpoint, engine in zip(both, engines, strict=True)
    )
    documents = gold.documents or list(teacher.stream(alike, live=False))
    if not documents or not ("words" in student.layers or any(len(document.words) for document in documents)):
        return Loss(flips=flips)
    if student.layers.keys() != teacher.layers.keys():  # a single head cannot be decoded jointly
        teacher, student = (
            Tagger(one.flows, one.layers, replace(one.options, joint=False)) for one in (teacher, student)
        )
    options = EvaluationOptions(label_map=gold.label_map, given_words="words" not in student.layers)
    tagged = Tagged(teacher, student, documents, options=options)
    if gold.documents:
        return Loss(tagged.layers(), flips, tagged.changed(), tagged.examples())
    return Loss({}, flips, tagged.changed(), [replace(flip, gold="") for flip in tagged.examples()])


def _class_loss(name: str, models: tuple[Any, Any], gold: Gold, texts: Sequence[str]) -> Loss:
    """Accuracy, or for regression the correlation; and changed classes per thousand texts."""
    found = [[given.labels for given in model.stream(texts, live=False)] for model in models]
    flips = {name: _share_apart(*found)} if texts else {}
    if not gold.classified:
        return Loss(flips=flips)
    scored = [evaluate_classifier(model, gold.classified).classes for model in models]
    before, after = (scores for scores in scored if scores is not None)
    score = "accuracy" if before.accuracy is not None else "pearson"
    return Loss({name: _compared(getattr(before, score), getattr(after, score), score=score)}, flips)


def _answer_loss(name: str, models: tuple[Any, Any], gold: Gold, texts: Sequence[str]) -> Loss:
    """Scores of answers; and answers per thousand that differ from the teacher's."""
    if not gold.questions:
        return Loss()
    asked = [(question.question, question.context) for question in gold.questions]
    answers = [[found.best and found.best.text for found in model.stream(asked, live=False)] for model in models]
    found = [evaluate_answerer(model, gold.questions).answers for model in models]
    before, after = (scores for scores in found if scores is not None)
    layers = {
        name: _compared(before.f1, after.f1),
        f"{name}, exact": _compared(before.exact, after.exact, score="share"),
    }
    return Loss(layers, {name: _share_apart(*answers)})


def _fill_loss(name: str, models: tuple[Any, Any], gold: Gold, texts: Sequence[str]) -> Loss:
    """The geometric mean probability of masked pieces: 1 / pseudo-perplexity."""
    sample = list(cut_to(texts, n_chars=_GUESSED_CHARS))
    tables = [
        np.array([(found.log_prob, len(found)) for found in model.stream_perplexities(sample)]).reshape(-1, 2)
        for model in models
    ]
    if not sample or not tables[0][:, 1].any():
        return Loss()
    before, after = (Sums(table, Sampling()).estimate(_mean_probability) for table in tables)
    sampling = Sampling()
    change = paired_bootstrap(
        tables[1], tables[0], score=_mean_probability, n_samples=sampling.n_samples, seed=sampling.seed
    )
    return Loss({name: LayerCost(before, after, Estimate(change.value, change.low, change.high), "mean probability")})


def _mean_probability(sums: FloatArray) -> FloatArray:
    return np.asarray(np.exp(sums[:, 0] / np.maximum(sums[:, 1], 1)))


def _load_embedder(checkpoint: Checkpoint, *, head: str, options: EngineOptions) -> Embedder:
    """An embedder that pools as the folder says, with a head or by its sentence-transformers files."""
    return Embedder.load(checkpoint, options=options)


def _vector_loss(name: str, models: tuple[Any, Any], gold: Gold, texts: Sequence[str]) -> Loss:
    """The agreement of the vectors of texts."""
    found = vector_agreement(*models, texts)
    return Loss() if found is None else Loss(agreement={name: found})


_Compare = Callable[[str, tuple[Any, Any], Gold, Sequence[str]], Loss]
_OF_TASK: Mapping[str, tuple[Callable[..., Any], _Compare]] = {
    "classify": (Classifier.load, _class_loss),
    "answer": (Answerer.load, _answer_loss),
    "fill": (Filler.load, _fill_loss),
    "embed": (_load_embedder, _vector_loss),
}


def _compared(before: Estimate, after: Estimate, *, score: str = "F1") -> LayerCost:
    return LayerCost(before, after, Estimate(after.value - before.value), score)


def _share_apart(before: Sequence[Any], after: Sequence[Any]) -> float:
    """Number of differences per thousand."""
    return 1000 * float(np.mean([one != other for one, other in zip(before, after, strict=True)]))


# Text and size -------------------------------------------------------------------------------------------------------


def _cut_alike(texts: Sequence[str], *flows: Flow) -> list[str]:
    """The texts that both tokenizers cut into the same pieces."""
    first, second = (flow.tokenizer.encode(texts) for flow in flows)
    return [
        text
        for text, (a, b), (c, d) in zip(texts, _ranges(first.bounds), _ranges(second.bounds), strict=True)
        if np.array_equal(first.starts[a:b], second.starts[c:d]) and np.array_equal(first.ends[a:b], second.ends[c:d])
    ]


def _ranges(bounds: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    return zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)


def _size(checkpoint: Checkpoint, precision: str) -> int:
    folder: Path = checkpoint.source.folder
    if is_exported(folder):
        graph = folder / GRAPHS[precision]
        return sum(path.stat().st_size for path in graph.parent.glob(f"{graph.name}*"))
    name = weight_file(folder)
    if name is None:
        raise CheckpointError(f"{folder}: no weights; expected a model folder")
    return (folder / name).stat().st_size
