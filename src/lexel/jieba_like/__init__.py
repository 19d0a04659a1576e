"""jieba's functions by their names, on Lexel's words: ``from lexel import jieba_like as jieba``.

>>> from lexel import jieba_like as jieba
>>> jieba.lcut("我来到北京清华大学")                                      # doctest: +SKIP
['我', '来到', '北京', '清华', '大学']

``jieba_like.posseg`` and ``jieba_like.analyse`` are there too. The words are the model's: they depend on the
sentence, and differ from jieba's. As in jieba, no character is lost: the words of a text put together are the text.
``docs/integrations.md`` lists what differs.
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
