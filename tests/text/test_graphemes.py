"""Grapheme clusters by the rules of UAX #29, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from lexel.text.alignment import read_chars
from lexel.text.graphemes import cluster_edges, widen_to_clusters

CASES = {
    "GB3 CR LF": ["\r\n", "a"],
    "GB4 after a control": ["\x01", "\u0301"],
    "GB5 before a control": ["a", "\u200b", "b"],
    "GB6 Hangul L V": ["\u1112\u1161\u11ab", "\u1112"],
    "GB7 Hangul LV T": ["\uac00\u11a8", "\uac00"],
    "GB9 marks": ["e\u0301\u0323", "a"],
    "GB9 a mark on a blank": ["a", " \u0308", "b"],
    "GB9 variation selector and keycap": ["1\ufe0f\u20e3", "2"],
    "GB9a spacing mark": ["\u0915\u0940", "\u0915"],
    "GB9b prepend": ["\u0600a", "b"],
    "GB9c Indic conjunct": ["\u0915\u094d\u0937", "\u0915"],
    "GB11 emoji with joiners": ["👩\u200d👩\u200d👧\u200d👦", "👍🏽"],
    "GB11 only between emoji": ["a\u200d", "b"],
    "GB12 flags": ["🇹🇼", "🇯🇵", "🇩"],
    "GB13 flags after a letter": ["a", "🇹🇼", "🇯"],
    "GB999 all others": ["天", "下", "a", "b", " ", "\ud800", "\udc00"],
}


@pytest.mark.parametrize("clusters", CASES.values(), ids=CASES)
def test_clusters_follow_the_rules(clusters: list[str]) -> None:
    texts = ["x", "".join(clusters)]
    expected = [True] + [i == 0 for cluster in clusters for i in range(len(cluster))] + [True]
    assert cluster_edges(texts, read_chars(texts)).tolist() == expected


def test_a_text_ends_a_cluster() -> None:
    texts = ["a\r", "\n", "👩\u200d", "👩", ""]
    assert cluster_edges(texts, read_chars(texts)).tolist() == [True, True, True, True, False, True, True]


def test_ranges_grow_to_whole_clusters() -> None:
    texts = ["a🇹🇼b"]
    edges = cluster_edges(texts, read_chars(texts))
    starts, ends = widen_to_clusters(edges, np.array([0, 2, 3]), np.array([2, 3, 4]))
    assert (starts.tolist(), ends.tolist()) == ([0, 1, 3], [3, 3, 4])
