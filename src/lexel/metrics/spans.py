"""Spans of many documents: reads them from tags by two rules, matches them and counts them.

**Lenient** is the rule of conlleval, the scorer of the CoNLL shared tasks (and of seqeval unless told otherwise): a
span begins at ``B``, ``S``, after an end, after ``O`` and where the type changes, so ``O I-PER I-PER`` is a span.
**Strict** keeps only those spans whose tags are exactly the ones that the scheme writes for them (seqeval with
``mode="strict"``): in BIO, a span must begin with ``B``; in BIOES, a span of one must be ``S`` and a longer one must
end in ``E``. Both rules agree on well-formed tags.

* conlleval: https://www.clips.uantwerpen.be/conll2000/chunking/conlleval.txt
* seqeval: https://github.com/chakki-works/seqeval. In IOB1 and IOE1, its strict mode differs from the rule above on
  ill-formed tags (``O B-X I-X`` gives only the ``I-X``); well-formed ones are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.labels import LabelSet

Rule = Literal["strict", "lenient"]
RULES: tuple[Rule, ...] = ("strict", "lenient")

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
_LARGEST_KEY = 2**62


class FlatSpans(NamedTuple):
    """The spans of many documents.

    Attributes:
        document: The document of each span, ``[spans]``.
        start: First position, counted in its document or through all of them, ``[spans]``.
        end: One past the last, ``[spans]``.
        label: The label as a number; all 0 if there are no labels, ``[spans]``.
    """

    document: IntArray
    start: IntArray
    end: IntArray
    label: IntArray

    @property
    def n_spans(self) -> int:
        """The number of spans (``len`` counts the four fields)."""
        return len(self.start)

    def taken(self, which: IntArray | BoolArray) -> FlatSpans:
        """The spans at an index or mask."""
        return FlatSpans(*(column[which] for column in self))


class Matching(NamedTuple):
    """The equal spans of two tables.

    Attributes:
        of_gold: Index of the equal predicted span, else -1, ``[gold spans]``.
        of_predicted: Index of the equal gold span, else -1, ``[predicted spans]``.
    """

    of_gold: IntArray
    of_predicted: IntArray


def flat_spans(
    document: Sequence[int] | NDArray[np.integer],
    start: Sequence[int] | NDArray[np.integer],
    end: Sequence[int] | NDArray[np.integer],
    label: Sequence[int] | NDArray[np.integer] | None = None,
) -> FlatSpans:
    """A table from its columns."""
    starts = np.asarray(start, np.int64)
    labels = np.zeros(len(starts), np.int64) if label is None else np.asarray(label, np.int64)
    return FlatSpans(np.asarray(document, np.int64), starts, np.asarray(end, np.int64), labels)


def spans_of_tags(
    tags: NDArray[np.integer], bounds: NDArray[np.integer], label_set: LabelSet, *, rule: Rule
) -> FlatSpans:
    """Read the spans from tags.

    Args:
        tags: Index of each position's tag in the label set, ``[positions]``.
        bounds: Document ``i`` owns the positions ``[bounds[i], bounds[i + 1])``, ``[documents + 1]``.
        label_set: The label set of the tags.
        rule: ``lenient`` or ``strict``.
    """
    spans = _lenient_spans(tags, bounds, label_set)
    return spans if rule == "lenient" else spans.taken(are_well_formed(spans, tags, label_set))


def _lenient_spans(tags: NDArray[np.integer], bounds: NDArray[np.integer], label_set: LabelSet) -> FlatSpans:
    inside = label_set.inside[tags]
    opens = _unit_begins(tags, bounds, label_set)
    closes = np.ones_like(opens)
    closes[:-1] = opens[1:]
    start, last = np.flatnonzero(opens & inside), np.flatnonzero(closes & inside)
    document = np.searchsorted(bounds, start, side="right") - 1
    return FlatSpans(document, start, last + 1, label_set.type_ids[tags[start]].astype(np.int64))


def _unit_begins(tags: NDArray[np.integer], bounds: NDArray[np.integer], label_set: LabelSet) -> BoolArray:
    """Whether a span, or a position outside, begins here, ``[positions]``."""
    types, outside = label_set.type_ids[tags], label_set.outside[tags]
    begins = np.ones(len(tags), np.bool_)
    begins[1:] = (types[1:] != types[:-1]) | outside[1:] | outside[:-1]
    begins[1:] |= label_set.begins[tags[1:]] | label_set.ends[tags[:-1]]
    begins[bounds[:-1][bounds[:-1] < len(tags)]] = True
    return begins


def are_well_formed(spans: FlatSpans, tags: NDArray[np.integer], label_set: LabelSet) -> BoolArray:
    """Whether the tags of each lenient span are those that the scheme writes, ``[spans]``.

    A tag that a type does not have at all is not required.

    Args:
        spans: The spans from the lenient rule, with positions counted through all documents.
        tags: Index of each position's tag, ``[positions]``.
        label_set: The label set of the tags.
    """
    begins, ends = label_set.begins, label_set.ends
    is_begin, is_end = begins[tags[spans.start]], ends[tags[spans.end - 1]]
    match label_set.scheme:
        case "IOB1":
            fits = is_begin == _touching(spans)[0]
        case "IOE1":
            fits = is_end == _touching(spans)[1]
        case "BIO" | "BI":
            fits = is_begin | ~_typed(begins, label_set)[spans.label]
        case "IOE2":
            fits = is_end | ~_typed(ends, label_set)[spans.label]
        case "BIOES" | "BILOU" | "BMES":
            has_single = _typed(begins & ends, label_set)[spans.label]
            begins_well = is_begin | ~_typed(begins & ~ends, label_set)[spans.label]
            ends_well = is_end | ~_typed(ends & ~begins, label_set)[spans.label]
            single = np.where(has_single, is_begin & is_end, begins_well)
            fits = np.where(spans.end - spans.start == 1, single, begins_well & ends_well)
        case _:
            fits = np.ones(spans.n_spans, np.bool_)
    return np.asarray(fits, np.bool_)


def _typed(which: BoolArray, label_set: LabelSet) -> BoolArray:
    """Whether each type has such a tag, ``[types]``."""
    has = np.zeros(max(len(label_set.types), 1), np.bool_)
    has[label_set.type_ids[which & label_set.inside]] = True
    return has


def _touching(spans: FlatSpans) -> tuple[BoolArray, BoolArray]:
    """Whether a span of the same label ends where each starts, and whether one starts at its end, ``[spans]`` each."""
    meets = (spans.end[:-1] == spans.start[1:]) & (spans.label[:-1] == spans.label[1:])
    meets &= spans.document[:-1] == spans.document[1:]
    before, after = np.zeros(spans.n_spans, np.bool_), np.zeros(spans.n_spans, np.bool_)
    before[1:], after[:-1] = meets, meets
    return before, after


def match_spans(gold: FlatSpans, predicted: FlatSpans, *, labelled: bool = True) -> Matching:
    """Find the spans that are equal in both.

    Args:
        gold: The gold spans; see ``distinct`` for duplicates.
        predicted: The predicted spans.
        labelled: Whether the labels must also be equal.
    """
    gold_keys, predicted_keys = _keys(gold, predicted, labelled=labelled)
    return Matching(_indexes(gold_keys, predicted_keys), _indexes(predicted_keys, gold_keys))


def distinct(spans: FlatSpans) -> FlatSpans:
    """The spans without duplicates, in order of document, start, end and label."""
    keys, _ = _keys(spans, spans, labelled=True)
    return spans.taken(np.unique(keys, return_index=True)[1])


def _keys(gold: FlatSpans, predicted: FlatSpans, *, labelled: bool) -> tuple[IntArray, IntArray]:
    """A number for each span: equal for equal spans, and in their order."""
    columns = [np.concatenate(pair) for pair in zip(gold, predicted, strict=True)]
    keys = columns[0]
    for column in columns[1 : 4 if labelled else 3]:
        size = int(column.max(initial=0)) + 1
        if int(keys.max(initial=0)) >= _LARGEST_KEY // size:
            keys = np.unique(keys, return_inverse=True)[1].astype(np.int64)
        keys = keys * size + column
    return keys[: gold.n_spans], keys[gold.n_spans :]


def _indexes(wanted: IntArray, keys: IntArray) -> IntArray:
    """The first index of each wanted key among the keys, else -1, ``[wanted]``."""
    if not len(keys):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys, wanted, sorter=order)
    found = order[np.minimum(at, len(keys) - 1)]
    return np.where(keys[found] == wanted, found, -1)


def count_spans(gold: FlatSpans, predicted: FlatSpans, *, n_documents: int, n_labels: int = 1) -> IntArray:
    """Count gold, predicted and correct spans, ``[documents, labels, 3]``; each span counts once.

    Args:
        gold: The gold spans.
        predicted: The predicted spans.
        n_documents: The number of documents, including those without spans.
        n_labels: The number of labels, which matters even if all are summed later.
    """
    gold, predicted = distinct(gold), distinct(predicted)
    correct = gold.taken(match_spans(gold, predicted).of_gold >= 0)
    return np.stack([_per_cell(spans, n_documents, n_labels) for spans in (gold, predicted, correct)], axis=-1)


def _per_cell(spans: FlatSpans, n_documents: int, n_labels: int) -> IntArray:
    cells = np.bincount(spans.document * n_labels + spans.label, minlength=n_documents * n_labels)
    return cells.reshape(n_documents, n_labels).astype(np.int64)
