"""Where Latin letters, digits or marks of ASCII meet ideographs."""

import numpy as np
import pytest

from lexel.decoding.script_borders import script_borders


def borders(*texts):
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    return script_borders(codes, np.append(0, np.cumsum([len(text) for text in texts]))).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CEO萨姆", [3]),
        ("用iPhone15比", [1, 9]),
        ("ＰＤＦ文件", [3]),
        ("第６旅", [1, 2]),
        ("Á的𠀀b", [1, 3]),
        ("A，的 b-1", []),
        ("#有奖#//@林：看", [1, 3, 7]),
        ("かA", []),
        ("か#", []),
        ("", []),
        ("的", []),
    ],
)
def test_a_border_lies_between_latin_digits_or_marks_and_ideographs(text, expected):
    assert borders(text) == expected


def test_two_texts_share_no_border():
    assert borders("的", "A", "的a") == [3]
