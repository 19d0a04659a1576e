"""Words with flags: ``import lexel.jieba_like.posseg as pseg``. The flags are jieba's, from the model's universal tags.

Proper nouns in an entity are ``nr`` (persons), ``ns`` (places) or ``nt`` (organisations), other proper nouns ``nz``;
punctuation is ``x``. Finer flags of jieba, such as ``vn`` or ``uj``, do not occur.
"""

from __future__ import annotations

from collections.abc import Iterator

from lexel.jieba_like.cutter import dt, pair

__all__ = ["cut", "lcut", "pair"]


def cut(sentence: str, HMM: bool = True, use_paddle: bool = False) -> Iterator[pair]:  # noqa: N803 (jieba's name)
    """Each word of a text with its flag; neither option has an effect."""
    return dt.flagged(sentence)


def lcut(sentence: str, HMM: bool = True, use_paddle: bool = False) -> list[pair]:  # noqa: N803 (jieba's name)
    """``cut`` as a list."""
    return list(cut(sentence))
