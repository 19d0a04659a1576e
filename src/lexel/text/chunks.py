"""Cuts long texts into chunks at sentences, and at words if a sentence is too long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lexel.document import Words
from lexel.text.sentences import split_sentences

Stretch = tuple[int, int]


def plan_chunks(text: str, *, size: int, overlap: int, words_of: Callable[[str], Words]) -> list[Stretch]:
    """Plan chunks of whole sentences if possible.

    A sentence longer than ``size`` is cut between words; a word longer than ``size`` is cut anywhere.

    Args:
        text: The text.
        size: Maximum number of characters in a chunk.
        overlap: Maximum number of characters repeated from the chunk before: whole sentences or words.
        words_of: Finds the words of a sentence that is too long.

    Returns:
        ``[start, end)`` of each chunk, in order. Every character that is not white space is in at least one.

    Raises:
        ValueError: If ``size`` is not positive, or ``overlap`` is not in ``[0, size)``.
    """
    if size < 1:
        raise ValueError(f"size is {size}; expected 1 or more characters")
    if not 0 <= overlap < size:
        raise ValueError(f"overlap is {overlap}; expected 0 or more, and less than the size of {size}")
    units = [
        unit
        for sentence in split_sentences(text)
        for unit in _units(text, sentence.start, sentence.end, size, words_of)
    ]
    chunks: list[Stretch] = []
    first = 0
    while first < len(units):
        last = _last_that_fits(units, first, size)
        chunks.append((units[first][0], units[last][1]))
        if last + 1 == len(units):
            break
        first = _repeated_from(units, first, last, size=size, overlap=overlap)
    return chunks


def _units(text: str, start: int, end: int, size: int, words_of: Callable[[str], Words]) -> list[Stretch]:
    """A whole sentence, or its words if it is too long."""
    if end - start <= size:
        return [(start, end)]
    units: list[Stretch] = []
    at = start
    for word in words_of(text[start:end]):
        for stretch in ((at, start + word.start), (start + word.start, start + word.end)):
            units += _pieces(text, *stretch, size)
        at = start + word.end
    return units + _pieces(text, at, end, size)


def _pieces(text: str, start: int, end: int, size: int) -> list[Stretch]:
    """A range cut into parts that fit; parts of only white space are dropped."""
    pieces = ((at, min(at + size, end)) for at in range(start, end, size))
    return [piece for piece in pieces if not text[piece[0] : piece[1]].isspace()]


def _last_that_fits(units: Sequence[Stretch], first: int, size: int) -> int:
    last = first
    while last + 1 < len(units) and units[last + 1][1] - units[first][0] <= size:
        last += 1
    return last


def _repeated_from(units: Sequence[Stretch], first: int, last: int, *, size: int, overlap: int) -> int:
    """The first unit of the next chunk: it repeats as many units as the overlap and the next new unit allow."""
    start = last + 1
    end, next_end = units[last][1], units[last + 1][1]
    while start - 1 > first and end - units[start - 1][0] <= overlap and next_end - units[start - 1][0] <= size:
        start -= 1
    return start
