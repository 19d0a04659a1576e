"""The script that a vocabulary is written in."""

from __future__ import annotations

import pytest

from lexel.describe.languages import look_at_vocabulary
from lexel.text.char_tokenizer import CharTokenizer
from lexel.text.letters import main_script
from lexel.text.pieces import SpecialPieces


@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["the", "##ing", "дом", "3"], "Latn"),
        (["дом", "кот", "the"], "Cyrl"),
        (["北", "京", "上", "海", "internationalization"], "Hani"),
        (["日", "本", "の", "カメラ"], "Jpan"),
        ([*"北京上海天地人大小中", "の"], "Hani"),  # Chinese vocabularies hold some kana
        (["ひ", "ら"], "Jpan"),
        (["1", "!", ""], None),
        ([], None),
    ],
)
def test_the_main_script_is_that_of_most_words(words: list[str], script: str | None) -> None:
    assert main_script(words) == script


def test_names_of_special_pieces_are_not_text() -> None:
    names = ["[PAD]", "[UNK]", "[MASK]", *(f"[unused{i}]" for i in range(9)), "<extra>"]
    vocab = {piece: index for index, piece in enumerate([*names, "北", "京"])}
    special = SpecialPieces((), (), (), (), (), 0, pad=0, unk=1, mask=2)
    assert look_at_vocabulary(CharTokenizer(vocab, special=special)) == ("Hani", "[MASK]")


def test_a_vocabulary_without_a_mask_has_none() -> None:
    special = SpecialPieces((), (), (), (), (), 0, pad=0, unk=0, mask=None)
    assert look_at_vocabulary(CharTokenizer({"a": 0}, special=special)) == ("Latn", None)
