"""jieba's functions: the same calls and shapes, beside jieba itself."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel import jieba_like
from lexel.document import Document
from lexel.errors import DataError, OptionError
from lexel.jieba_like import analyse, posseg
from lexel.jieba_like.counts import word_counts
from lexel.jieba_like.cutter import Cutter

TEXT = "我来到北京清华大学, hello world！\r\n 今天天气很好。"


@pytest.fixture(scope="module")
def jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
        import jieba.posseg
    return jieba


@pytest.fixture(autouse=True)
def own_words() -> Iterator[None]:
    yield
    for word in list(jieba_like.dt._tags):
        jieba_like.del_word(word)


def test_the_words_put_together_are_the_text() -> None:
    assert "".join(jieba_like.cut(TEXT)) == TEXT
    assert {"来到", "清华", "大学", "hello", "world", "天气", "\r\n", " "} <= set(jieba_like.lcut(TEXT))


@given(st.text(alphabet="天氣很好。a1 \n\r　", max_size=20))
@settings(max_examples=40)
def test_no_character_is_lost(text: str) -> None:
    assert "".join(jieba_like.cut(text)) == text
    assert all(text[start:end] == word for word, start, end in jieba_like.tokenize(text))


@pytest.mark.parametrize("name", ["cut", "lcut", "cut_for_search", "lcut_for_search"])
def test_calls_take_and_give_what_jiebas_do(name: str, jieba: Any) -> None:
    mine, peers = getattr(jieba_like, name)("我爱北京", HMM=False), getattr(jieba, name)("我爱北京", HMM=False)
    assert isinstance(mine, list) == isinstance(peers, list)
    assert list(mine) == list(peers)


def test_pairs_are_jiebas_pairs(jieba: Any) -> None:
    mine, peers = posseg.lcut("我爱北京天安门"), jieba.posseg.lcut("我爱北京天安门")
    assert [(word, flag) for word, flag in mine][:3] == [(word, flag) for word, flag in peers][:3]
    assert [str(one) for one in mine][:2] == [str(one) for one in peers][:2]


def test_flags_say_what_a_name_names() -> None:
    flags = dict(posseg.cut("马英九在台北见ABC，3个人。"))
    assert (flags["台北"], flags["ABC"], flags["，"]) == ("ns", "eng", "x")
    assert "nr" in flags.values()


def test_a_users_word_stays_whole_until_it_is_deleted() -> None:
    assert "江州市长江大桥" not in jieba_like.lcut("参观江州市长江大桥")
    jieba_like.add_word("江州市长江大桥", freq=20000, tag="ns")
    assert jieba_like.lcut("参观江州市长江大桥") == ["参观", "江州市长江大桥"]
    assert posseg.lcut("参观江州市长江大桥")[1] == ("江州市长江大桥", "ns")
    jieba_like.del_word("江州市长江大桥")
    assert "江州市长江大桥" not in jieba_like.lcut("参观江州市长江大桥")


def test_a_file_of_words_is_read_as_jieba_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeff云计算 5\n创新办 3 i\n\neasy install 3 eng\n台中\n".encode())
    jieba_like.load_userdict(path)
    assert jieba_like.dt._tags == {"云计算": None, "创新办": "i", "easy install": "eng", "台中": None}
    jieba_like.load_userdict(io.StringIO("石墨烯\n"))
    assert jieba_like.lcut("云计算石墨烯") == ["云计算", "石墨烯"]


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes("云计算".encode("gb18030"))
    with pytest.raises(DataError, match=r"words\.txt: not UTF-8"):
        jieba_like.load_userdict(str(tmp_path / "words.txt"))


def test_a_search_mode_gives_known_words_inside_of_words() -> None:
    jieba_like.add_word("北京清华大学")
    found = list(jieba_like.tokenize("北京清华大学", mode="search"))
    assert found[-1] == ("北京清华大学", 0, 6)
    assert ("大学", 4, 6) in found
    assert jieba_like.lcut("北京清华大学", cut_all=True)[-1] == "北京清华大学"


def test_keywords_are_the_words_that_are_rare_elsewhere() -> None:
    text = "石墨烯是一种材料。石墨烯的导电性很好，研究人员用石墨烯做电池。"
    jieba_like.add_word("石墨烯")
    assert analyse.extract_tags(text, topK=1) == ["石墨烯"]
    weighted = analyse.extract_tags(text, topK=None, withWeight=True)
    assert [weight for _, weight in weighted] == sorted((weight for _, weight in weighted), reverse=True)
    assert not {"的", "是", "，"} & {word for word, _ in weighted}


def test_keywords_may_be_of_some_flags_alone() -> None:
    found = analyse.extract_tags("今天我们在北京吃水饺。", allowPOS=("ns",), withFlag=True)
    assert [(one.word, one.flag) for one in found] == [("北京", "ns")]


def test_stop_words_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyse, "_stop_words", analyse._stop_words)
    (tmp_path / "stop.txt").write_text("北京\n", encoding="utf-8")
    analyse.set_stop_words(tmp_path / "stop.txt")
    assert "北京" not in analyse.extract_tags("北京的天气很好。")


def test_an_empty_text_has_no_keywords() -> None:
    assert analyse.extract_tags("") == []


def test_counts_know_both_scripts() -> None:
    counts = word_counts()
    assert counts.of["国家"] == counts.of["國家"] > 100
    assert counts.idf("的") < counts.idf("国家") < counts.idf("石墨烯烯")


def test_another_tagger_may_find_the_words() -> None:
    class Whole:
        def __call__(self, text: str) -> Document:
            return Document(text)

    cutter = Cutter(Whole())  # type: ignore[arg-type]
    assert cutter.lcut("天气很好 吗") == ["天气很好", " ", "吗"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: jieba_like.initialize("dict.txt"), "Use load_userdict"),
        (lambda: jieba_like.suggest_freq(("中", "将"), True), "expected one word"),
        (lambda: list(jieba_like.tokenize("天", mode="full")), "mode is 'full'"),
        (lambda: jieba_like.add_word(" "), "word is ' '"),
    ],
)
def test_what_has_no_meaning_here_is_refused(call: Any, message: str) -> None:
    with pytest.raises((OptionError, DataError), match=message):
        call()
