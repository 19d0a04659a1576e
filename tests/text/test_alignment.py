"""Characters as arrays, the piece over each character, offsets in other units."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lexel.text.alignment import flat_ranges, offsets_in_unit, piece_of_char, read_chars, trim_blanks
from lexel.text.pieces import Pieces

STRINGS = st.text(st.sampled_from(list("aé中😀 \n\u3000\x1c\u200b\ud800\udc00")) | st.characters(), max_size=30)

WIDTHS = "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"
"""The code points on both sides of each change of width."""


def pieces_of(ranges: list[list[tuple[int, int]]]) -> Pieces:
    """Pieces with the given offsets, one list a text."""
    flat = [pair for own in ranges for pair in own]
    starts, ends = np.array(flat, np.int32).reshape(-1, 2).T
    bounds = np.cumsum([0, *map(len, ranges)])
    return Pieces(np.zeros(len(flat), np.int32), starts, ends, np.zeros(len(flat), np.int32), bounds)


@given(st.lists(STRINGS, max_size=5))
def test_characters_are_those_of_the_strings(texts: list[str]) -> None:
    chars = read_chars(texts)

    joined = "".join(texts)
    assert chars.codes.tolist() == [ord(char) for char in joined]
    assert chars.space.tolist() == [char.isspace() for char in joined]
    assert [joined[a:b] for a, b in zip(chars.bounds, chars.bounds[1:], strict=False)] == texts
    assert (chars.codes.dtype, chars.space.dtype, chars.bounds.dtype) == (np.uint32, np.bool_, np.int64)
    assert len(chars) == len(joined)


def test_white_space_is_pythons_for_every_code_point() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))

    assert read_chars([everything]).space.nonzero()[0].tolist() == [
        i for i, char in enumerate(everything) if char.isspace()
    ]


RANGES = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), max_size=8).map(
        lambda pairs: [(start, min(start + length, 10)) for start, length in sorted(pairs, key=lambda pair: pair[0])]
    ),
    max_size=4,
)


@given(RANGES)
def test_each_character_belongs_to_the_first_piece_over_it(ranges: list[list[tuple[int, int]]]) -> None:
    chars = read_chars(["x" * 10] * len(ranges))

    owner = piece_of_char(chars, pieces_of(ranges))

    expected, first = [], 0
    for own in ranges:
        for i in range(10):
            expected.append(next((first + j for j, (start, end) in enumerate(own) if start <= i < end), -1))
        first += len(own)
    assert owner.tolist() == expected
    assert owner.dtype == np.int32


def test_flat_ranges_count_over_all_texts() -> None:
    chars, pieces = read_chars(["abc", "", "de"]), pieces_of([[(0, 1), (1, 3)], [], [(1, 2)]])

    starts, ends = flat_ranges(chars, pieces)

    assert (starts.tolist(), ends.tolist()) == ([0, 1, 4], [1, 3, 5])
    assert pieces.texts.tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((0, 3), (1, 3)),
        ((2, 5), (2, 3)),
        ((1, 3), (1, 3)),
        ((3, 5), (5, 5)),
        ((4, 4), (5, 5)),
        ((6, 7), (7, 7)),
        ((7, 7), (7, 7)),
    ],
)
def test_ranges_lose_the_white_space_at_their_ends(found: tuple[int, int], expected: tuple[int, int]) -> None:
    chars = read_chars([" ab  c "])

    starts, ends = trim_blanks(chars, np.array([found[0]]), np.array([found[1]]))

    assert (starts[0], ends[0]) == expected


@given(STRINGS)
@example(WIDTHS)
def test_utf16_offsets_are_those_of_the_encoding(text: str) -> None:
    assert offsets_in_unit(text, "utf16").tolist() == [
        len(text[:i].encode("utf-16-le", "surrogatepass")) // 2 for i in range(len(text) + 1)
    ]


@given(STRINGS)
@example(WIDTHS)
def test_byte_offsets_are_those_of_the_encoding(text: str) -> None:
    assert offsets_in_unit(text, "byte").tolist() == [
        len(text[:i].encode("utf-8", "surrogatepass")) for i in range(len(text) + 1)
    ]


@given(STRINGS)
def test_char_offsets_are_themselves(text: str) -> None:
    assert offsets_in_unit(text, "char").tolist() == list(range(len(text) + 1))


def test_another_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="'utf8'"):
        offsets_in_unit("a", "utf8")  # type: ignore[arg-type]
