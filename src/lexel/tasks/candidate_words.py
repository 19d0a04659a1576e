"""Words to choose from: the pieces of each in the place of a mask, and the words that the vocabulary cannot spell."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import numpy as np

from lexel.decoding.vocabulary import Spelling
from lexel.errors import OptionError
from lexel.text.tokenizer import Tokenizer

_logger = logging.getLogger("lexel")


class CandidateWords:
    """Words to choose from, each with its own number of pieces.

    Args:
        words: The words, in order; duplicates count once.
        tokenizer: The model's tokenizer.
        spelling: How its vocabulary marks the beginnings of words.
        most: Maximum number of pieces in a word.

    Raises:
        TypeError: If ``words`` is not several strings.
        OptionError: If there is none, an empty one, or none that the vocabulary can spell.
    """

    def __init__(self, words: Sequence[str], *, tokenizer: Tokenizer, spelling: Spelling, most: int) -> None:
        if isinstance(words, str):
            raise TypeError(f"targets is the str {words!r}; expected a list of words")
        strange = next((word for word in words if not isinstance(word, str)), "")
        if not isinstance(strange, str):
            raise TypeError(f"targets: {strange!r} is not a word; expected str, found {type(strange).__name__}")
        if not all(word.strip() for word in words):
            raise OptionError("targets: one is empty; expected words")
        self._tokenizer = tokenizer
        self._spelling = spelling
        self._most = most
        self.words: tuple[str, ...] = self._spelt(tuple(dict.fromkeys(words)))
        self.after = cache(self._after)

    def _spelt(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words that can be used; a warning names the others."""
        if not words:
            raise OptionError("targets: an empty list; expected words to choose from")
        problems = {word: problem for word in words if (problem := self._problem(word))}
        left_out = "; ".join(f"{word!r} {problem}" for word, problem in problems.items())
        if len(problems) == len(words):
            raise OptionError(f"targets: {left_out}; expected words of the model's vocabulary")
        if problems:
            _logger.warning("targets left out: %s", left_out)
        return tuple(word for word in words if word not in problems)

    def _problem(self, word: str) -> str | None:
        pieces = self._tokenizer.encode([word])
        unknown = pieces.ids == self._tokenizer.special.unk
        if not len(pieces) or unknown.any():
            starts, ends = pieces.starts[unknown], pieces.ends[unknown]
            parts = dict.fromkeys(word[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))
            return f"has pieces that the vocabulary lacks ({' '.join(parts) or 'all'})"
        return f"has {len(pieces)} pieces, the model reads {self._most}" if len(pieces) > self._most else None

    def _after(self, char: str) -> list[tuple[int, ...]]:
        """The pieces of each word after a character; ``""`` is the beginning of a text."""
        if self._spelling != "marked":
            encoded = self._tokenizer.encode(self.words)
        elif not char.strip():
            ranges = [np.array([[0, len(word)]], np.int32) for word in self.words]
            encoded = self._tokenizer.encode_words(self.words, ranges)
        else:
            return [self._attached(char, word) for word in self.words]
        return [tuple(ids.tolist()) for ids in np.split(encoded.ids, encoded.bounds[1:-1])]

    def _attached(self, char: str, word: str) -> tuple[int, ...]:
        """A word's pieces directly after a character without white space; its own pieces if one piece holds both."""
        pieces = self._tokenizer.encode([char + word])
        begins = int(np.searchsorted(pieces.starts, len(char)))
        if begins and pieces.ends[begins - 1] > len(char):
            return tuple(self._tokenizer.encode([word]).ids.tolist())
        return tuple(pieces.ids[begins:].tolist())
