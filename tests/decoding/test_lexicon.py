"""Finding a user's words, and reading the file they stand in."""

import math
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel.decoding import lexicon as lexicon_module
from lexel.decoding.lexicon import DEFAULT_WEIGHT, Entry, Lexicon
from lexel.errors import DataError

any_text = st.text("abc 甲乙\U0001f642\ud800", max_size=20)
words = st.text("abc 甲乙\U0001f642\ud800", min_size=1, max_size=4).filter(lambda word: word == word.strip())


def plain_match(entries, text):
    """Leftmost-longest by trying every entry at every place."""
    found, at = [], 0
    while at < len(text):
        longest = max((len(word) for word in entries if text.startswith(word, at)), default=0)
        if longest:
            found.append((at, at + longest))
        at += max(longest, 1)
    return found


@settings(max_examples=300)
@given(st.lists(words, max_size=6, unique=True), any_text)
def test_matches_are_the_leftmost_and_longest(entries, text):
    assert Lexicon(entries).match(text) == plain_match(entries, text)


@settings(max_examples=100)
@given(st.lists(words, max_size=4, unique=True), st.lists(any_text, max_size=4))
def test_matches_in_a_batch_are_those_of_each_text(entries, texts):
    lexicon = Lexicon(entries)
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    bounds = np.append(0, np.cumsum([len(text) for text in texts])).astype(np.int64)
    found = lexicon.find(codes, bounds)
    expected = [
        (start + begin, start + end)
        for start, text in zip(bounds.tolist(), texts, strict=False)
        for begin, end in lexicon.match(text)
    ]
    assert list(zip(found.start.tolist(), found.end.tolist(), strict=True)) == expected


@settings(max_examples=100)
@given(st.lists(words, max_size=6, unique=True), any_text)
def test_entries_that_share_a_hash_are_told_apart(entries, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexicon_module, "_mix", lambda codes: np.ones(codes.shape, np.uint64))
        assert Lexicon(entries).match(text) == plain_match(entries, text)


def test_a_match_carries_its_entrys_weight():
    found = Lexicon(["乙", Entry("甲", "prefer", 0.5)]).find(
        np.array([ord("甲"), ord("乙")], np.uint32), np.array([0, 2])
    )
    assert found.weight.tolist() == [0.5, math.inf]


def test_no_match_reaches_into_the_next_text():
    codes = np.frombuffer("甲乙甲乙".encode("utf-32-le"), np.uint32)
    found = Lexicon(["甲乙"]).find(codes, np.array([0, 1, 1, 4]))
    assert found.start.tolist() == [2]


def test_an_empty_lexicon_matches_nothing():
    assert Lexicon([]).match("甲乙") == []
    assert len(Lexicon([])) == 0


def write(tmp_path, content):
    path = tmp_path / "words.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def weights_in(path):
    lexicon = Lexicon.load(path)
    found = lexicon.find(np.frombuffer("甲乙丙丁".encode("utf-32-le"), np.uint32), np.array([0, 4]))
    return found.weight.tolist()


def test_a_file_has_an_entry_a_line(tmp_path):
    path = write(tmp_path, "# ours\n甲\n乙\tforce\r\n\n丙\tprefer\n丁\tprefer\t0.25\n")
    assert weights_in(path) == [math.inf, math.inf, DEFAULT_WEIGHT, 0.25]


def test_a_byte_order_mark_is_no_part_of_the_first_entry(tmp_path):
    assert Lexicon.load(write(tmp_path, "\ufeff甲")).match("甲") == [(0, 1)]


def test_an_entry_may_hold_spaces_and_a_number_sign(tmp_path):
    lexicon = Lexicon.load(write(tmp_path, "New York\nC#\n"))
    assert lexicon.match("C# in New York") == [(0, 2), (6, 14)]


def test_an_entry_may_stand_twice_with_the_same_order(tmp_path):
    assert len(Lexicon.load(write(tmp_path, "甲\n甲\tforce\n"))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("甲\n乙\tforced\n", ":2: found '乙\\tforced'; expected word<TAB>force"),
        ("甲\tforce\t2\n", ":1: found '甲\\tforce\\t2'"),
        ("甲\tprefer\t2\t3\n", ":1: found"),
        ("甲\tprefer\tmuch\n", ":1: weight 'much'; expected a positive number"),
        ("甲\tprefer\t-1\n", ":1: weight -1.0; expected a positive number"),
        ("甲\tprefer\tnan\n", ":1: weight nan; expected a positive number"),
        ("甲\tprefer\tinf\n", ":1: weight inf; expected a positive number"),
        ("\tforce\n", ":1: the entry is blank"),
        ("甲\n甲\tprefer\n", ":2: '甲' appears earlier with another action"),
        (b"\xe7\x94\xb2\n\xff\xfe\n", ":2: byte 0 is not UTF-8"),
    ],
)
def test_a_line_that_is_no_entry_is_refused_with_its_place(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=re.escape(f"{path}{message}")):
        Lexicon.load(path)


@pytest.mark.parametrize("word", [" 甲", "甲 ", "", " "])
def test_entries_begin_and_end_with_a_character(word):
    with pytest.raises(DataError, match=r"lexicon:1: "):
        Lexicon([word])


def test_a_plain_tuple_is_an_entry() -> None:
    codes = np.frombuffer("在北京".encode("utf-32-le"), np.uint32)
    assert Lexicon([("北京", "prefer", 3)]).find(codes, np.array([0, 3])).weight.tolist() == [3]


def test_one_string_is_not_taken_for_its_characters() -> None:
    with pytest.raises(TypeError, match="found one str; put it in a list"):
        Lexicon("北京")


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("nothing", "no such file"),
        ("folder", r"cannot be read \(it is a folder\)"),
        ("pipe", r"cannot be read \(it is a pipe\)"),
    ],
)
def test_a_lexicon_that_is_no_file_is_refused_by_its_name(tmp_path: Path, kind: str, found: str) -> None:
    path = tmp_path / "words"
    if kind != "nothing":
        path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(DataError, match=rf"words: {found}; expected a lexicon"):
        Lexicon.load(path)
