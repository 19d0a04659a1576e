"""Keywords by TF-IDF: words frequent in the text and rare in paragraphs of open text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lexel.jieba_like.counts import word_counts
from lexel.jieba_like.cutter import dt, pair

_ENGLISH = "a an and are as at be by for from has have in is it of on or that the this to was we were with you"
_stop_words = frozenset(_ENGLISH.split())


def set_stop_words(stop_words_path: str | Path) -> None:
    """Exclude the words of a file from now on, one per line, in addition to the English ones."""
    global _stop_words
    words = Path(stop_words_path).read_text("utf-8-sig").split()
    _stop_words = frozenset(_ENGLISH.split()).union(words)


def extract_tags(
    sentence: str,
    topK: int | None = 20,  # noqa: N803 (jieba's name)
    withWeight: bool = False,  # noqa: N803
    allowPOS: Collection[str] = (),  # noqa: N803
    withFlag: bool = False,  # noqa: N803
) -> list[Any]:
    """The keywords of a text, best first.

    Args:
        sentence: The text.
        topK: Number of keywords to return; ``None`` for all.
        withWeight: Return ``(word, weight)``.
        allowPOS: Use only words with one of these flags, see ``posseg``; an empty collection allows all.
        withFlag: With ``allowPOS``, return ``pair(word, flag)`` instead of the word.
    """
    counted = Counter[pair | str]()
    for one in dt.flagged(sentence):
        if len(one.word.strip()) < 2 or one.word.lower() in _stop_words or (allowPOS and one.flag not in allowPOS):
            continue
        counted[one if allowPOS and withFlag else one.word] += 1
    total, counts = counted.total(), word_counts()
    weights = {
        key: n / total * counts.idf((key.word if isinstance(key, pair) else key).lower()) for key, n in counted.items()
    }
    best = sorted(weights, key=lambda key: -weights[key])[:topK]
    return [(key, weights[key]) for key in best] if withWeight else best
