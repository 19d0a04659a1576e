"""Decodes scores into Documents: words, tags and entities, for a whole block at once."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal, NamedTuple, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Head
from lexel.decoding.agreement import decode_with_words, recut
from lexel.decoding.lexicon import Lexicon, Matches
from lexel.decoding.pointers import best_apart
from lexel.decoding.script_borders import script_borders
from lexel.decoding.spans import decode_spans
from lexel.decoding.tags import Method, decode_tags, probs_of
from lexel.decoding.words import (
    WordBegins,
    WordTable,
    decode_pos,
    decode_word_begins,
    decode_words,
    force_matches,
    joined_by,
    keep_clusters,
    mean_over,
    pieces_of_words,
    words_by_piece,
)
from lexel.document import Document, Spans, Words
from lexel.labels import LabelSet
from lexel.metrics.calibration import calibrated
from lexel.names import FLAT_LAYERS, Layer
from lexel.tasks.base import Block
from lexel.text.alignment import (
    Chars,
    flat_ranges,
    merge_pieces,
    piece_of_char,
    ranges_to_indexes,
    read_chars,
    trim_blanks,
)
from lexel.text.graphemes import cluster_edges, widen_to_clusters
from lexel.text.pieces import Pieces
from lexel.text.sentences import split_sentences

Snap = Literal["grapheme"]

UNKNOWN_POS = "_"
"""The tag of a word that has only characters that the model's tokenizer drops."""


@dataclass(frozen=True, slots=True)
class LayerHead:
    """The source of a layer: a flow's output, and the meaning of its labels.

    Attributes:
        flow: The name of the flow.
        head: The head.
        label_set: Its labels as tags.
        transitions: Scores of its CRF, ``[labels + 1, labels + 1]``; ``None`` for a head without one.
    """

    flow: str
    head: Head
    label_set: LabelSet
    transitions: NDArray[np.floating[Any]] | None = None

    def calibrated(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The head's scores as calibrated probabilities, ``[...]``."""
        return calibrated(scores, scale=self.head.tuned.scale, shift=self.head.tuned.shift)

    def span_scores(
        self,
        scores: NDArray[np.float32],
        tags: NDArray[np.int32],
        *,
        starts: NDArray[np.int64],
        ends: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """The calibrated mean probability of each span's tags, ``[spans]``; pieces outside spans are not computed."""
        lengths = ends - starts
        inside, places = ranges_to_indexes(starts, lengths), np.cumsum(lengths)
        return self.calibrated(mean_over(probs_of(scores[inside], tags[inside]), places - lengths, places))


class TagKeywords(TypedDict, total=False):
    """The fields of ``TagOptions`` as keywords of ``load`` and of calls; a lexicon may be given as a file or a list."""

    decode: Method
    lexicon: Lexicon | str | os.PathLike[str] | Iterable[str] | None
    biases: Mapping[str, NDArray[np.floating[Any]]] | None
    joint: bool
    entities_on_words: bool
    min_score: float | None
    ignore: Collection[str]
    snap: Snap | None
    max_chars: int | None
    nested: bool


@dataclass(frozen=True, slots=True)
class TagOptions:
    """How scores become words, tags and entities: defaults of a tagger, or the options of one call.

    Attributes:
        decode: ``viterbi`` (the best valid tags) or ``argmax`` (the best tag of each piece).
        lexicon: Words whose boundaries are forced or preferred.
        biases: By layer, scores added to transitions, ``[labels + 1, labels + 1]``; see ``decode_tags``.
        joint: Decode words and entities together if one model reads both from the same pieces, so that no entity begins
            or ends inside a word. If false, each layer is decoded by itself.
        entities_on_words: Widen entities to whole words.
        min_score: Leave out entities with a lower score. ``None`` means the minimum score in the model's folder
            (``lexel calibrate``), 0 keeps all. For a span model, ``None`` means 0.5, and 0 would return every span of a
            text.
        ignore: Labels of entities to leave out.
        snap: ``grapheme`` keeps a user-perceived character (an emoji with its joiners, a flag, a letter with its marks)
            in one word and one entity, whatever the model or a lexicon says; given words do not change.
        max_chars: Refuse longer texts; ``None`` for no limit.
        nested: For a span model, add the layer ``nested`` with all of its spans; ``entities`` has the best ones that do
            not overlap.
    """

    decode: Method = "viterbi"
    lexicon: Lexicon | None = None
    biases: Mapping[str, NDArray[np.floating[Any]]] | None = None
    joint: bool = True
    entities_on_words: bool = False
    min_score: float | None = None
    ignore: Collection[str] = ()
    snap: Snap | None = None
    max_chars: int | None = None
    nested: bool = True

    def __post_init__(self) -> None:
        if self.decode not in ("viterbi", "argmax"):
            raise ValueError(f"decode is {self.decode!r}; expected 'viterbi' or 'argmax'")
        unknown = set(self.biases or ()) - set(FLAT_LAYERS)
        if unknown:
            raise ValueError(f"biases for {min(unknown)!r}; expected layers: {', '.join(FLAT_LAYERS)}")
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score is {self.min_score}; expected a score from 0 to 1")
        if self.snap not in (None, *get_args(Snap)):
            raise ValueError(f"snap is {self.snap!r}; expected 'grapheme', or None")
        if isinstance(self.ignore, str):
            raise TypeError(f"ignore is the str {self.ignore!r}; expected a list of labels")

    def least_score(self, layer: LayerHead) -> float:
        """The minimum score of an entity."""
        return layer.head.tuned.min_score if self.min_score is None else self.min_score

    def span_threshold(self, layer: LayerHead) -> float:
        """The score, before sigmoid and calibration, that a span must exceed; 0 by default."""
        tuned = layer.head.tuned
        if self.min_score is None and not tuned.min_score:
            return 0.0
        return (_logit(self.least_score(layer)) - tuned.shift) / tuned.scale

    @classmethod
    def read(cls, keywords: TagKeywords) -> dict[str, Any]:
        """Keywords as fields: turns a lexicon from a file or a list of words into a ``Lexicon``."""
        read: dict[str, Any] = dict(keywords)
        if "lexicon" in read:
            read["lexicon"] = _lexicon(read["lexicon"])
        return read


def _lexicon(given: Lexicon | str | os.PathLike[str] | Iterable[str] | None) -> Lexicon | None:
    if given is None or isinstance(given, Lexicon):
        return given
    return Lexicon.load(os.fspath(given)) if isinstance(given, str | os.PathLike) else Lexicon(given)


def _logit(prob: float) -> float:
    return -math.inf if prob <= 0 else math.inf if prob >= 1 else math.log(prob / (1 - prob))


def decode_block(block: Block, layers: Mapping[Layer, LayerHead], options: TagOptions) -> Iterator[Document]:
    """The Documents of a block whose flows have been read, in order."""
    return _Decoder(block, layers, options).documents()


class _Decoder:
    """Turns one block's readings into Documents; everything is decoded for the whole block at once."""

    def __init__(self, block: Block, layers: Mapping[Layer, LayerHead], options: TagOptions) -> None:
        self._block = block
        self._layers = layers
        self._options = options
        self._chars: Chars = read_chars(block.texts)
        self._found: WordBegins | None = None
        self._decoded: dict[Layer, NDArray[np.int32]] = {}
        self._edges = cluster_edges(block.texts, self._chars) if options.snap == "grapheme" else None
        self._pieces_by_flow: dict[str, tuple[Pieces, NDArray[np.int64] | None]] = {}
        self._owners: dict[str, NDArray[np.int32]] = {}
        self._ranges: tuple[NDArray[np.int32], tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None
        self._spans: dict[str, _Spans] = {}

    def documents(self) -> Iterator[Document]:
        texts = self._block.texts
        words, scores = self._words()
        pos, entities = self._pos(words), self._entities(words)
        shift = self._chars.bounds[words.text]
        found = Words.of_texts(
            texts,
            _bounds_of(words.text, len(texts)),
            starts=words.start - shift,
            ends=words.end - shift,
            pos_ids=None if pos is None else pos.ids,
            pos_labels=() if pos is None else pos.labels,
            scores=scores,
            pos_scores=None if pos is None else pos.scores,
        )
        if (nested := self._nested(words)) is not None:
            flat = iter(entities or ())
            layers = zip(texts, found, nested, strict=True)
            return (Document(text, own, next(flat, None), split_sentences, nested=every) for text, own, every in layers)
        return map(Document, texts, found, repeat(None) if entities is None else entities, repeat(split_sentences))

    def _words(self) -> tuple[WordTable, NDArray[np.float32] | None]:
        """The words of the block, and their scores if a head found them."""
        if self._block.given_words is not None:
            return _given_words(self._block.given_words, self._chars), None
        layer = self._layers.get("words")
        if layer is None:
            return self._pre_tokenised(), None
        chars, pieces = self._chars, self._pieces(layer.flow)
        found = decode_word_begins(
            self._word_scores(layer),
            layer.label_set,
            piece_bounds=pieces.bounds,
            piece_of_char=self._owner(layer.flow),
            space=chars.space,
            matches=self._matches(),
            method=self._options.decode,
            biases=self._biases("words"),
        )
        found = self._found = self._agreed(found, layer)
        words = self._tiled(found.begins, joined=found.joined, covered=found.covered)
        scores = mean_over(found.probs, *self._pieces_of(words, found.unit_of_char))
        return words, layer.calibrated(scores)

    def _word_scores(self, layer: LayerHead) -> NDArray[np.float32]:
        """The scores for words, with the head's bonus for begins where the script changes, ``[pieces, labels]``."""
        scores, bonus = self._scores(layer), layer.head.tuned.script_border
        if not bonus:
            return scores
        signs, owner = script_borders(self._chars.codes, self._chars.bounds), self._owner(layer.flow)
        borders = signs.nonzero()[0]
        borders = borders[(owner[borders] >= 0) & (owner[borders] != owner[borders - 1])]
        if not len(borders):
            return scores
        scores = scores.copy()
        scores[np.ix_(owner[borders], layer.label_set.begins)] += np.float32(bonus) * signs[borders, None]
        return scores

    def _agreed(self, found: WordBegins, words: LayerHead) -> WordBegins:
        """The best words and entities together, if both are read from the same pieces."""
        layer, options = self._layers.get("entities"), self._options
        if (
            layer is None
            or layer.head.task == "spans"
            or layer.flow != words.flow
            or found.odds is None
            or self._biases("words") is not None
        ):
            return found
        if not options.joint or options.decode != "viterbi":
            return found
        bounds, owner = self._pieces(layer.flow).bounds, self._owner(layer.flow)
        tags = decode_with_words(
            self._scores(layer), bounds, layer.label_set, odds=found.odds, biases=self._biases("entities")
        )
        self._decoded["entities"] = tags
        if options.entities_on_words:
            return found
        found = recut(found, tags, bounds, layer.label_set, words=words.label_set, piece_of_char=owner)
        matches = self._matches()
        if matches is None:
            return found
        return found._replace(joined=found.joined & joined_by(found.begins, matches, space=self._chars.space))

    def _pre_tokenised(self) -> WordTable:
        """The words of the first flow's pre-tokeniser, with a lexicon's forced words in them."""
        chars, matches = self._chars, self._matches()
        flow = next(iter(self._block.readings))
        pieces, owner = self._pieces(flow), self._owner(flow)
        changes = np.ones(len(pieces), np.bool_)
        changes[1:] = (pieces.words[1:] != pieces.words[:-1]) | (np.diff(pieces.texts) != 0)
        begins, joined, covered = words_by_piece(changes, owner), None, owner >= 0
        if matches is not None:
            begins = force_matches(begins, matches, covered=covered)
            covered[matches.start[np.isinf(matches.weight)]] = True
            joined = joined_by(begins, matches, space=chars.space)
        return self._tiled(begins, joined=joined, covered=covered)

    def _pos(self, words: WordTable) -> _Pos | None:
        layer = self._layers.get("pos")
        if layer is None:
            return None
        if layer.head.task == "words+pos":
            return self._typed_pos(layer, words)
        first, end = self._pieces_of(words, self._owner(layer.flow))
        ids, probs = decode_pos(self._scores(layer), first, end, word_label=layer.head.word_label or "first")
        return _Pos.of(ids, layer.head.labels, layer.calibrated(probs))

    def _typed_pos(self, layer: LayerHead, words: WordTable) -> _Pos:
        """Tags from typed boundaries (``B-NOUN``): the decoded type of a word's first piece."""
        if self._found is not None and layer.head is self._layers["words"].head:
            owner, tags, probs = self._found.unit_of_char, self._found.tags, self._found.probs
        else:
            owner, tags = self._owner(layer.flow), self._tags("pos", layer)
            probs = probs_of(self._scores(layer), tags)
        first, end = self._pieces_of(words, owner)
        types = np.append(layer.label_set.type_ids[tags], -1)  # -1 for a word without a piece
        scores = layer.calibrated(mean_over(probs, first, end))
        return _Pos.of(types[np.where(end > first, first, -1)], layer.label_set.types, scores)

    def _entities(self, words: WordTable) -> Iterator[Spans] | None:
        layer = self._layers.get("entities")
        if layer is None:
            return None
        if layer.head.task == "spans":
            found = self._spans_of(layer, words)
            return self._as_layer(found.taken(best_apart(found.starts, found.ends, found.worths)), layer)
        pieces, tags = self._pieces(layer.flow), self._tags("entities", layer)
        spans = decode_spans(tags, pieces.bounds, layer.label_set)
        piece_starts, piece_ends = flat_ranges(self._chars, pieces)
        starts, ends = piece_starts[spans.start], piece_ends[spans.end - 1]
        starts, ends = trim_blanks(self._chars, starts, np.maximum(starts, ends))  # white space may be a piece
        scores = layer.span_scores(self._scores(layer), tags, starts=spans.start, ends=spans.end)
        solid = (ends > starts) & (scores >= self._options.least_score(layer))
        solid &= ~self._ignored(layer.label_set)[spans.type_id]
        kept = np.flatnonzero(solid)
        starts, ends, scores = starts[kept], ends[kept], scores[kept]
        if self._options.entities_on_words:
            starts, ends = _widen(starts, ends, words)
        if self._edges is not None:
            starts, ends = widen_to_clusters(self._edges, starts, ends)
        if self._options.entities_on_words or self._edges is not None:
            apart = np.flatnonzero(_apart(starts, ends, scores))
            kept, starts, ends, scores = kept[apart], starts[apart], ends[apart], scores[apart]
        return self._as_layer(_Spans(spans.text[kept], starts, ends, spans.type_id[kept], scores, scores), layer)

    def _nested(self, words: WordTable) -> Iterator[Spans] | None:
        layer = self._layers.get("nested")
        if layer is None or not self._options.nested:
            return None
        return self._as_layer(self._spans_of(layer, words), layer)

    def _spans_of(self, layer: LayerHead, words: WordTable) -> _Spans:
        """The spans of a head for spans, each place and label once, outer before inner."""
        if layer.flow not in self._spans:
            self._spans[layer.flow] = self._read_spans(layer, words)
        return self._spans[layer.flow]

    def _read_spans(self, layer: LayerHead, words: WordTable) -> _Spans:
        """Keep spans that begin and end with pieces that decide their character: those that ``_pieces`` keeps."""
        rows = self._block.readings[layer.flow].scores[layer.head.name]
        first, last, label = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64) - 1, rows[:, 2].astype(np.int64)
        pieces, speaking = self._merged(layer.flow)
        if speaking is not None:
            kept = np.isin(first, speaking) & np.isin(last, speaking)
            rows, label = rows[kept], label[kept]
            first, last = (np.searchsorted(speaking, ends[kept]) for ends in (first, last))
        piece_starts, piece_ends = flat_ranges(self._chars, pieces)
        starts, ends = piece_starts[first], piece_ends[last]
        starts, ends = trim_blanks(self._chars, starts, np.maximum(starts, ends))
        if self._options.entities_on_words:
            starts, ends = _widen(starts, ends, words)
        if self._edges is not None:
            starts, ends = widen_to_clusters(self._edges, starts, ends)
        worths = rows[:, 3] - self._options.span_threshold(layer)
        scores = layer.calibrated((1 / (1 + np.exp(-rows[:, 3]))).astype(np.float32))
        kept = (ends > starts) & (worths > 0) & ~self._ignored(layer.label_set)[label]
        order = np.flatnonzero(kept)
        order = order[np.lexsort((-rows[order, 3], label[order], -ends[order], starts[order]))]
        places = np.stack((starts[order], ends[order], label[order]))
        order = order[np.append(True, (places[:, 1:] != places[:, :-1]).any(axis=0))[: len(order)]]
        text = pieces.texts[first[order]]
        return _Spans(text, starts[order], ends[order], label[order], scores[order], worths[order])

    def _as_layer(self, spans: _Spans, layer: LayerHead) -> Iterator[Spans]:
        """The spans of each text."""
        shift, texts = self._chars.bounds[spans.text], self._block.texts
        return Spans.of_texts(
            texts,
            _bounds_of(spans.text, len(texts)),
            starts=spans.starts - shift,
            ends=spans.ends - shift,
            label_ids=spans.labels,
            labels=layer.label_set.types,
            scores=spans.scores,
        )

    def _pieces_of(self, words: WordTable, owner: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The range of pieces of each word; layers of one flow often ask for the same."""
        if self._ranges is None or self._ranges[0] is not owner:
            self._ranges = owner, pieces_of_words(words, owner)
        return self._ranges[1]

    def _ignored(self, label_set: LabelSet) -> NDArray[np.bool_]:
        """Whether a type of entity is left out, ``[types]``."""
        return np.array([name in self._options.ignore for name in label_set.types], np.bool_)

    def _scores(self, layer: LayerHead) -> NDArray[np.float32]:
        scores, (_, firsts) = self._block.readings[layer.flow].scores[layer.head.name], self._merged(layer.flow)
        return (scores if firsts is None else scores[firsts]).astype(np.float32, copy=False)

    def _pieces(self, flow: str) -> Pieces:
        """A flow's pieces; of pieces that share a character, only the first counts, as in training."""
        return self._merged(flow)[0]

    def _merged(self, flow: str) -> tuple[Pieces, NDArray[np.int64] | None]:
        if flow not in self._pieces_by_flow:
            self._pieces_by_flow[flow] = merge_pieces(self._block.readings[flow].pieces)
        return self._pieces_by_flow[flow]

    def _tiled(
        self, begins: NDArray[np.bool_], *, joined: NDArray[np.bool_] | None, covered: NDArray[np.bool_]
    ) -> WordTable:
        """The words that cover the texts."""
        chars = self._chars
        if self._edges is not None:
            begins, joined = keep_clusters(begins, self._edges, space=chars.space, joined=joined)
            covered = covered | begins
        return decode_words(begins, chars.space, chars.bounds, joined=joined, covered=covered)

    def _tags(self, name: Layer, layer: LayerHead) -> NDArray[np.int32]:
        if name in self._decoded:
            return self._decoded[name]
        bounds = self._pieces(layer.flow).bounds
        method, biases = self._options.decode, self._biases(name)
        return decode_tags(self._scores(layer), bounds, layer.label_set, method=method, biases=biases)

    def _biases(self, layer: Layer) -> NDArray[np.floating[Any]] | None:
        asked = None if self._options.biases is None else self._options.biases.get(layer)
        source = self._layers.get(layer)
        own = None if source is None else source.transitions
        return asked if own is None else own if asked is None else own + asked

    def _matches(self) -> Matches | None:
        lexicon = self._options.lexicon
        return None if lexicon is None else lexicon.find(self._chars.codes, self._chars.bounds)

    def _owner(self, flow: str) -> NDArray[np.int32]:
        """The piece of a flow that covers each character, ``[chars]``."""
        if flow not in self._owners:
            self._owners[flow] = piece_of_char(self._chars, self._pieces(flow))
        return self._owners[flow]


@dataclass(frozen=True, slots=True)
class _Pos:
    ids: NDArray[np.int32]
    labels: tuple[str, ...]
    scores: NDArray[np.float32]

    @classmethod
    def of(cls, ids: NDArray[np.int32], labels: tuple[str, ...], scores: NDArray[np.float32]) -> _Pos:
        """Tags by index, where -1 stands for none."""
        return cls(np.where(ids < 0, len(labels), ids).astype(np.int32), (*labels, UNKNOWN_POS), scores)


class _Spans(NamedTuple):
    """Labelled spans of a block's texts in order, with offsets in the concatenated texts, each column ``[spans]``."""

    text: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    labels: NDArray[np.integer[Any]]
    scores: NDArray[np.float32]
    worths: NDArray[np.floating[Any]]

    def taken(self, which: NDArray[np.int64]) -> _Spans:
        """A selection of the spans, by index."""
        columns: list[NDArray[Any]] = [column[which] for column in self]
        return _Spans(*columns)


def _bounds_of(text_ids: NDArray[np.int64], n_texts: int) -> NDArray[np.int64]:
    """Where each text's rows begin in a table sorted by text, ``[texts + 1]``."""
    return np.searchsorted(text_ids, np.arange(n_texts + 1)).astype(np.int64, copy=False)


def _given_words(given: Sequence[NDArray[np.int32]], chars: Chars) -> WordTable:
    counts = np.fromiter(map(len, given), np.int64, len(given))
    text = np.repeat(np.arange(len(given)), counts)
    spans = np.concatenate(given).astype(np.int64) if len(given) else np.zeros((0, 2), np.int64)
    shift = chars.bounds[:-1][text]
    return WordTable(spans[:, 0] + shift, spans[:, 1] + shift, text)


def _widen(
    starts: NDArray[np.int64], ends: NDArray[np.int64], words: WordTable
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Spans widened to the words that they overlap."""
    if not len(words.start):
        return starts, ends
    first = np.searchsorted(words.end, starts, side="right")
    last = np.searchsorted(words.start, ends, side="left") - 1
    grown = (first <= last) & (first < len(words.start))
    first, last = np.where(grown, first, 0), np.where(grown, last, 0)
    return (
        np.where(grown, np.minimum(words.start[first], starts), starts),
        np.where(grown, np.maximum(words.end[last], ends), ends),
    )


def _apart(starts: NDArray[np.int64], ends: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The spans to keep so that none overlap: of two that were widened into the same word, the more probable."""
    kept = np.ones(len(starts), np.bool_)
    last = 0
    for i in range(1, len(starts)):
        if starts[i] >= ends[last]:
            last = i
        else:
            loser, last = (last, i) if scores[i] > scores[last] else (i, last)
            kept[loser] = False
    return kept
