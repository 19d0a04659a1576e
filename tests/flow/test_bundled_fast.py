"""The bundled fast model finds words alone, in both scripts, and is as small as promised."""

from __future__ import annotations

import pytest

import lexel
from lexel.checkpoint.source import bundled_folder
from lexel.tasks.tag import Tagger

FOLDER = bundled_folder().parent / "zh-fast"


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return lexel.load("zh-fast", threads=1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("乒乓球拍卖完了", "乒乓 球 拍卖 完 了"),
        ("南京市长江大桥昨日通车", "南京 市 长江 大桥 昨日 通车"),
        ("請問台北車站怎麼走？", "請問 台北 車站 怎麼 走 ？"),
        ("这款SUV的0-100km/h加速只要3.9秒", "这 款 SUV 的 0-100km/h 加速 只要 3.9 秒"),
    ],
)
def test_words_are_found_in_both_scripts(tagger: Tagger, text: str, words: str) -> None:
    assert tagger(text).words.texts == words.split(" ")


def test_it_gives_words_alone(tagger: Tagger) -> None:
    assert tagger("他在北京。").layers == {"words", "sentences"}


def test_it_takes_at_most_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 3e6
