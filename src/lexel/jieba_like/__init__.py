"""jieba's functions under their names, with Lexel's words: ``from lexel import jieba_like as jieba``.

>>> from lexel import jieba_like as jieba
>>> jieba.lcut("我来到北京清华大学")                                      # doctest: +SKIP
['我', '来到', '北京', '清华', '大学']

``jieba_like.posseg`` and ``jieba_like.analyse`` also exist. The model finds the words, so they depend on the sentence
and differ from jieba's. As in jieba, no character is lost: the joined words of a text are the text.
``docs/integrations.md`` lists the differences.
"""

from __future__ import annotations

import logging

from lexel.jieba_like import analyse, posseg
from lexel.jieba_like.cutter import Cutter, dt

__all__ = [
    "Cutter",
    "add_word",
    "analyse",
    "cut",
    "cut_for_search",
    "del_word",
    "dt",
    "initialize",
    "lcut",
    "lcut_for_search",
    "load_userdict",
    "posseg",
    "setLogLevel",
    "suggest_freq",
    "tokenize",
    "use",
]

add_word = dt.add_word
cut = dt.cut
cut_for_search = dt.cut_for_search
del_word = dt.del_word
initialize = dt.initialize
lcut = dt.lcut
lcut_for_search = dt.lcut_for_search
load_userdict = dt.load_userdict
suggest_freq = dt.suggest_freq
tokenize = dt.tokenize
use = dt.use


def setLogLevel(log_level: int) -> None:  # noqa: N802 (jieba's name)
    """Set the level of Lexel's logger."""
    logging.getLogger("lexel").setLevel(log_level)
