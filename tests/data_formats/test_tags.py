"""Tags of entities over words, in every scheme, against the rule of the official scorer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from lexel.data.tags import TAG_SCHEMES, TagError, scheme_named, spans_of_tags, tags_of_spans


@st.composite
def spans(draw):
    """Spans side by side over a few words."""
    found, at = [], 0
    for _ in range(draw(st.integers(0, 6))):
        first = at + draw(st.integers(0, 2))
        at = first + draw(st.integers(1, 3))
        found.append((first, at, draw(st.sampled_from(["PER", "LOC", "A-B"]))))
    return found, at + draw(st.integers(0, 2))


@given(spans(), st.sampled_from(TAG_SCHEMES))
def test_spans_come_back_from_their_tags(drawn, scheme: str) -> None:
    found, n_words = drawn
    assert spans_of_tags(tags_of_spans(found, n_words=n_words, scheme=scheme), scheme=scheme) == found


TAGS = [f"{prefix}-{label}" for prefix in "BIES" for label in ("PER", "LOC")]


@given(st.lists(st.sampled_from(["O", *TAGS]), max_size=12))
def test_repair_reads_any_tags_as_the_official_scorer_does(tags: list[str]) -> None:
    theirs = [(first, last + 1, label) for label, first, last in get_entities(tags)]
    assert spans_of_tags(tags, scheme="BIOES", repair=True) == theirs


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("BIO", "B-X B-X I-X I-X O"),
        ("IOB1", "I-X B-X I-X I-X O"),
        ("IOE1", "E-X I-X I-X I-X O"),
        ("IOE2", "E-X I-X I-X E-X O"),
        ("BIOES", "S-X B-X I-X E-X O"),
        ("BILOU", "U-X B-X I-X L-X O"),
    ],
)
def test_each_scheme_has_its_own_tags(scheme: str, tags: str) -> None:
    assert tags_of_spans([(0, 1, "X"), (1, 4, "X")], n_words=5, scheme=scheme) == tags.split()


@pytest.mark.parametrize(
    ("alias", "scheme"), [("IOB2", "BIO"), ("iobes", "BIOES"), ("BMESO", "BIOES"), ("BILUO", "BILOU")]
)
def test_schemes_have_other_names(alias: str, scheme: str) -> None:
    assert scheme_named(alias) == scheme


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme 'BOI'; expected one of BIO, IOB1, IOE1, IOE2, BIOES, BILOU"):
        scheme_named("BOI")


def test_a_middle_tag_is_read_as_an_inner_one() -> None:
    assert spans_of_tags(["B-X", "M-X", "E-X"], scheme="BIOES") == [(0, 3, "X")]


@pytest.mark.parametrize(
    ("scheme", "tags", "index", "wanted"),
    [
        ("BIO", "O I-X", 1, "B-X"),
        ("BIO", "B-X I-Y", 1, "B-Y"),
        ("IOB1", "B-X O", 0, "I-X"),
        ("IOE2", "I-X O", 0, "E-X"),
        ("BIOES", "B-X O", 0, "S-X"),
        ("BIOES", "B-X I-X O", 1, "E-X"),
        ("BIOES", "O E-X", 1, "S-X"),
        ("BILOU", "B-X L-X L-X", 2, "U-X"),
    ],
)
def test_a_tag_that_cannot_stand_there_is_named_with_the_one_that_could(scheme, tags, index, wanted) -> None:
    with pytest.raises(TagError) as caught:
        spans_of_tags(tags.split(), scheme=scheme)
    assert caught.value.index == index
    assert f"tag {tags.split()[index]!r} is not allowed here" in str(caught.value)
    assert f"in scheme {scheme}; expected {wanted!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("tag", "repair"), [("E-X", False), *((tag, True) for tag in ("NOUN", "B-", "-X", "b-X", "O-X", ""))]
)
def test_a_tag_that_is_none_of_the_scheme_is_refused_even_in_repair(tag: str, repair: bool) -> None:
    with pytest.raises(TagError, match=rf"tag '{tag}' is not in scheme BIO; expected O, B-TYPE, I-TYPE"):
        spans_of_tags(["O", tag], scheme="BIO", repair=repair)


def test_repair_reads_the_tags_of_any_scheme() -> None:
    tags = ["U-PER", "B-LOC", "L-LOC", "E-ORG", "S-ORG"]
    assert spans_of_tags(tags, scheme="BIO", repair=True) == [
        (0, 1, "PER"),
        (1, 3, "LOC"),
        (3, 4, "ORG"),
        (4, 5, "ORG"),
    ]
