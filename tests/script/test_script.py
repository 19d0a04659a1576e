"""Text in another script: what is converted, and where its characters stand in the original."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import opencc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel.errors import MissingExtra
from lexel.text import script
from lexel.text.pieces import SpecialPieces
from lexel.text.script import Converted, convert_texts, converter, in_script
from lexel.text.tokenizer import CharTokenizer, Tokenizer, load_tokenizer
from tests.builders import SPECIALS, VOCAB, write_vocab
from tests.flow.test_any_text import CHARACTERS, FRAGMENTS

DATA = Path(__file__).parents[1] / "data"
HAN = "甲乙丙丁戊己"
MIXED = st.text(st.one_of(st.sampled_from(HAN), CHARACTERS), max_size=20) | st.lists(
    st.sampled_from((*FRAGMENTS, *HAN)), max_size=8
).map("".join)


def by(change: Callable[[str], str]) -> Callable[[Sequence[str]], list[str]]:
    """A converter that changes each run by a rule."""
    return lambda runs: [change(run) for run in runs]


def doubling(run: str) -> str:
    return run.replace("甲", "甲甲").replace("乙", "").replace("丙", "丙丁戊")


def converted(text: str, change: Callable[[str], str]) -> Converted:
    return convert_texts([text], by(change))[0]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("simplified", "臺灣大學的學生", "台湾大学的学生"),
        ("traditional", "他的头发", "他的頭髮"),
        ("traditional", "发展", "發展"),
        ("simplified", "Anne說「好」。", "Anne说「好」。"),
        ("simplified", "", ""),
        ("traditional", "no Han at all \ud800", "no Han at all \ud800"),
    ],
)
def test_text_is_converted_as_opencc_does(name: str, text: str, expected: str) -> None:
    assert convert_texts([text], converter(name))[0].text == expected


@pytest.mark.parametrize("config", ["t2s", "s2t"])
def test_opencc_converts_han_characters_alone_and_each_to_one_character(config: str) -> None:
    library = opencc.OpenCC(config)
    chars = [chr(code) for code in range(0x80, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    converted = library.convert("\n".join(chars)).split("\n")
    assert {len(char) for char in converted} == {1}
    changed = [char for char, other in zip(chars, converted, strict=True) if char != other]
    assert len(changed) > 1000
    assert all(map(script._HAN.fullmatch, changed))


@pytest.mark.parametrize("name", ["simplified", "traditional"])
@pytest.mark.parametrize("file", ["zh_gsd", "zh_gsdsimp", "zh_hk", "zh_aishell_ner"])
def test_real_sentences_keep_their_length_and_equal_the_conversion_of_the_whole(name: str, file: str) -> None:
    texts = [json.loads(line)["text"] for line in (DATA / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()]
    library = opencc.OpenCC({"simplified": "t2s", "traditional": "s2t"}[name])
    for text, one in zip(texts, convert_texts(texts, converter(name)), strict=True):
        assert len(one.text) == len(text)
        assert len(one.blocks) == 0
        assert one.text == library.convert(text)


def test_a_run_that_changes_its_length_is_one_block_between_its_equal_ends() -> None:
    one = converted("a甲乙丙丁b", lambda run: run.replace("乙丙", "戊"))
    assert one.text == "a甲戊丁b"
    assert one.blocks.tolist() == [[2, 4, 2, 3]]


def test_a_block_has_a_character_on_both_sides_where_characters_come_or_go() -> None:
    assert converted("甲乙", lambda run: run + "乙").blocks.tolist() == [[1, 2, 1, 3]]
    assert converted("甲乙", lambda run: run[:1]).blocks.tolist() == [[0, 2, 0, 1]]


def test_a_start_inside_a_block_is_its_start_and_an_end_its_end() -> None:
    one = converted("a甲乙丙丁b", lambda run: run.replace("乙丙", "戊己戊"))
    inside = np.arange(len(one.text) + 1)
    assert one.text == "a甲戊己戊丁b"
    assert one.starts_in_original(inside).tolist() == [0, 1, 2, 2, 2, 4, 5, 6]
    assert one.ends_in_original(inside).tolist() == [0, 1, 2, 4, 4, 4, 5, 6]
    assert one.from_original(np.arange(7)).tolist() == [0, 1, 2, 5, 5, 6, 7]


@given(text=MIXED)
def test_what_is_no_han_character_stays_and_its_place_is_known(text: str) -> None:
    one = converted(text, doubling)
    assert re.sub(script._HAN, "", one.text) == re.sub(script._HAN, "", text)
    for i, char in enumerate(one.text):
        if not script._HAN.match(char):
            start, end = one.starts_in_original(np.array([i])), one.ends_in_original(np.array([i + 1]))
            assert text[int(start[0]) : int(end[0])] == char


@given(text=MIXED)
def test_offsets_are_mapped_in_order_and_inside_the_text(text: str) -> None:
    one = converted(text, doubling)
    offsets = np.arange(len(one.text) + 1)
    for mapped in (one.starts_in_original(offsets), one.ends_in_original(offsets)):
        assert (np.diff(mapped) >= 0).all()
        assert mapped[0] >= 0
        assert mapped[-1] == len(text)
    assert (np.diff(one.from_original(np.arange(len(text) + 1))) >= 0).all()
    assert one.from_original(np.array([len(text)])).tolist() == [len(one.text)]


@given(text=MIXED)
def test_from_the_original_and_back_is_the_same_offset_outside_blocks(text: str) -> None:
    one = converted(text, doubling)
    offsets = np.arange(len(text) + 1)
    inside = np.zeros(len(text) + 1, np.bool_)
    for start, end in one.blocks[:, :2].tolist():
        inside[start + 1 : end] = True
    back = one.ends_in_original(one.from_original(offsets))
    emptied = np.isin(one.from_original(offsets), one.blocks[one.blocks[:, 2] == one.blocks[:, 3], 2])
    assert (back == offsets)[~inside & ~emptied].all()


# The tokenizer -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["chars", "tokenizer"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_vocab(folder, (*VOCAB, *(char for char in "甲乙丙丁戊己" if char not in VOCAB)))
    return load_tokenizer(folder, pieces=request.param, model_type="bert", threads=1)


def strings(tokenizer: Tokenizer, text: str, name: str) -> list[tuple[str, int, int]]:
    pieces = in_script(tokenizer, name).encode([text])
    return list(zip(tokenizer.strings(pieces.ids), pieces.starts.tolist(), pieces.ends.tolist(), strict=True))


def test_a_tokenizer_reads_the_converted_text_with_the_offsets_of_the_original(tmp_path: Path) -> None:
    write_vocab(tmp_path, (*SPECIALS, *"台湾大学", "a", "##b"))
    tokenizer = load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert")
    found = strings(tokenizer, "ab臺灣 大學", "simplified")
    assert found == [("a", 0, 1), ("##b", 1, 2), ("台", 2, 3), ("湾", 3, 4), ("大", 5, 6), ("学", 6, 7)]


def test_as_it_is_changes_nothing(tokenizer: Tokenizer) -> None:
    assert in_script(tokenizer, "as-is") is tokenizer


def test_a_script_that_nobody_knows_is_refused_with_those_there_are(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="script is 'hans'; expected one of simplified, traditional, as-is"):
        in_script(tokenizer, "hans")


def test_without_opencc_the_error_says_what_to_install(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    converter.cache_clear()
    with pytest.raises(MissingExtra, match=r'pip install "lexel\[script\]"'):
        in_script(tokenizer, "simplified")
    assert in_script(tokenizer, "as-is") is tokenizer


def test_one_conversion_reads_a_whole_batch() -> None:
    calls: list[Sequence[str]] = []

    def counted(runs: Sequence[str]) -> Sequence[str]:
        calls.append(runs)
        return runs

    special = SpecialPieces((2,), (3,), (2,), (3,), (3,), 1, 0, 1, 4)
    wrapped = script.ScriptTokenizer(CharTokenizer({"a": 5}, special=special), counted)
    wrapped.encode(["甲 乙a丙", "", "丁"])
    assert calls == [["甲", "乙", "丙", "丁"]]


@given(texts=st.lists(MIXED, max_size=4))
@settings(max_examples=60)
def test_pieces_of_any_text_are_in_order_and_inside_it(tokenizer: Tokenizer, texts: list[str]) -> None:
    pieces = script.ScriptTokenizer(tokenizer, by(doubling)).encode(texts)
    for i, text in enumerate(texts):
        starts, ends = (column[slice(*pieces.bounds[i : i + 2])] for column in (pieces.starts, pieces.ends))
        assert (np.diff(starts) >= 0).all()
        assert (starts <= ends).all()
        assert ends.max(initial=0) <= len(text)
        assert starts.min(initial=0) >= 0


@given(words=st.lists(MIXED, max_size=6), delimiter=st.sampled_from(["", " "]))
@settings(max_examples=60)
def test_pieces_of_given_words_stay_inside_their_words(tokenizer: Tokenizer, words: list[str], delimiter: str) -> None:
    text = delimiter.join(words)
    starts = np.cumsum([0, *(len(word) + len(delimiter) for word in words)])[:-1]
    places = np.stack((starts, starts + [len(word) for word in words]), axis=1) if words else np.empty((0, 2))
    pieces = script.ScriptTokenizer(tokenizer, by(doubling)).encode_words([text], [places.astype(np.int32)])
    for start, end, word in zip(pieces.starts, pieces.ends, pieces.words, strict=True):
        assert places[word, 0] <= start <= end <= places[word, 1]
    assert (np.diff(pieces.starts) >= 0).all()


def test_a_word_in_which_a_block_begins_has_its_pieces(tokenizer: Tokenizer) -> None:
    reader = script.ScriptTokenizer(tokenizer, by(lambda run: run.replace("乙丙", "戊")))
    pieces = reader.encode_words(["甲乙丙丁"], [np.array([[0, 2], [2, 4]], np.int32)])
    assert tokenizer.strings(pieces.ids) == ["甲", "戊", "丁"]
    assert pieces.words.tolist() == [0, 0, 1]
    assert list(zip(pieces.starts.tolist(), pieces.ends.tolist(), strict=True)) == [(0, 1), (1, 2), (3, 4)]
