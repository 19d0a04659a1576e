"""Calibrates the scores of each head on labelled data, and finds a minimum score for entities.

Calibration gives each head two numbers, a scale and a shift of its scores' log-odds (Platt 1999). It changes scores,
but never decoding. ``lexel.json`` stores the numbers, and they are applied whenever the folder is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import open_checkpoint
from lexel.checkpoint.heads import describe_heads
from lexel.checkpoint.tuned import NUMBERS, Tuned
from lexel.data.labelled import LabelledFile
from lexel.disk import sha256_of, write_json
from lexel.document import Document, Spans
from lexel.errors import DataError, LabelError
from lexel.evaluation.scores.chunks import (
    LabelIndex,
    Pair,
    chunked,
    flat_layer,
    has_layer,
    shifts_of,
    span_labels,
    word_labels,
)
from lexel.evaluation.scores.predictions import read_pairs
from lexel.metrics.calibration import Reliability, best_threshold, bin_scores, calibrated, fit_platt, reliability_of
from lexel.metrics.spans import match_spans
from lexel.names import Layer
from lexel.tasks.layers import LayerHead
from lexel.tasks.tag import Tagger

LEAST_PREDICTIONS = 50
"""Minimum number of predictions for a calibration."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The predictions of one layer on labelled data.

    Attributes:
        scores: The model's own scores, ``[predictions]``.
        correct: Whether each prediction is right, ``[predictions]``.
        n_gold: Number of gold items.
    """

    scores: NDArray[np.float32]
    correct: NDArray[np.bool_]
    n_gold: int

    def f1(self, kept: NDArray[np.bool_]) -> float:
        """F1 of a selection of the predictions."""
        total = int(kept.sum()) + self.n_gold
        return 2 * int((self.correct & kept).sum()) / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibration of a layer.

    Attributes:
        head: The head of the layer.
        tuned: The values to store for it.
        before: Reliability of the model's own scores.
        after: Reliability of the calibrated scores, on the same data.
        f1: For entities, F1 of all, and of those that reach the minimum score; ``None`` for other layers.
    """

    head: str
    tuned: Tuned
    before: Reliability
    after: Reliability
    f1: tuple[float, float] | None = None


def calibrate(tagger: Tagger, documents: Iterable[Document]) -> dict[Layer, Calibrated]:
    """Calibrate the scores of each layer that a model and labelled documents have.

    A head that gives both words and tags is not calibrated: its two kinds of scores would need two calibrations.

    Args:
        tagger: The model.
        documents: Documents that it was not trained on.

    Raises:
        DataError: If no layer has enough predictions.
        LabelError: If the model knows none of the labels.
    """
    plain = _uncalibrated(tagger)
    shared = _shared_heads(plain.layers)
    judged = {layer: part for layer, part in _judge(plain, documents).items() if layer not in shared}
    found = {
        layer: _calibrated(plain.layers[layer], part, is_entities=layer in ("entities", "nested"))
        for layer, part in judged.items()
        if len(part.scores) >= LEAST_PREDICTIONS
    }
    if not judged:
        raise DataError(
            "calibration: no layer can be calibrated; expected labels of a layer that has a head of its own"
        )
    if not found:
        counts = ", ".join(f"{len(part.scores)} of {layer}" for layer, part in judged.items())
        raise DataError(
            f"calibration: found few predictions ({counts}); expected at least {LEAST_PREDICTIONS} of one layer. Give "
            "more labelled documents"
        )
    return found


def calibrate_folder(
    folder: str | Path, files: Sequence[LabelledFile], *, script_border: float | None = None
) -> dict[Layer, Calibrated]:
    """Calibrate a model folder, and store the result in its ``lexel.json``, in place of earlier values.

    Args:
        folder: A model folder, Lexel's or a plain one.
        files: Labelled files that it was not trained on.
        script_border: For a head for words, a new value of ``Tuned.script_border``; ``None`` keeps the old one.

    Raises:
        DataError: If no layer has enough predictions.
        CheckpointError: If it is not a model folder.
    """
    checkpoint = open_checkpoint(folder)
    tagger = Tagger.load(checkpoint, precision="float32")
    if script_border is not None:
        tagger = _with_border(tagger, script_border)
    found = calibrate(tagger, (document for file in files for document in file.documents()))
    described = describe_heads(checkpoint)
    data = {f"{Path(file.path).parent.name}/{Path(file.path).name}": sha256_of(file.path) for file in files}
    for result in found.values():
        described["heads"][result.head]["tuned"] = _entry(result, data)
    write_json(Path(folder) / "lexel.json", described)
    return found


def described(found: Mapping[Layer, Calibrated]) -> Iterator[str]:
    """The result, one line for each layer."""
    for layer, result in found.items():
        before, after = (100 * part.expected_error for part in (result.before, result.after))
        n = sum(result.before.counts)
        line = f"{layer}: calibration error {before:.2f}, calibrated {after:.2f} ({n:,} predictions)"
        if result.f1 is not None:
            all_of_them, kept = (100 * value for value in result.f1)
            line += f"; minimum score {result.tuned.min_score:g}: F1 {all_of_them:.2f} to {kept:.2f}"
        yield line


def _entry(result: Calibrated, data: Mapping[str, str]) -> dict[str, Any]:
    """The entry for ``lexel.json``: numbers that differ from the defaults, and how they were found."""
    numbers = {name: getattr(result.tuned, name) for name in NUMBERS}
    defaults = Tuned()
    kept = {name: round(value, 6) for name, value in numbers.items() if value != getattr(defaults, name)}
    record: dict[str, Any] = {
        "data": dict(data),
        "predictions": sum(result.before.counts),
        "expected_error": [round(part.expected_error, 6) for part in (result.before, result.after)],
    }
    if result.f1 is not None:
        record["f1"] = [round(value, 6) for value in result.f1]
    return kept | {"record": record}


def _uncalibrated(tagger: Tagger) -> Tagger:
    """The tagger with uncalibrated scores and all entities."""
    return _with_tuned(tagger, lambda _, tuned: Tuned(script_border=tuned.script_border))


def _with_border(tagger: Tagger, border: float) -> Tagger:
    return _with_tuned(tagger, lambda layer, tuned: replace(tuned, script_border=border) if layer == "words" else tuned)


def _with_tuned(tagger: Tagger, change: Callable[[Layer, Tuned], Tuned]) -> Tagger:
    layers = {
        layer: replace(part, head=replace(part.head, tuned=change(layer, part.head.tuned)))
        for layer, part in tagger.layers.items()
    }
    return Tagger(tagger.flows, layers, replace(tagger.options, min_score=None))


def _shared_heads(layers: Mapping[Layer, LayerHead]) -> set[Layer]:
    """Layers whose head also gives another layer."""
    joint = {layer for layer, part in layers.items() if part.head.task == "words+pos"}
    return joint | {layer for layer, part in layers.items() if part.head.task == "spans" and layer != "nested"}


def _judge(tagger: Tagger, documents: Iterable[Document]) -> dict[Layer, Judged]:
    parts: dict[Layer, list[Judged]] = {}
    indexes = {layer: LabelIndex(part.label_set.types or part.head.labels) for layer, part in tagger.layers.items()}
    for chunk in chunked(read_pairs(tagger, documents)):
        for layer in tagger.layers:
            known = [pair for pair in chunk if has_layer(pair.gold, layer)]
            if known:
                parts.setdefault(layer, []).append(_JUDGES[layer](known, indexes[layer]))
    judged = {
        layer: Judged(
            np.concatenate([part.scores for part in own]),
            np.concatenate([part.correct for part in own]),
            sum(part.n_gold for part in own),
        )
        for layer, own in parts.items()
    }
    if judged and not any(part.correct.any() for part in judged.values()):
        raise LabelError(
            "calibration: no prediction is right; expected data with the model's own labels. Map them first"
        )
    return judged


def _judge_words(pairs: Sequence[Pair], _: LabelIndex) -> Judged:
    shifts = shifts_of(pairs)
    gold, found = (
        flat_layer([getattr(pair, side).words for pair in pairs], shifts, None) for side in ("gold", "predicted")
    )
    same = match_spans(gold, found)
    return Judged(_joined(pair.predicted.words.scores for pair in pairs), same.of_predicted >= 0, len(same.of_gold))


def _judge_tags(pairs: Sequence[Pair], index: LabelIndex) -> Judged:
    """Tags of words that were found."""
    shifts = shifts_of(pairs)
    right, read = [pair.gold.words for pair in pairs], [pair.predicted.words for pair in pairs]
    gold = flat_layer(right, shifts, [word_labels(words, index, are_gold=True) for words in right])
    found = flat_layer(read, shifts, [word_labels(words, index, are_gold=False) for words in read])
    is_word = match_spans(gold, found, labelled=False).of_predicted >= 0
    same = match_spans(gold, found).of_predicted >= 0
    return Judged(_joined(words.pos_scores for words in read)[is_word], same[is_word], int(is_word.sum()))


def _judge_entities(pairs: Sequence[Pair], index: LabelIndex) -> Judged:
    both = [pair.gold.entities for pair in pairs], [pair.predicted.entities for pair in pairs]
    return _judge_spans(*both, shifts_of(pairs), index)


def _judge_nested(pairs: Sequence[Pair], index: LabelIndex) -> Judged:
    both = [pair.gold.all_entities for pair in pairs], [pair.predicted.nested for pair in pairs]
    return _judge_spans(*both, shifts_of(pairs), index)


def _judge_spans(right: Sequence[Spans], read: Sequence[Spans], shifts: NDArray[np.int64], index: LabelIndex) -> Judged:
    gold = flat_layer(right, shifts, [span_labels(spans, index, are_gold=True) for spans in right])
    found = flat_layer(read, shifts, [span_labels(spans, index, are_gold=False) for spans in read])
    same = match_spans(gold, found)
    return Judged(_joined(spans.scores for spans in read), same.of_predicted >= 0, len(same.of_gold))


_JUDGES: Mapping[Layer, Callable[[Sequence[Pair], LabelIndex], Judged]] = {
    "words": _judge_words,
    "pos": _judge_tags,
    "entities": _judge_entities,
    "nested": _judge_nested,
}


def _joined(parts: Iterable[NDArray[np.float32] | None]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *(part for part in parts if part is not None)])


def _calibrated(part: LayerHead, judged: Judged, *, is_entities: bool) -> Calibrated:
    scale, shift = fit_platt(judged.scores, judged.correct)
    tuned = replace(part.head.tuned, scale=scale, shift=shift)
    scores = calibrated(judged.scores, scale=scale, shift=shift)
    f1 = None
    if is_entities:
        tuned = replace(tuned, min_score=round(best_threshold(scores, judged.correct, n_gold=judged.n_gold), 3))
        f1 = judged.f1(scores >= 0), judged.f1(scores >= tuned.min_score)
    before, after = (reliability_of(bin_scores(some, judged.correct)) for some in (judged.scores, scores))
    return Calibrated(part.head.name, tuned, before, after, f1)
