"""Where ideographs, letters, digits and marks meet."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import lexel
from lexel.checkpoint.source import bundled_folder
from lexel.decoding.script_borders import script_borders


def signs(*texts):
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    found = script_borders(codes, np.append(0, np.cumsum([len(text) for text in texts])))
    return "".join(" +-"[sign] for sign in found.tolist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CEO萨姆", " --+ "),
        ("用iPhone15比", " +-------+"),
        ("ＰＤＦ文件", " --+ "),
        ("第６旅", " ++"),
        ("Á的𠀀b", " + +"),
        ("Günter说", " -----+"),
        ("A，的 b-1", " +     "),
        ("好！http:x", "  +---  "),
        ("#有奖#//@林：看", " + +   +  "),
        ("don’t", " --  "),
        ("５０％", " - "),
        ("かA", "  "),
        ("か#", "  "),
        ("", ""),
        ("的", " "),
    ],
)
def test_words_begin_between_kinds_of_characters_and_not_within_letters_and_digits(text, expected):
    assert signs(text) == expected


def test_two_texts_share_no_border():
    assert signs("的", "A", "的a", "b") == "   + "


@pytest.mark.parametrize(
    ("bonus", "words"),
    [
        (50, ["花", "了", "5", "亿", "买", "ok"]),
        (-50, ["花", "了5亿", "买o", "k"]),
    ],
)
def test_a_head_adds_its_bonus_between_kinds_and_subtracts_it_within_letters(
    bonus: float, words: list[str], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundled_folder(), tmp_path / "zh"))
    described = json.loads((folder / "lexel.json").read_bytes())
    described["heads"]["words"]["tuned"]["script_border"] = bonus
    (folder / "lexel.json").write_text(json.dumps(described), encoding="utf-8")
    assert lexel.load(folder)("".join(words)).words.texts == words
