"""Grapheme clusters: user-perceived characters (Unicode's UAX #29, https://unicode.org/reports/tr29/).

A family emoji, a flag, or a letter with its combining marks is several code points. The ``regex`` library implements
the rules and follows Unicode's versions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lexel.text.alignment import Chars
from lexel.text.pieces import Int64Array


def cluster_edges(texts: Sequence[str], chars: Chars) -> NDArray[np.bool_]:
    """Whether a cluster begins at each character, ``[chars + 1]``; the last row is the end of the batch.

    Args:
        texts: The texts; a cluster ends at the end of its text.
        chars: Their characters.
    """
    import regex

    edges = np.ones(len(chars) + 1, np.bool_)
    cluster = regex.compile(r"\X")
    for text, shift in zip(texts, chars.bounds.tolist(), strict=False):
        if text.isascii() and "\r\n" not in text:
            continue
        inside = [at for found in cluster.finditer(text) for at in range(found.start() + 1, found.end())]
        edges[np.array(inside, np.int64) + shift] = False
    return edges


def widen_to_clusters(edges: NDArray[np.bool_], starts: Int64Array, ends: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Flat ranges widened to the clusters that they overlap.

    Args:
        edges: The result of ``cluster_edges``.
        starts: First character of each range, ``[ranges]``.
        ends: One past its last, ``[ranges]``.
    """
    at = np.arange(len(edges))
    before = np.maximum.accumulate(np.where(edges, at, 0))
    after = np.minimum.accumulate(np.where(edges, at, len(edges))[::-1])[::-1]
    return before[starts], after[ends]
