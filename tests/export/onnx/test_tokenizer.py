"""The tokenizer.json that is written for models of single characters, read by the tokenizers library alone."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import tokenizers
import transformers

from lexel.checkpoint.source import bundled_folder
from lexel.text.tokenizer import load_tokenizer
from lexel.text.tokenizer_export import write_tokenizer
from tests.builders import VOCAB, WORDS, build_tagger, write_byte_level_tokenizer, write_vocab

ALPHABET = "傅達仁今將執行安樂死國国学學 \t\n\u3000\u00a0ＡｂＣ０９，。！abcXYZ019.,é̂ß𠮷😀\u200d\ufffd"


def strings(n: int) -> list[str]:
    """Random strings: the characters above, and any at all but surrogates."""
    chosen = random.Random(0)

    def char() -> str:
        code = chosen.randrange(1, 0x11000 if chosen.random() < 0.9 else 0x10FFFF)
        return chosen.choice(ALPHABET) if chosen.random() < 0.8 or 0xD800 <= code < 0xE000 else chr(code)

    return ["".join(char() for _ in range(chosen.randrange(0, 40))) for _ in range(n)]


@pytest.mark.parametrize("is_bundled", [True, False])
def test_character_models_cut_2000_random_strings_as_lexel_does(is_bundled: bool, tmp_path: Path) -> None:
    folder = (
        bundled_folder() if is_bundled else build_tagger(tmp_path / "model", heads={"words": WORDS}, pieces="chars")
    )
    write_tokenizer(folder, tmp_path, pieces="chars", model_type="bert", max_length=64)
    ours = load_tokenizer(folder, pieces="chars", model_type="bert")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = strings(2000)
    pieces, encodings = ours.encode(texts), theirs.encode_batch(texts, add_special_tokens=False)
    assert [index for encoding in encodings for index in encoding.ids] == pieces.ids.tolist()
    offsets = [pair for encoding in encodings for pair in encoding.offsets]
    assert offsets == list(zip(pieces.starts.tolist(), pieces.ends.tolist(), strict=True))


@pytest.mark.parametrize("write", [write_byte_level_tokenizer, lambda folder: write_vocab(folder, VOCAB)])
def test_other_models_keep_their_tokenizer(write: object, tmp_path: Path) -> None:
    folder, out = tmp_path / "model", tmp_path / "out"
    for place in (folder, out):
        place.mkdir()
    write(folder)  # type: ignore[operator]
    model_type = "bert" if (folder / "vocab.txt").exists() else "roberta"
    write_tokenizer(folder, out, pieces="tokenizer", model_type=model_type, max_length=64)
    ours = load_tokenizer(folder, pieces="tokenizer", model_type=model_type)
    theirs = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    for text in ("He went to New York.", "  the live  ", ""):
        special = ours.special
        expected = [*special.prefix, *ours.encode([text]).ids.tolist(), *special.suffix]
        assert theirs.encode(text).ids == expected


def test_transformers_reads_the_files(tmp_path: Path) -> None:
    write_tokenizer(bundled_folder(), tmp_path, pieces="chars", model_type="bert", max_length=256)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = load_tokenizer(bundled_folder(), pieces="chars", model_type="bert")
    text = "今天ＡＢ 3點，他來了。"
    special = ours.special
    assert theirs(text)["input_ids"] == [*special.prefix, *ours.encode([text]).ids.tolist(), *special.suffix]
    assert theirs.model_max_length == 256
    assert theirs.mask_token == "[MASK]"
