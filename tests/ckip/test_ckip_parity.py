"""Lexel's CKIP drivers give what ckip-transformers gives."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from .conftest import LABELS, OURS, SIZES, THEIRS, make_model, make_rule_model, read_data, vocabulary

AWKWARD = [
    "ABC and the 的",
    "3.14159 萬，２０２４年１２月",
    "emoji 😀👍🏽👩\u200d👩\u200d👧 在此",
    "  兩 個  空格\u3000全形\u3000 ",
    "\t定位\n換行\r\n",
    "控制\x00字\x01元\x7f\x85\u2028",
    "零\u200b寬\ufeff\u00ad字",
    "\u200b",
    " ",
    "",
    "𠮷野家𩸽",
    "e\u0301a\u0323ﬁ½Å",
    "\ufffd[SEP][CLS]##的",
    "，，。：；！？?!;:,",
    "สวัสดี مرحبا שלום 한국어",
]


@pytest.fixture(scope="module", params=["ws", "pos", "ner"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def drivers(kind: str, tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> tuple[Any, Any]:
    """Lexel's driver and theirs on one random model."""
    return load_both(kind, make_model(tmp_path_factory.mktemp(kind), LABELS[kind], vocabulary(sentences)))


@pytest.fixture(scope="module")
def short_drivers(kind: str, tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> tuple[Any, Any]:
    """The same with a model of 32 positions: contexts of 30 characters."""
    folder = tmp_path_factory.mktemp(f"short-{kind}")
    return load_both(kind, make_model(folder, LABELS[kind], vocabulary(sentences), positions=32, seed=1))


def load_both(kind: str, folder: Path) -> tuple[Any, Any]:
    return OURS[kind](model_name=folder, threads=1), THEIRS[kind](model_name=str(folder), device=-1)


@pytest.fixture(scope="module")
def inputs(kind: str, sentences: list[str]) -> list[Any]:
    """Sentences, or for the tagger their gold words."""
    if kind != "pos":
        return list(sentences)
    return [words_of(record) for name, n in SIZES.items() for record in read_data(name, n)]


def words_of(record: Any) -> list[str]:
    ranges = record.get("words") or [[i, i + 2] for i in range(0, len(record["text"]), 2)]
    return [record["text"][start:end] for start, end in ranges]


def awkward(kind: str) -> list[Any]:
    if kind != "pos":
        return list(AWKWARD)
    cut = [runs_of(text) for text in AWKWARD]
    return [*cut, ["", " ", "\u3000", "\u200b", "字 ", " 字", "\t\n", ""], [""] * 3, [], ["長" * 40, "，，", "，"]]


def runs_of(text: str) -> list[str]:
    """The text in words of one to three characters."""
    numbers = random.Random(text)
    runs = []
    while text:
        n = numbers.randint(1, 3)
        runs.append(text[:n])
        text = text[n:]
    return runs


@pytest.mark.parametrize("use_delim", [False, True])
def test_300_sentences_give_the_same_result(drivers: Any, inputs: list[Any], use_delim: bool) -> None:
    ours, their = drivers
    assert ours(inputs, use_delim=use_delim) == their(inputs, use_delim=use_delim, show_progress=False)


def test_the_300_sentences_hold_every_label(kind: str, drivers: Any, inputs: list[Any]) -> None:
    found = drivers[0](inputs)
    if kind == "ws":
        lengths = {len(word) for words in found for word in words}
        assert lengths >= {1, 2, 3, 4, 5}
    elif kind == "pos":
        assert {tag for tags in found for tag in tags} == set(LABELS["pos"])
    else:
        assert {(token.ner, min(len(token.word), 3)) for tokens in found for token in tokens} == {
            (type, n) for type in ("PERSON", "GPE") for n in (1, 2, 3)
        }


@pytest.mark.parametrize("use_delim", [False, True])
def test_awkward_texts_give_the_same_result(kind: str, drivers: Any, use_delim: bool) -> None:
    ours, their = drivers
    texts = awkward(kind)
    assert ours(texts, use_delim=use_delim) == their(texts, use_delim=use_delim, show_progress=False)


def test_the_defaults_are_theirs(drivers: Any, inputs: list[Any]) -> None:
    ours, their = drivers
    assert ours(inputs[:40]) == their(inputs[:40])


def test_other_delimiters_give_the_same_result(drivers: Any, inputs: list[Any]) -> None:
    ours, their = drivers
    options = {"use_delim": True, "delim_set": "的，"}
    found = ours(inputs[:60], **options)
    assert found == their(inputs[:60], show_progress=False, **options)
    assert found != ours(inputs[:60], use_delim=False)


@pytest.mark.parametrize("use_delim", [False, True])
@pytest.mark.parametrize("max_length", [None, 17, 5, 1])
def test_texts_beyond_the_context_are_cut_alike_when_asked(
    kind: str, short_drivers: Any, inputs: list[Any], use_delim: bool, max_length: int | None
) -> None:
    ours, their = short_drivers
    texts = fitting([*inputs[:40], joined(inputs, 60), joined(inputs, 200)], kind, max_length or 30)
    options = {"use_delim": use_delim, "max_length": max_length}
    found = ours(texts, cut="ckip", **options)
    assert found == their(texts, show_progress=False, **options)


def joined(inputs: list[Any], first: int) -> Any:
    """Ten neighbouring texts as one, longer than any context."""
    some = inputs[first : first + 10]
    return "".join(some) if isinstance(some[0], str) else list(itertools.chain.from_iterable(some))


def fitting(texts: list[Any], kind: str, limit: int) -> list[Any]:
    """For the tagger without words longer than a context, on which theirs fails."""
    return [[word for word in words if len(word) <= limit] for words in texts] if kind == "pos" else texts


def test_long_texts_are_read_in_windows_by_default(short_drivers: Any, inputs: list[Any]) -> None:
    ours, _ = short_drivers
    long = joined(inputs, 60)
    windowed = ours([long], use_delim=False)
    assert windowed == ours([long], use_delim=False, cut="window")
    assert windowed != ours([long], use_delim=False, cut="ckip")


ROLES = ("O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y")


def test_every_sequence_of_four_entity_labels_gives_the_same_spans(tmp_path: Path) -> None:
    folder = make_rule_model(tmp_path, ROLES, "甲乙丙丁戊己庚辛壬")
    ours, their = load_both("ner", folder)
    texts = ["".join(chars) for chars in itertools.product("甲乙丙丁戊己庚辛壬", repeat=4)]
    joined = ["".join(texts[i : i + 9]) for i in range(0, len(texts), 9)]
    found = ours(joined)
    assert found == their(joined, show_progress=False)
    assert sum(map(len, found)) > 5000


def test_the_first_column_begins_a_word_whatever_it_is_called(tmp_path: Path) -> None:
    for labels in (("B", "I"), ("LABEL_0", "LABEL_1"), ("I", "B"), ("x", "y")):
        folder = make_rule_model(tmp_path / labels[0], labels, "甲乙")
        ours, their = load_both("ws", folder)
        assert ours(["乙乙甲乙甲"]) == [["乙乙", "甲乙", "甲"]] == their(["乙乙甲乙甲"], show_progress=False)


def test_equal_scores_do_not_begin_a_word(tmp_path: Path) -> None:
    ours, their = load_both("ws", make_rule_model(tmp_path, ("B", "I"), "甲乙"))
    assert ours(["甲?? 甲"]) == [["甲?? ", "甲"]] == their(["甲?? 甲"], show_progress=False)
