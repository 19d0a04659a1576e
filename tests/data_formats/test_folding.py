"""Tags folded by a second tag: in both formats that have one, and never silently without."""

from __future__ import annotations

import io
import json

import pytest

from lexel.data import FOLDS, FORMATS, Losses, fold_of, read_conllu, read_jsonl, reader_of
from lexel.data.folding import fold_for
from lexel.errors import DataError

WORDS = ("也", "好", "的", "地", "如果")
UPOS = ("SCONJ", "ADJ", "SCONJ", "SCONJ", "SCONJ")
XPOS = ("RB", "RB", "DEC", "DEV", "IN")
FOLDED = ["ADV", "ADJ", "PART", "PART", "SCONJ"]


def record(**changes: object) -> io.StringIO:
    spans = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 6]]
    values = {"text": "".join(WORDS), "words": spans, "upos": UPOS, "xpos": XPOS, **changes}
    return io.StringIO(json.dumps({key: value for key, value in values.items() if value is not None}))


def sentence(xpos: tuple[str, ...] = XPOS) -> io.StringIO:
    rows = [
        f"{i}\t{word}\t_\t{upos}\t{other}\t_\t_\t_\t_\tSpaceAfter=No"
        for i, (word, upos, other) in enumerate(zip(WORDS, UPOS, xpos, strict=True), 1)
    ]
    return io.StringIO("\n".join(rows) + "\n\n")


def test_json_lines_are_folded_by_their_second_tags() -> None:
    (document,) = read_jsonl(record(), fold="ud-zh-2.12")
    assert document.words.pos == FOLDED


def test_conllu_is_folded_by_its_second_tags() -> None:
    (document,) = read_conllu(sentence(), fold="ud-zh-2.12")
    assert document.words.pos == FOLDED


def test_a_rule_can_be_given_as_a_table() -> None:
    (document,) = read_jsonl(record(), fold=fold_of({"SCONJ": {"IN": "ADP"}}))
    assert document.words.pos == [*UPOS[:-1], "ADP"]


def test_a_table_that_is_a_named_rule_is_known_by_its_name() -> None:
    assert fold_of({"SCONJ": {"RB": "ADV", "DEC": "PART", "DEV": "PART"}}).name == "ud-zh-2.12"


def test_without_a_rule_tags_stay() -> None:
    (document,) = read_jsonl(record())
    assert document.words.pos == list(UPOS)


def test_second_tags_that_fold_are_not_counted_as_lost() -> None:
    losses = Losses()
    list(read_jsonl(record(), losses=losses, fold="ud-zh-2.12"))
    list(read_conllu(sentence(), losses=losses, fold="ud-zh-2.12"))
    assert losses.summary() == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"xpos": None}, "<stream>:1: no 'xpos'; the rule ud-zh-2.12"), ({"xpos": ["RB"]}, "1 XPOS for 5 tags")],
)
def test_tags_without_their_second_tags_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(read_jsonl(record(**changes), fold="ud-zh-2.12"))


def test_conllu_without_second_tags_is_refused_with_its_line() -> None:
    with pytest.raises(DataError, match=r":1: no XPOS; the rule ud-zh-2.12"):
        list(read_conllu(sentence(("_",) * 5), fold="ud-zh-2.12"))


def test_a_record_without_tags_needs_no_second_tags() -> None:
    (document,) = read_jsonl(record(upos=None, xpos=None), fold="ud-zh-2.12")
    assert document.words.pos is None


@pytest.mark.parametrize("name", ["jsonl", "conllu"])
def test_the_table_gives_a_reader_that_folds(name: str) -> None:
    source = record() if name == "jsonl" else sentence()
    (document,) = reader_of(FORMATS[name], fold="ud-zh-2.12")(source)
    assert document.words.pos == FOLDED


@pytest.mark.parametrize(
    ("name", "fold", "said"),
    [
        ("jsonl", "ud-zh", f"fold 'ud-zh' is not a rule; expected one of {', '.join(FOLDS)}"),
        ("conll", "ud-zh-2.12", "conll holds no XPOS; expected jsonl or conllu"),
        ("html", None, "html: can only be written"),
    ],
)
def test_what_cannot_be_folded_is_said(name: str, fold: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        reader_of(FORMATS[name], fold=fold)


@pytest.mark.parametrize(
    ("unknown", "known", "found"),
    [
        (["SCONJ"], ["ADV", "PART", "NOUN"], "ud-zh-2.12"),
        (["SCONJ"], ["ADV", "NOUN"], None),
        (["INTJ"], ["ADV", "PART"], None),
    ],
)
def test_a_rule_is_named_where_it_turns_unknown_tags_into_known_ones(
    unknown: list[str], known: list[str], found: str | None
) -> None:
    rule = fold_for(unknown, known=known)
    assert (None if rule is None else rule.name) == found
