"""Texts with masks, as a masked-language model reads them.

A mask is written as the tokenizer writes it (``[MASK]``, ``<mask>``), or as a symbol that the caller chooses.
``[MASK:3]`` stands for three pieces, ``[MASK:1-4]`` for one to four. A text longer than the model's window is read
around the masks that are being decided, so that they have as much context on both sides as fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.decoding.masks import OPEN, Answer, Hypothesis, Query, first_slots
from lexel.decoding.vocabulary import (
    BEGINS,
    BEGINS_AFTER_BLANK,
    CONTINUES,
    MARKS,
    Spelling,
    allowed_pieces,
    log_normalisers,
    top_pieces,
)
from lexel.engines.base import Scores
from lexel.engines.packing import Sequences
from lexel.errors import CheckpointError, DataError, OptionError
from lexel.tasks.base import Flow
from lexel.tasks.streaming import Job, run_job
from lexel.tasks.work import Work
from lexel.text.tokenizer import Tokenizer

SET_SLOTS = 4096
"""Number of slots whose scores over the vocabulary are in memory at the same time."""

_CLOSING = ("]", ">", ")", "}")


class Mask(NamedTuple):
    """A mask: characters ``[start, end)`` of a text, to be filled with ``fewest`` to ``most`` pieces."""

    start: int
    end: int
    fewest: int
    most: int


class FoundMasks(NamedTuple):
    """A text, its masks, and its name in messages."""

    text: str
    masks: tuple[Mask, ...]
    where: str


@dataclass(frozen=True, slots=True)
class MaskedText:
    """A text with masks.

    Attributes:
        text: The caller's string.
        masks: The positions of its masks.
        ids: Its pieces, one mask piece for each mask, ``[pieces]``.
        at: The indexes of the mask pieces, ``[masks]``.
        where: Its name in messages.
    """

    text: str
    masks: tuple[Mask, ...]
    ids: NDArray[np.int32]
    at: NDArray[np.int64]
    where: str

    def is_after_blank(self, mask: int) -> bool:
        """Whether white space stands before a mask."""
        return self.text[: self.masks[mask].start][-1:].isspace()


class MaskReader:
    """Finds the masks of texts and cuts the texts into pieces.

    Args:
        tokenizer: The model's tokenizer.
        symbol: Another way to write a mask, besides the tokenizer's own.
        length: Minimum and maximum number of pieces of a mask that does not state them.
        window: Maximum number of pieces that the model reads together.
    """

    def __init__(self, tokenizer: Tokenizer, *, symbol: str | None, length: tuple[int, int], window: int) -> None:
        mask = _mask_of(tokenizer)
        self.own: str = tokenizer.strings([mask])[0]
        self._tokenizer = tokenizer
        self._mask = mask
        self._length = length
        self._window = window
        self._symbols = (self.own,) if symbol is None else (symbol, self.own)
        self._pattern = re.compile("|".join(map(_pattern_of, self._symbols)))
        self._is_read = tokenizer.encode([self.own]).ids.tolist() == [mask]

    def read(self, texts: Sequence[FoundMasks]) -> list[MaskedText]:
        """Cut texts into pieces, each mask as one."""
        encode = self._encode_spelt if self._is_read else self._encode_between
        pieces = encode([_between(found.text, found.masks) for found in texts])
        return [
            MaskedText(found.text, found.masks, ids, np.flatnonzero(ids == self._mask), found.where)
            for found, ids in zip(texts, pieces, strict=True)
        ]

    def find(self, text: str, where: str) -> FoundMasks:
        """Find the masks of a text; a blank text may have none.

        Args:
            text: The text.
            where: Its name in messages.

        Raises:
            DataError: If it has no mask, or one that cannot be.
        """
        masks = tuple(self._mask_at(match, where) for match in self._pattern.finditer(text))
        if not masks and text.strip():
            raise DataError(f"{where}: no mask in {_shown(text)}; expected {' or '.join(self._symbols)}")
        return FoundMasks(text, masks, where)

    def _mask_at(self, match: re.Match[str], where: str) -> Mask:
        fewest, most = next(((a, b or a) for a, b in _pairs(match.groups()) if a), self._length)
        mask = Mask(match.start(), match.end(), int(fewest), int(most))
        if not 1 <= mask.fewest <= mask.most:
            raise DataError(f"{where}: {match[0]!r}; expected lengths from 1, the smaller first: [MASK:1-4]")
        if mask.most > self._window:
            raise DataError(
                f"{where}: {match[0]!r} has up to {mask.most} pieces; the model reads {self._window} together"
            )
        return mask

    def _encode_spelt(self, parts: Sequence[Sequence[str]]) -> list[NDArray[np.int32]]:
        """For tokenizers that recognise the mask in a text."""
        pieces = self._tokenizer.encode([self.own.join(own) for own in parts])
        return np.split(pieces.ids, pieces.bounds[1:-1])

    def _encode_between(self, parts: Sequence[Sequence[str]]) -> list[NDArray[np.int32]]:
        """For character tokenizers: the pieces of the text between the masks, with the mask pieces inserted."""
        pieces = self._tokenizer.encode(list(chain.from_iterable(parts)))
        stretches = iter(np.split(pieces.ids, pieces.bounds[1:-1]))
        mask = np.array([self._mask], np.int32)
        return [np.concatenate([part for _ in own for part in (next(stretches), mask)][:-1]) for own in parts]


def _mask_of(tokenizer: Tokenizer) -> int:
    if tokenizer.special.mask is None:
        raise CheckpointError(
            "the tokenizer has no mask piece ([MASK], <mask>); a model that fills masks needs it. "
            "Name it as mask_token in tokenizer_config.json"
        )
    return tokenizer.special.mask


def _pattern_of(symbol: str) -> str:
    """A pattern for a symbol, with lengths before its closing bracket if it has one."""
    if not symbol.strip():
        raise OptionError(f"mask is {symbol!r}; expected some characters that are not white space")
    if not symbol.endswith(_CLOSING):
        return re.escape(symbol)
    return rf"{re.escape(symbol[:-1])}(?::(\d+)(?:-(\d+))?)?{re.escape(symbol[-1])}"


def _pairs(groups: Sequence[str | None]) -> Iterator[tuple[str | None, str | None]]:
    return zip(groups[::2], groups[1::2], strict=True)


def _between(text: str, masks: Sequence[Mask]) -> list[str]:
    """The text before, between and after the masks."""
    edges = [0, *(edge for mask in masks for edge in (mask.start, mask.end)), len(text)]
    return [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r} ..."


@dataclass(frozen=True, slots=True)
class Blank:
    """Masks of a text that are decided together; the others stay masked, with their minimum number of pieces.

    Attributes:
        text: The text.
        decided: The indexes of these masks.
    """

    text: MaskedText
    decided: tuple[int, ...]

    def kinds(self, reached: Hypothesis) -> NDArray[np.int64]:
        """The kind of piece for each slot: ``BEGINS``, ``BEGINS_AFTER_BLANK`` or ``CONTINUES``, ``[slots]``."""
        begins = [BEGINS_AFTER_BLANK if self.text.is_after_blank(mask) else BEGINS for mask in self.decided]
        return np.where(first_slots(reached.layout), np.repeat(begins, reached.layout), CONTINUES)

    def lay_out(self, reached: Hypothesis, *, mask: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The text's pieces with the slots filled so far, ``[pieces]``, and the positions of the slots, ``[slots]``."""
        fills = [[mask] * one.fewest for one in self.text.masks]
        for own, stretch in zip(self.decided, reached.stretches, strict=True):
            fills[own] = [mask if piece == OPEN else piece for piece in stretch]
        sizes = np.fromiter(map(len, fills), np.int64, len(fills))
        starts = self.text.at + np.cumsum(sizes - 1) - (sizes - 1)
        ids = np.delete(self.text.ids, self.text.at)
        at = np.repeat(self.text.at - np.arange(len(fills)), sizes)
        slots = [np.arange(starts[own], starts[own] + sizes[own]) for own in self.decided]
        return np.insert(ids, at, np.array(list(chain.from_iterable(fills)), np.int32)), np.concatenate(slots)


class _Part(NamedTuple):
    """A sequence of a query: rows of its answer, the pieces, and the positions of the rows' slots in them."""

    query: int
    rows: list[int]
    ids: NDArray[np.int32]
    at: NDArray[np.int64]


class MaskedModel:
    """A masked-language model that answers the queries of searches.

    Args:
        flow: The checkpoint, with the head that fills masks as its only output.
        constrained: Allow only pieces that are text, each in positions where it is possible; else all everywhere.

    Attributes:
        strings: The vocabulary's spelling of each piece, ``""`` where an index has none, ``[vocab]``.
        spelling: How the vocabulary marks the beginnings of words.
        mask: The mask piece.
    """

    def __init__(self, flow: Flow, *, constrained: bool = True) -> None:
        self.flow = flow
        self.mask: int = _mask_of(flow.tokenizer)
        chars = flow.checkpoint.pieces == "chars"
        wordpiece: Spelling = "wordpiece" if flow.tokenizer.shows_continuation else "marked"
        self.spelling: Spelling = "chars" if chars else wordpiece
        self.strings: list[str] = [_spelling_of(flow.tokenizer, index) for index in range(flow.tokenizer.n_pieces)]
        self._penalties = self._find_penalties() if constrained else None

    def answer(self, asked: Sequence[tuple[Blank, Query]]) -> Sequence[Answer]:
        """Predictions for queries, each with its blank."""
        return run_job(self.answering(asked))

    def answering(self, asked: Sequence[tuple[Blank, Query]]) -> Job[Answer]:
        """``answer`` as a job. The size of a work is limited by the memory for scores over the vocabulary."""
        answers = [_empty_answer(query, self.flow.checkpoint.config.vocab_size) for _, query in asked]
        parts = [part for n, (blank, query) in enumerate(asked) for part in self._parts(n, blank, query)]

        def work_of(some: Sequence[_Part]) -> Work:
            def take(scores: Scores) -> None:
                self._reduce(some, scores[self.flow.outputs[0]], asked, answers)

            return self.flow.work_of(self._sequences(some), take)

        yield ((self.flow, work_of(some)) for some in _in_sets(parts))
        return answers

    def _parts(self, n: int, blank: Blank, query: Query) -> Iterator[_Part]:
        """The windows in which a query's slots are predicted."""
        ids, slots = blank.lay_out(query.reached, mask=self.mask)
        for group in self._groups(query, slots, len(ids)):
            start = self._window_around(slots[group[0]], slots[group[-1]], len(ids))
            rows = [row for row, slot in enumerate(query.slots) if group[0] <= slot <= group[-1]]
            if rows:
                at = slots[[query.slots[row] for row in rows]] - start
                yield _Part(n, rows, ids[start : start + self.flow.window], at)

    def _groups(self, query: Query, slots: NDArray[np.int64], n_pieces: int) -> list[range]:
        """Slots that share a window: all, if that leaves a quarter of the window as context; else those of one mask."""
        window = self.flow.window
        if n_pieces <= window or slots[-1] - slots[0] < window // 2:
            return [range(len(slots))]
        ends = np.cumsum(query.reached.layout).tolist()
        return [range(end - n, end) for n, end in zip(query.reached.layout, ends, strict=True)]

    def _window_around(self, first: int, last: int, n_pieces: int) -> int:
        """The start of a window with ``[first, last]`` in its middle, as far as the text allows."""
        window = self.flow.window
        return max(0, min((int(first) + int(last) + 1) // 2 - window // 2, n_pieces - window))

    def _sequences(self, some: Sequence[_Part]) -> Sequences:
        special = self.flow.tokenizer.special
        prefix, suffix = np.array(special.prefix, np.int32), np.array(special.suffix, np.int32)
        ids = np.concatenate([piece for part in some for piece in (prefix, part.ids, suffix)])
        lengths = [len(prefix) + len(part.ids) + len(suffix) for part in some]
        bounds = np.concatenate(([0], np.cumsum(lengths)))
        picked = np.zeros(len(ids), np.bool_)
        picked[np.concatenate([part.at + start for part, start in zip(some, bounds, strict=False)]) + len(prefix)] = (
            True
        )
        return Sequences(ids, np.zeros(len(ids), np.int32), picked, bounds)

    def _reduce(
        self,
        some: Sequence[_Part],
        scores: NDArray[np.floating[Any]],
        asked: Sequence[tuple[Blank, Query]],
        answers: Sequence[Answer],
    ) -> None:
        """Write the needed part of a set's scores ``[picks, vocab]`` into the answers."""
        normalisers = log_normalisers(scores)
        ends = np.cumsum([len(part.rows) for part in some]).tolist()
        for part, end in zip(some, ends, strict=True):
            (blank, query), answer = asked[part.query], answers[part.query]
            picks = slice(end - len(part.rows), end)
            own, normal = scores[picks], normalisers[picks, None]
            answer.wanted[part.rows] = np.take_along_axis(own, query.wanted[part.rows], axis=1) - normal
            if query.top:
                if self._penalties is not None:
                    kinds = blank.kinds(query.reached)[[query.slots[row] for row in part.rows]]
                    own = own + self._penalties[kinds]
                ids, best = top_pieces(own, query.top)
                answer.ids[part.rows], answer.log_probs[part.rows] = ids, best - normal

    def _find_penalties(self) -> NDArray[np.float32]:
        """Added to the scores of each kind of slot: zero, or minus infinity, ``[3, vocab]``."""
        special, strings = self.flow.tokenizer.special, self.strings
        texts = [self.text_of([string]) for string in strings]
        for index in (*special.prefix, *special.suffix, special.pad, special.unk, self.mask):
            if index is not None:
                texts[index] = ""
        allowed = allowed_pieces(strings, texts, spelling=self.spelling)
        penalties = np.full((len(allowed), self.flow.checkpoint.config.vocab_size), -np.inf, np.float32)
        penalties[:, : len(strings)][allowed] = 0
        return penalties

    def begins_after_blank(self, string: str) -> bool:
        """Whether a piece's spelling marks white space before it."""
        return self.spelling == "marked" and string.startswith(MARKS)

    def reads_back(self, words: Sequence[str], stretches: Sequence[Sequence[int]]) -> bool:
        """Whether a WordPiece tokenizer would cut words into exactly these pieces; single pieces always pass.

        For example, it never makes ``play ##ing`` if the vocabulary has the whole word. Other kinds of vocabularies are
        not checked, because their pieces of a word depend on the text before it.
        """
        if self.spelling != "wordpiece":
            return True
        several = [(word, list(own)) for word, own in zip(words, stretches, strict=True) if len(own) > 1]
        if not several:
            return True
        pieces = self.flow.tokenizer.encode([word for word, _ in several])
        found = [ids.tolist() for ids in np.split(pieces.ids, pieces.bounds[1:-1])]
        return found == [own for _, own in several]

    def text_of(self, strings: Sequence[str]) -> str:
        """The pieces of one mask as readable text, without white space at its ends."""
        if self.spelling == "marked":
            return self.flow.tokenizer.join(strings).strip()
        return "".join(string.removeprefix("##") if len(string) > 2 else string for string in strings)


def _empty_answer(query: Query, vocab_size: int) -> Answer:
    shape = (len(query.slots), min(query.top, vocab_size))
    return Answer(np.zeros(shape, np.int64), np.zeros(shape), np.zeros(query.wanted.shape))


def _spelling_of(tokenizer: Tokenizer, index: int) -> str:
    try:
        return tokenizer.strings([index])[0]
    except KeyError:  # a vocabulary may have gaps
        return ""


def _in_sets(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Parts, in order, in sets of about ``SET_SLOTS`` slots."""
    some: list[_Part] = []
    n_slots = 0
    for part in parts:
        some.append(part)
        n_slots += len(part.ids) + 2
        if n_slots >= SET_SLOTS:
            yield some
            some, n_slots = [], 0
    if some:
        yield some
