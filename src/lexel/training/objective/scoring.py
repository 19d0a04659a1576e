"""Evaluation during training: the best tag of each piece, counted document by document in constant memory.

Tags are decided without Viterbi decoding, and words and entities are runs of pieces. The figures are for choosing the
best weights; ``lexel evaluate`` evaluates the finished folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from lexel.decoding.tags import decode_tags
from lexel.errors import OptionError
from lexel.metrics.spans import FlatSpans, Rule, count_spans, flat_spans, spans_of_tags
from lexel.names import SPAN_TASKS
from lexel.tasks.gold import IGNORE
from lexel.training.data.batches import Row, packed_rows
from lexel.training.data.heads import TrainedHead
from lexel.training.data.rows import Batch, Examples, RowBuilder, Target
from lexel.training.distributed import ProcessGroup
from lexel.training.model.model import MultiHead
from lexel.training.objective.losses import Losses
from lexel.training.objective.spans import count_found

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
_CHUNK_PIECES = 65_536
"""Documents of about this many pieces are packed together."""


_SUMS = 7


@dataclass
class _Counts:
    """The sums of one head.

    Attributes:
        values: Gold, predicted and correct spans or classes; correct labels and all labels; the loss and its total.
        by_type: Gold, predicted and correct counts of each type or label, ``[types, 3]``.
    """

    by_type: NDArray[np.float64]
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_SUMS))

    def add(
        self, *, spans: Sequence[float] = (0, 0, 0), right: float = 0, n: float = 0, loss: float = 0, total: float = 0
    ) -> None:
        self.values += (*spans, right, n, loss, total)

    def add_labels(self, gold: IntArray, predicted: IntArray) -> None:
        """Count labels position by position."""
        n = len(self.by_type)
        columns = (gold, predicted, gold[gold == predicted])
        self.by_type += np.stack([np.bincount(labels, minlength=n)[:n] for labels in columns], 1)
        self.add(right=float((gold == predicted).sum()), n=len(gold))

    def flat(self) -> list[float]:
        """All sums in one array, for adding over processes."""
        return [*self.values.tolist(), *self.by_type.ravel().tolist()]

    def restore(self, row: Sequence[float]) -> None:
        """Set the sums from an array of ``flat``."""
        self.values = np.array(row[:_SUMS])
        self.by_type = np.array(row[_SUMS:]).reshape(-1, 3)


class Scorer:
    """Evaluates a model on examples.

    Args:
        examples: The examples.
        builder: Makes batches of them.
        heads: The heads.
        losses: Their losses.
        max_length: Longest sequence.
        batch_pieces: Slots per batch.
        process_group: The processes that share the work.
        metric: A figure to report in addition to the usual ones, such as ``entities/PER/f1``.
    """

    def __init__(
        self,
        examples: Examples,
        builder: RowBuilder,
        heads: Sequence[TrainedHead],
        losses: Losses,
        *,
        max_length: int,
        batch_pieces: int,
        process_group: ProcessGroup,
        metric: str | None = None,
    ) -> None:
        self._examples, self._builder, self._heads, self._losses = examples, builder, heads, losses
        self._max_length, self._batch_pieces, self._process_group = max_length, batch_pieces, process_group
        self._metric = metric

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def measure(self, model: MultiHead) -> dict[str, float]:
        """The figures by column: ``validation_loss``, ``f1``, ``<head>/f1`` ..."""
        was_training = model.training
        model.eval()
        counts = {head.name: _Counts(np.zeros((len(head.types), 3))) for head in self._heads}
        chunks = self._examples.document_chunks(_CHUNK_PIECES)
        for number, (sequences, documents) in enumerate(chunks):
            if number % self._process_group.size == self._process_group.rank:
                self._chunk(model, sequences, documents, counts)
        model.train(was_training)
        rows = [found.flat() for found in counts.values()]
        summed = iter(self._process_group.sum([value for row in rows for value in row]))
        for found, row in zip(counts.values(), rows, strict=True):
            found.restore([next(summed) for _ in row])
        figures = columns(self._heads, {name: found.values for name, found in counts.items()})
        by_type = type_columns(self._heads, {name: found.by_type for name, found in counts.items()})
        return figures | {name: value for name, value in by_type.items() if name == self._metric}

    def _chunk(self, model: MultiHead, sequences: IntArray, documents: IntArray, counts: Mapping[str, _Counts]) -> None:
        """Evaluate some whole documents."""
        lengths = self._examples.lengths[sequences]
        starts = np.cumsum(lengths) - lengths
        tagging = [head for head in self._heads if head.is_tagging]
        gold = {head.name: np.full(int(lengths.sum()), IGNORE, np.int64) for head in tagging}
        best = {head.name: np.zeros(int(lengths.sum()), np.int64) for head in tagging}
        chained = [head for head in tagging if head.options.crf]
        emissions = {head.name: np.zeros((int(lengths.sum()), len(head.labels)), np.float32) for head in chained}
        place = {int(sequence): int(start) for sequence, start in zip(sequences, starts, strict=True)}
        for batch in self._batches(sequences):
            scores = model(batch.to(self._process_group.device))
            self._add_losses(scores, batch, counts)
            sizes = self._examples.lengths[batch.members]
            at = np.concatenate(
                [np.arange(place[int(m)], place[int(m)] + n) for m, n in zip(batch.members, sizes, strict=True)]
            )
            for head in tagging:
                best[head.name][at] = scores[head.name].argmax(-1).cpu().numpy()[batch.slots]
                gold[head.name][at] = batch.targets[head.name].labels.cpu().numpy()[batch.slots]
            for head in chained:
                emissions[head.name][at] = scores[head.name].float().cpu().numpy()[batch.slots]
        document = np.repeat(documents, lengths)
        for head in chained:
            biases = model.head(head.name).crf.biases()
            _decode(head, emissions[head.name], gold[head.name], document, biases, best[head.name])
        for head in tagging:
            _count(head, gold[head.name], best[head.name], document, counts[head.name])

    def _batches(self, sequences: IntArray) -> Iterator[Batch]:
        rows = packed_rows(self._examples.lengths, sequences, max_length=self._max_length)
        batch: list[Row] = []
        for row in sorted(rows, key=lambda row: -row[0]):
            if batch and (len(batch) + 1) * batch[0][0] > self._batch_pieces:
                yield self._builder.build(batch, None)
                batch = []
            batch.append(row)
        if batch:
            yield self._builder.build(batch, None)

    def _add_losses(self, scores: Mapping[str, torch.Tensor], batch: Batch, counts: Mapping[str, _Counts]) -> None:
        known = replace(
            batch, targets={head.name: _without_missed(batch.targets[head.name], head) for head in self._heads}
        )
        totals = self._losses.totals(known)
        found = self._losses.of(scores, known, totals)
        for name, total in zip(self._losses.names, totals, strict=True):
            if name in found:
                counts[name].add(loss=float(found[name]) * total, total=total)
        for head in self._heads:
            target = batch.targets[head.name].to(torch.device("cpu"))
            if target.spans is not None:
                assert head.pointer is not None
                n, n_gold = len(head.labels), len(head.gold_labels)
                by_label = count_found(scores[head.name], target.spans, head.pointer, n_labels=n, n_gold_labels=n_gold)
                counts[head.name].by_type += by_label[:n]
                counts[head.name].add(spans=by_label.sum(0).tolist())
                continue
            _count_sequences(scores[head.name].float().cpu(), target, counts[head.name])


def _without_missed(target: Target, head: TrainedHead) -> Target:
    """The target without labels that the head does not have, which have no loss."""
    n = len(head.labels)
    if not head.missed or target.spans is not None:
        return target
    if target.labels.is_floating_point():
        return replace(target, labels=target.labels[:, :n])
    return replace(target, labels=target.labels.masked_fill(target.labels >= n, IGNORE))


def _count_sequences(scores: torch.Tensor, target: Target, counts: _Counts) -> None:
    """Count predictions at single slots and for whole sequences; tags are counted over documents."""
    labels = target.labels
    if target.segments is not None:
        found = torch.stack([_best_in(scores[:, k], target.segments, n=len(labels)) for k in (0, 1)], 1)
        counts.add(right=float((found == labels).all(1).sum()), n=len(labels))
    elif labels.is_floating_point() and labels.shape[1] > 1:
        gold = labels > 0
        predicted = torch.zeros_like(gold)
        predicted[:, : scores.shape[1]] = scores > 0
        by_label = torch.stack([gold.sum(0), predicted.sum(0), (gold & predicted).sum(0)], 1).double().numpy()
        counts.by_type += by_label[: len(counts.by_type)]
        counts.add(spans=by_label.sum(0).tolist())
    elif target.slots is not None and not labels.is_floating_point():
        known = labels != IGNORE
        gold_ids, best = labels[known].numpy(), scores[known].argmax(-1).numpy()
        if len(counts.by_type):
            counts.add_labels(gold_ids, best)
        else:
            counts.add(right=float((gold_ids == best).sum()), n=len(gold_ids))


def _best_in(scores: torch.Tensor, segments: torch.Tensor, *, n: int) -> torch.Tensor:
    """The slot with the best score in each of ``n`` sequences."""
    largest = scores.new_full((n + 1,), -torch.inf).scatter_reduce(0, segments, scores, "amax")
    at = torch.nonzero(scores == largest[segments])[:, 0].flip(0)  # of equals, the first is written last
    best = torch.zeros(n + 1, dtype=torch.int64)
    best[segments[at]] = at
    return best[:n]


def _decode(
    head: TrainedHead, emissions: FloatArray, gold: IntArray, document: IntArray, biases: FloatArray, best: IntArray
) -> None:
    """Write the best tags of whole documents by a CRF into ``best``."""
    assert head.label_set is not None
    at = np.flatnonzero(gold != IGNORE)
    bounds = np.append(np.flatnonzero(np.diff(document[at], prepend=-1)), len(at)).astype(np.int64)
    best[at] = decode_tags(emissions[at], bounds, head.label_set, biases=biases)


def _count(head: TrainedHead, gold: IntArray, best: IntArray, document: IntArray, counts: _Counts) -> None:
    """Count a head's correct labels and spans over whole documents."""
    at = np.flatnonzero(gold != IGNORE)
    gold, best, document = gold[at], best[at], document[at]
    if head.task not in SPAN_TASKS:
        counts.add_labels(gold, best)
        return
    counts.add(right=float((gold == best).sum()), n=len(gold))
    if not len(gold):
        return
    labels = head.gold_label_set
    breaks = np.flatnonzero((np.diff(at) > 1) | (np.diff(document) != 0)) + 1
    bounds = np.concatenate(([0], breaks, [len(gold)])).astype(np.int64)
    rule: Rule = "strict" if head.task == "entities" else "lenient"
    tables: list[FlatSpans] = [spans_of_tags(tags, bounds, labels, rule=rule) for tags in (gold, best)]
    labelled = [
        flat_spans(np.zeros(t.n_spans, np.int64), t.start, t.end, t.label if labels.types else None) for t in tables
    ]
    spans = count_spans(labelled[0], labelled[1], n_documents=1, n_labels=max(len(labels.types), 1)).sum(0)
    counts.by_type += spans[: len(counts.by_type)]
    counts.add(spans=spans.sum(0).tolist())


def columns(heads: Sequence[TrainedHead], sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """The table's columns from each head's sums.

    With one head, its figures have plain names; with several, ``<head>/<figure>``, and ``f1`` is the mean of the
    heads' main figures. Labels of given words have no F1: it would equal the accuracy.
    """
    found: dict[str, float] = {}
    main, losses = [], []
    for head in heads:
        figures = _figures(head, sums[head.name])
        found |= {(name if len(heads) == 1 else f"{head.name}/{name}"): value for name, value in figures.items()}
        if "loss" in figures:
            losses.append(head.options.loss_weight * figures["loss"])
        if head.task != "fill" and ("f1" in figures or "accuracy" in figures):
            main.append(figures.get("f1", figures.get("accuracy", 0.0)))
    if len(heads) == 1 and "loss" in found:
        found["validation_loss"] = found.pop("loss")
    elif losses:
        found["validation_loss"] = sum(losses)
    if len(heads) > 1 and main:
        found["f1"] = sum(main) / len(main)
    return found


def type_columns(heads: Sequence[TrainedHead], sums: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Precision, recall and F1 of each type or label: ``PER/f1``, with several heads ``entities/PER/f1``."""
    found: dict[str, float] = {}
    for head in heads:
        start = f"{head.name}/" if len(heads) > 1 else ""
        for name, row in zip(head.types, sums[head.name].tolist(), strict=True):
            found |= {f"{start}{name}/{figure}": value for figure, value in _span_figures(*row).items()}
    return found


def _span_figures(gold: float, predicted: float, correct: float) -> dict[str, float]:
    return {
        "precision": correct / predicted if predicted else 0.0,
        "recall": correct / gold if gold else 0.0,
        "f1": 2 * correct / (gold + predicted) if gold + predicted else 0.0,
    }


def metric_of(heads: Sequence[TrainedHead], asked: str | None) -> str:
    """The column that decides which weights are best; ``eval_loss`` and the like are transformers' names.

    Raises:
        OptionError: If these heads have no such column.
    """
    known = columns(heads, {head.name: np.ones(_SUMS) for head in heads})
    if asked is None:
        usual = ("f1",) if all(head.task == "fill" for head in heads) else ("f1", "accuracy")
        return next((name for name in usual if name in known), "validation_loss")
    name = asked.removeprefix("eval_")
    name = "validation_loss" if name == "loss" else name
    by_type = type_columns(heads, {head.name: np.ones((len(head.types), 3)) for head in heads})
    if name not in known and name not in by_type:
        example = f", or of one label, such as {next(reversed(by_type))}" if by_type else ""
        raise OptionError(f"metric_for_best_model: {asked!r}; expected one of {', '.join(sorted(known))}{example}")
    return name


def _figures(head: TrainedHead, sums: NDArray[np.float64]) -> dict[str, float]:
    gold, predicted, correct, right, n, loss, total = sums.tolist()
    figures: dict[str, float] = {}
    if total:
        figures["loss"] = loss / total
    if (
        head.task == "spans"
        or (head.task in SPAN_TASKS and n)
        or (head.options.problem == "multi" and gold + predicted)
    ):
        figures |= _span_figures(gold, predicted, correct)
    if n and head.options.problem not in ("multi", "regression"):
        figures["accuracy"] = right / n
    return figures
