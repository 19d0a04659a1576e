"""The number of paragraphs of open text that contain a word: ``counts.txt.gz``, made by ``recipes/keywords``."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from math import log
from typing import NamedTuple

_UNSEEN = 2
"""The number of paragraphs assumed for a word without a count: lower than any count."""


class WordCounts(NamedTuple):
    """Counts of words.

    Attributes:
        n_paragraphs: The number of paragraphs.
        of: The number of paragraphs that contain each word.
    """

    n_paragraphs: int
    of: Mapping[str, int]

    def idf(self, word: str) -> float:
        """The logarithm of the inverse share of paragraphs that contain a word."""
        return log(self.n_paragraphs / self.of.get(word, _UNSEEN))


@lru_cache(maxsize=1)
def word_counts() -> WordCounts:
    """The counts, read once."""
    data = resources.files("lexel.jieba_like").joinpath("counts.txt.gz").read_bytes()
    first, *lines = gzip.decompress(data).decode().splitlines()
    return WordCounts(int(first.split()[1]), {word: int(n) for word, _, n in (line.partition("\t") for line in lines)})
