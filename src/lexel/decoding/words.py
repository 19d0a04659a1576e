"""Words from boundaries: the rule that tiles a text, and the way from pieces to characters.

Words tile a text: a character outside every word is whitespace. Whitespace ends a word unless a lexicon entry holds it.
Characters that the tokenizer drops (control characters, zero-width ones) join the word before them, else the word
after, else form one.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.lexicon import Matches
from lexel.decoding.spans import text_of, unit_begins
from lexel.decoding.tags import Method, best_tags, decode_tags, probs_of, softmax
from lexel.labels import LabelSet

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]


class WordTable(NamedTuple):
    """The words of a batch, in order.

    Attributes:
        start: First character, counted through the batch, ``[words]``.
        end: One past the last character, ``[words]``.
        text: Index of the word's text, ``[words]``.
    """

    start: IntArray
    end: IntArray
    text: IntArray

    @property
    def n_words(self) -> int:
        """How many words there are (``len`` counts the three fields)."""
        return len(self.start)


class WordBegins(NamedTuple):
    """What a head for words says, before the tiling rule.

    A unit is a piece, or a part of one where a lexicon cut it.

    Attributes:
        begins: Does a word begin at this character? ``[chars]``
        joined: Is it whitespace inside a lexicon's word? ``[chars]``
        covered: Is it in a piece, or the start of a forced word? What ``decode_words`` takes, ``[chars]``.
        unit_of_char: The unit that covers each character, -1 where none, ``[chars]``.
        tags: Index of each unit's tag, ``[units]``.
        probs: Probability of that tag, ``[units]``.
        odds: Log-odds of a begin at each piece, the lexicon's bonuses included, ``[pieces]``; ``None`` where the scheme
            decides pieces together (all but BI).
    """

    begins: BoolArray
    joined: BoolArray
    covered: BoolArray
    unit_of_char: NDArray[np.int32]
    tags: NDArray[np.int32]
    probs: FloatArray
    odds: DoubleArray | None = None


def decode_words(
    begins: BoolArray,
    space: BoolArray,
    bounds: IntArray,
    *,
    joined: BoolArray | None = None,
    covered: BoolArray | None = None,
) -> WordTable:
    """Tile texts with words.

    Args:
        begins: Does a word begin at this character? ``[chars]``
        space: Is it whitespace? ``[chars]``
        bounds: Text ``i`` owns the characters ``[bounds[i], bounds[i + 1])``, ``[texts + 1]``.
        joined: Whitespace that belongs to a word all the same, ``[chars]``; ``None`` for none.
        covered: Is the character in a piece? One that is not begins no word, ``[chars]``; ``None`` if all are.
    """
    black = ~space if joined is None else ~space | joined
    run_begins = black.copy()  # the first character after whitespace, or of a text
    run_begins[1:] &= ~black[:-1]
    heads = bounds[:-1][bounds[:-1] < len(black)]
    run_begins[heads] = black[heads]
    opens = begins & black
    if covered is not None and not covered.all():
        opens &= covered & ~_after_dropped(run_begins, covered)
    begins_word = opens | run_begins
    start = begins_word.nonzero()[0]
    stops = np.ones_like(black)  # stops[i]: does a word end after character i
    stops[:-1] = begins_word[1:] | ~black[1:]
    end = (stops & black).nonzero()[0] + 1
    return WordTable(start, end, text_of(start, bounds))


def _after_dropped(run_begins: BoolArray, covered: BoolArray) -> BoolArray:
    """Is a character the first covered one of a run that begins with dropped ones? ``[chars]``"""
    positions = np.arange(len(covered))
    run_start = np.maximum.accumulate(np.where(run_begins, positions, 0))
    n_covered = np.append(0, np.cumsum(covered))
    first: BoolArray = (n_covered[:-1] == n_covered[run_start]) & (positions > run_start)
    return first


def words_by_piece(piece_begins: BoolArray, piece_of_char: NDArray[np.integer]) -> BoolArray:
    """Word begins on characters, from word begins on pieces, ``[chars]``.

    Args:
        piece_begins: Does a word begin with this piece? ``[pieces]``
        piece_of_char: The piece that covers each character, -1 where none, ``[chars]``.
    """
    begins = np.zeros(len(piece_of_char), bool)
    covered = (piece_of_char >= 0).nonzero()[0]
    pieces = piece_of_char[covered]
    first = np.ones(len(pieces), bool)
    first[1:] = pieces[1:] != pieces[:-1]
    begins[covered] = first & piece_begins[pieces] if len(piece_begins) else False
    return begins


def decode_word_begins(
    scores: FloatArray,
    label_set: LabelSet,
    *,
    piece_bounds: IntArray,
    piece_of_char: NDArray[np.int32],
    space: BoolArray,
    matches: Matches | None = None,
    method: Method = "viterbi",
    biases: NDArray[np.floating] | None = None,
) -> WordBegins:
    """Decide where words begin, with a lexicon's matches as constraints if there are any.

    A forced match comes out as a word whatever the model says: both its ends are cuts, also inside a piece, and there
    is none within it. A preferred match adds its weight to each of these decisions; if one of its ends lies inside a
    piece it is skipped, since within a piece the model leaves no doubt. Characters in no piece join a word beside
    them, a forced one too.

    Args:
        scores: Scores before softmax of a head for words, ``[pieces, labels]``.
        label_set: Its labels (task ``words`` or ``words+pos``).
        piece_bounds: Text ``i`` owns the pieces ``[piece_bounds[i], piece_bounds[i + 1])``, ``[texts + 1]``.
        piece_of_char: The piece that covers each character of the batch, -1 where none, ``[chars]``.
        space: Is the character whitespace? ``[chars]``
        matches: Where the lexicon's words stand in the batch.
        method: As in ``decode_tags``.
        biases: As in ``decode_tags``.
    """
    if matches is None or not len(matches.start):
        tags = decode_tags(scores, piece_bounds, label_set, method=method, biases=biases)
        begins = words_by_piece(unit_begins(tags, piece_bounds, label_set), piece_of_char)
        joined = np.zeros(len(begins), bool)
        probs, odds = probs_of(scores, tags), _begin_odds(scores, label_set, None)
        return WordBegins(begins, joined, piece_of_char >= 0, piece_of_char, tags, probs, odds)
    units = _cut_pieces(matches, piece_of_char, piece_bounds, space=space)
    unit_scores = _scores_of_units(scores, label_set, units)
    matches = _satisfiable(matches, units)
    cuts = _cuts(matches, units)
    tags = decode_tags(unit_scores, units.bounds, label_set, method=method, biases=biases, cuts=cuts)
    begins = words_by_piece(unit_begins(tags, units.bounds, label_set), units.of_char)
    covered = units.of_char >= 0
    begins = force_matches(begins, matches, covered=covered)
    covered[matches.start[np.isinf(matches.weight)]] = True
    joined = joined_by(begins, matches, space=space)
    probs, odds = _probs_of_units(scores, unit_scores, tags, units), _begin_odds(unit_scores, label_set, cuts)
    odds = None if odds is None else odds[units.opens]
    return WordBegins(begins, joined, covered, units.of_char, tags, probs, odds)


def _begin_odds(scores: FloatArray, label_set: LabelSet, cuts: DoubleArray | None) -> DoubleArray | None:
    """What a begin is worth more than none, ``[units]``; ``None`` if the scheme's tags depend on each other."""
    if label_set.scheme != "BI" or label_set.task != "words":
        return None
    begin, inside = label_set.begins.tolist().index(True), label_set.begins.tolist().index(False)
    odds = scores[:, begin].astype(np.float64) - scores[:, inside]
    return odds if cuts is None else odds + cuts


def keep_clusters(
    begins: BoolArray, edges: BoolArray, *, space: BoolArray, joined: BoolArray | None
) -> tuple[BoolArray, BoolArray | None]:
    """Words that cut no grapheme cluster: begins, and white space inside words, both ``[chars]``.

    Args:
        begins: Does a word begin at this character? ``[chars]``
        edges: Does a cluster begin at this character? ``[chars + 1]``
        space: Is it whitespace? ``[chars]``
        joined: Is it whitespace inside a lexicon's word? ``[chars]``
    """
    edges = edges[:-1]
    if edges.all():
        return begins, joined
    cluster = np.cumsum(edges) - 1
    is_black = np.zeros(int(cluster[-1]) + 1, bool)
    is_black[cluster[~space]] = True
    inside = space & is_black[cluster]  # a blank that carries a combining mark is a word's
    begins = (begins | inside) & edges
    return begins, inside if joined is None else joined | inside


def force_matches(begins: BoolArray, matches: Matches, *, covered: BoolArray) -> BoolArray:
    """Make every forced match a word: a begin at its start and after its end, none within, ``[chars]``."""
    begins = begins.copy()
    forced = np.isinf(matches.weight)
    start, end = matches.start[forced], matches.end[forced]
    following = _next_covered(end, covered)
    begins[following[following < len(begins)]] = (
        True  # may lie in the next match, if that begins with dropped characters
    )
    begins[_within(start + 1, end, len(begins))] = False
    begins[start] = True
    return begins


def joined_by(begins: BoolArray, matches: Matches, *, space: BoolArray) -> BoolArray:
    """Whitespace inside matches that came out as one word, ``[chars]``."""
    return space & _whole(begins, matches)


class _Units(NamedTuple):
    """Pieces, where forced matches end inside one cut further.

    Attributes:
        of_char: Unit of each character, -1 where none, ``[chars]``.
        bounds: As for pieces, ``[texts + 1]``.
        piece: Which piece a unit is, or is a part of, ``[units]``.
        opens: Does its piece begin with it? ``[units]``
        closes: Does its piece end with it? ``[units]``
        first_char: Its first character that is not whitespace, if it has one, ``[units]``.
    """

    of_char: NDArray[np.int32]
    bounds: IntArray
    piece: IntArray
    opens: BoolArray
    closes: BoolArray
    first_char: IntArray


def _cut_pieces(matches: Matches, piece_of_char: NDArray[np.int32], bounds: IntArray, *, space: BoolArray) -> _Units:
    n_pieces = int(bounds[-1])
    covered = piece_of_char >= 0
    forced = np.isinf(matches.weight)
    edges = np.append(matches.start[forced], _next_covered(matches.end[forced], covered))
    edges = np.unique(edges[(edges < len(covered)) & covered[np.minimum(edges, len(covered) - 1)]])
    first_char = _first_chars(piece_of_char, n_pieces, space)
    edges = edges[edges > first_char[piece_of_char[edges]]]
    if not len(edges):
        whole = np.ones(n_pieces, bool)
        return _Units(piece_of_char, bounds, np.arange(n_pieces), whole, whole, first_char)
    n_parts = 1 + np.bincount(piece_of_char[edges], minlength=n_pieces)
    first_unit = np.append(0, np.cumsum(n_parts))
    piece = np.repeat(np.arange(n_pieces), n_parts)
    units = np.arange(len(piece))
    cut = np.zeros(len(covered), np.int64)
    cut[edges] = 1
    n_cuts = np.append(0, np.cumsum(cut))  # cuts before each character
    n_cuts_inside = n_cuts[1:] - n_cuts[np.minimum(first_char, len(cut))][piece_of_char]
    of_char = np.where(covered, first_unit[piece_of_char] + np.maximum(n_cuts_inside, 0), -1).astype(np.int32)
    opens, closes = units == first_unit[piece], units == first_unit[piece + 1] - 1
    return _Units(of_char, first_unit[bounds], piece, opens, closes, _first_chars(of_char, len(piece), space))


def _first_chars(unit_of_char: NDArray[np.int32], n_units: int, space: BoolArray) -> IntArray:
    """The first character of each unit, whitespace only if it holds nothing else, ``[units]``.

    A unit that covers no character of its own (an overlapped piece of byte-level BPE) has the number of characters.
    """
    n_chars = len(unit_of_char)
    first = np.full(n_units, n_chars, np.int64)
    for chosen in (unit_of_char >= 0, (unit_of_char >= 0) & ~space):
        at = np.flatnonzero(chosen)[::-1]  # backwards, so that the first character is written last
        first[unit_of_char[at]] = at
    return first


def _satisfiable(matches: Matches, units: _Units) -> Matches:
    """Matches without the preferred ones whose start or end lies inside a unit."""
    covered = units.of_char >= 0
    kept = np.isinf(matches.weight)
    inside = np.zeros(len(kept), bool)
    first_char = np.append(units.first_char, len(covered))  # the last for characters in no unit
    for edge in (matches.start, _next_covered(matches.end, covered)):
        unit = np.append(units.of_char, -1)[edge]
        inside |= edge > first_char[unit]
    kept |= ~inside
    return Matches(matches.start[kept], matches.end[kept], matches.weight[kept])


def _cuts(matches: Matches, units: _Units) -> NDArray[np.float64]:
    """What the matches say of a boundary before each unit, as ``decode_tags`` takes it, ``[units]``."""
    covered = units.of_char >= 0
    cuts = np.zeros(len(units.piece))
    n_chars = len(covered)
    start, end = _next_covered(matches.start, covered), _next_covered(matches.end, covered)
    empty = start >= end  # no piece saw any of it
    first = units.of_char[np.minimum(start, n_chars - 1)].astype(np.int64)
    following = np.append(units.of_char, len(units.piece)).astype(np.int64)[end]
    last = units.of_char[np.maximum(_previous_covered(matches.end, covered), 0)].astype(np.int64) + 1
    first, following, last, weight = first[~empty], following[~empty], last[~empty], matches.weight[~empty]
    at_end = following < len(cuts)
    np.maximum.at(cuts, first, weight)
    np.maximum.at(cuts, following[at_end], weight[at_end])
    inner = _within(first + 1, last, len(cuts))
    cuts[inner] = -np.repeat(weight, np.maximum(last - first - 1, 0))
    return cuts


def _scores_of_units(scores: FloatArray, label_set: LabelSet, units: _Units) -> FloatArray:
    """Scores of units: a part of a piece knows only what its piece says of the side they share, ``[units, labels]``.

    The first part of a piece begins a word if the piece does, the last part ends one if the piece does; the tag's type
    goes for every part.
    """
    unit_scores = scores if len(units.piece) == len(scores) else scores[units.piece]
    same_type = label_set.type_ids[:, None] == label_set.type_ids
    for at_begin, at_end in ((True, False), (False, True), (False, False)):
        rows = np.flatnonzero((units.opens == at_begin) & (units.closes == at_end))
        if not len(rows):
            continue
        alike = same_type.copy()
        if at_begin:
            alike &= label_set.begins[:, None] == label_set.begins
        if at_end:
            alike &= label_set.ends[:, None] == label_set.ends
        probs = softmax(scores[units.piece[rows]]) @ alike.astype(np.float32)
        unit_scores[rows] = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    return unit_scores


def _probs_of_units(scores: FloatArray, unit_scores: FloatArray, tags: NDArray[np.int32], units: _Units) -> FloatArray:
    probs = probs_of(unit_scores, tags)
    parts = np.flatnonzero(~(units.opens & units.closes))
    probs[parts] = np.minimum(np.exp(unit_scores[parts, tags[parts]]), 1)  # already logarithms of probabilities
    return probs


def _whole(begins: BoolArray, matches: Matches) -> BoolArray:
    """Is the character inside a match without a begin within? ``[chars]``"""
    n_begins = np.append(0, np.cumsum(begins))
    whole = n_begins[matches.end] == n_begins[np.minimum(matches.start + 1, len(begins))]
    inside = np.zeros(len(begins), bool)
    inside[_within(matches.start[whole], matches.end[whole], len(begins))] = True
    return inside


def _within(starts: IntArray, ends: IntArray, size: int) -> IntArray:
    """All positions of some ranges, in order, ``[positions]``; empty where a range ends before it starts."""
    n_each = np.maximum(np.minimum(ends, size) - starts, 0)
    shift = np.repeat(starts - (np.cumsum(n_each) - n_each), n_each)
    positions: IntArray = shift + np.arange(len(shift))
    return positions


def _next_covered(positions: IntArray, covered: BoolArray) -> IntArray:
    """The first covered character at or after each position, or the number of characters, ``[positions]``."""
    n_chars = len(covered)
    following = np.append(np.where(covered, np.arange(n_chars), n_chars), n_chars)
    following = np.minimum.accumulate(following[::-1])[::-1]
    return following[positions]


def _previous_covered(positions: IntArray, covered: BoolArray) -> IntArray:
    """The last covered character before each position, or -1, ``[positions]``."""
    previous = np.append(-1, np.maximum.accumulate(np.where(covered, np.arange(len(covered)), -1)))
    return previous[positions]


def pieces_of_words(words: WordTable, piece_of_char: NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """The range of pieces that each word's characters are in, both ``[words]``; empty for a word in no piece.

    Two words may share a piece that a lexicon cut.
    """
    covered = piece_of_char >= 0
    n_covered = np.zeros(len(covered) + 1, np.int64)
    np.cumsum(covered, out=n_covered[1:])
    pieces = np.zeros(int(n_covered[-1]) + 1, np.int64)
    pieces[:-1] = piece_of_char[covered]
    low, high = n_covered[words.start], n_covered[words.end]
    first = pieces[low]
    end = np.where(high > low, pieces[high - 1] + 1, first)
    return first, end


def mean_over(values: NDArray[np.floating], starts: IntArray, ends: IntArray) -> FloatArray:
    """The mean of each range of rows, ``[ranges, ...]``; 0 for an empty range.

    Args:
        values: ``[rows]`` or ``[rows, columns]``.
        starts: First row of each range, ``[ranges]``.
        ends: One past the last, ``[ranges]``. Ranges may touch, overlap and leave gaps.
    """
    sums = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:], dtype=np.float64)
    n_each = np.maximum(ends - starts, 1).reshape(-1, *(1,) * (values.ndim - 1))
    means: FloatArray = ((sums[ends] - sums[starts]) / n_each).astype(np.float32)
    return means


def decode_pos(
    scores: FloatArray,
    first_piece: IntArray,
    end_piece: IntArray,
    *,
    word_label: Literal["first", "mean"] = "first",
) -> tuple[NDArray[np.int32], FloatArray]:
    """One label a word, from a head for parts of speech.

    Args:
        scores: Scores before softmax, ``[pieces, labels]``.
        first_piece: First piece of each word, ``[words]``.
        end_piece: One past its last, ``[words]``.
        word_label: ``first``: what the word's first piece says; ``mean``: the best mean probability over its pieces.

    Returns:
        Index of the label, -1 for a word in no piece, and its probability, both ``[words]``.
    """
    seen = end_piece > first_piece
    if not seen.any():
        return np.full(len(seen), -1, np.int32), np.zeros(len(seen), np.float32)
    if word_label == "mean":
        probs = mean_over(softmax(scores), first_piece, end_piece)
        labels, best = best_tags(probs)
    else:
        of_first = scores[np.where(seen, first_piece, 0)]
        labels, _ = best_tags(of_first)
        best = probs_of(of_first, labels)
    return np.where(seen, labels, -1).astype(np.int32), np.where(seen, best, 0).astype(np.float32)
