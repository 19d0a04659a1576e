"""Detects CoNLL files with one Chinese character per row (MSRA, Weibo, Resume, People's Daily): the rows are not words.

Such a file contains no word boundaries. Read as words, it would train a model to make every character a word.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from itertools import chain
from typing import Protocol, TypeVar, get_args

from lexel.data.words import blank_between
from lexel.names import RowUnit

UNITS: tuple[RowUnit, ...] = get_args(RowUnit)

_SAMPLE_ROWS = 200
"""Number of rows with a Chinese character to examine; about half of all real words have several characters."""
_FEWEST_ROWS = 20
"""In a shorter file there is too little evidence, so rows are taken as words."""

_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NUMBERED = re.compile(r"(.)\d", re.DOTALL)

_logger = logging.getLogger("lexel")


class Rows(Protocol):
    """A sentence's rows, by column."""

    @property
    def columns(self) -> dict[str, list[str]]: ...


R = TypeVar("R", bound=Rows)


def settle_unit(sentences: Iterator[R], *, name: str) -> tuple[RowUnit, Iterator[R]]:
    """Decides from the first rows whether rows are words or characters; also returns all sentences.

    In rows such as ``科0`` (a character with its index in the word), the number is removed.

    Args:
        sentences: The sentences; only as many as needed for the decision are read ahead.
        name: The file's name in log messages.
    """
    read: list[R] = []
    words: list[str] = []
    for sentence in sentences:
        read.append(sentence)
        words += (word for word in sentence.columns.get("word", ()) if _IDEOGRAPH.search(word))
        if len(words) >= _SAMPLE_ROWS or not all(map(_may_be_char, words)) or not _has_only_tags(sentence):
            break
    every: Iterator[R] = chain(read, sentences)
    if len(words) < _FEWEST_ROWS or not all(map(_may_be_char, words)) or not all(map(_has_only_tags, read)):
        return "words", every
    numbered = [bool(_NUMBERED.fullmatch(word)) for rows in read for word in rows.columns["word"]]
    if all(numbered):
        _logger.warning("%s: the digit after each character (%s) was removed", name, words[0])
        return "chars", map(_without_numbers, every)
    if any(len(word) > 1 for word in words):
        return "words", every
    return "chars", every


def _may_be_char(word: str) -> bool:
    return len(word) == 1 or _NUMBERED.fullmatch(word) is not None


def _has_only_tags(sentence: Rows) -> bool:
    """Whether there are entity tags, and no columns that only words have."""
    return "tag" in sentence.columns and "pos" not in sentence.columns


def _without_numbers(sentence: R) -> R:
    words = sentence.columns["word"]
    words[:] = [_NUMBERED.sub(r"\1", word) if _NUMBERED.fullmatch(word) else word for word in words]
    return sentence


def warn_of_chars(name: str) -> None:
    """Log a warning that a file's rows are not read as words."""
    _logger.warning(
        "%s: each row is one character, so there are entities and no words; --unit words reads rows as words", name
    )


def blank_between_chars(left: str, right: str) -> str:
    """The space between two rows of characters: none, except between two longer rows of a script with spaces."""
    return "" if 1 in (len(left), len(right)) else blank_between(left, right)
