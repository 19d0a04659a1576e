"""Replacing stretches of a text moves words and entities along."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lexel.corpora.spans import Replacement, replace_spans
from lexel.document import Document, Spans, Words

TEXT = "王小明在臺北市。"


def document() -> Document:
    words = Words.of(TEXT, [(0, 3), (3, 4), (4, 6), (6, 7), (7, 8)], ["N", "P", "N", "N", "X"])
    return Document(TEXT, words, Spans.of(TEXT, [(0, 3, "PER"), (4, 7, "LOC")]), id="a")


def test_words_and_entities_move_along() -> None:
    found = replace_spans(document(), [Replacement(0, 3, "李四"), Replacement(4, 7, "[LOC]")])
    assert found.text == "李四在[LOC]。"
    assert found.words.texts == ["李四", "在", "[LOC]", "。"]
    assert found.words.pos == ["N", "P", "N", "X"]
    assert [(one.text, one.label) for one in found.entities] == [("李四", "PER"), ("[LOC]", "LOC")]
    assert found.id == "a"


def test_a_stretch_that_cuts_an_entity_widens_it() -> None:
    found = replace_spans(document(), [Replacement(2, 4, "X")])
    assert found.text == "王小X臺北市。"
    assert [one.text for one in found.entities] == ["王小X", "臺北市"]


def test_what_stood_in_a_stretch_that_is_empty_now_is_gone() -> None:
    found = replace_spans(document(), [Replacement(0, 3, "")])
    assert found.words.texts == ["在", "臺北", "市", "。"]
    assert [one.text for one in found.entities] == ["臺北市"]


@given(st.data())
def test_what_is_not_replaced_stays_under_its_words(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(TEXT)), max_size=6, unique=True)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    replacements = [Replacement(start, end, data.draw(st.text("xyz", max_size=4))) for start, end in spans]
    found = replace_spans(document(), replacements)
    untouched = [
        word.text
        for word in document().words
        if all(word.end <= one.start or one.end <= word.start for one in replacements)
    ]
    if all(one.text for one in replacements):
        assert [word for word in found.words.texts if not set(word) & set("xyz")] == untouched
    ends = [(word.start, word.end) for word in found.words]
    assert all(start < end for start, end in ends)
    assert all(one[1] <= other[0] for one, other in pairwise(ends))
