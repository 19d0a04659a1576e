"""What is special about RoFormer: a tokenizer that takes Chinese words whole, and values that may be turned."""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from transformers import RoFormerConfig

import lexel
from lexel.checkpoint.config import read_config
from lexel.errors import CheckpointError, MissingExtra, OptionError
from lexel.text.tokenizer import load_tokenizer
from lexel.text.word_splitter import WordSplitter
from lexel.training.model.attention import refuse_mistrained
from tests.builders import RECIPES, VOCAB, Recipe, build_reference, write_json

pytestmark = pytest.mark.skipif(find_spec("jieba") is None, reason="needs jieba")

WORDS = ("今天", "天气", "非常", "大学", "北京大学")
PIECES = (*VOCAB, *WORDS, *"今气非常好。学北京", "hello", "##lo", "hel")
TEXT = "今天天气非常好。hello 北京大学的大学"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("".join(f"{piece}\n" for piece in dict.fromkeys(PIECES)), encoding="utf-8")
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "RoFormerTokenizer", "do_lower_case": True})
    return tmp_path


def pieces_of(folder: Path, text: str) -> tuple[list[str], list[str]]:
    """The spelling of the pieces, and what stands in the text where each is said to be."""
    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="roformer")
    found = tokenizer.encode([text])
    return tokenizer.strings(found.ids), [text[a:b] for a, b in zip(found.starts, found.ends, strict=True)]


def test_words_of_the_vocabulary_are_taken_whole_and_others_fall_apart(folder: Path) -> None:
    expected = [*"今天天气", "非常", "好", "。", "hello", "北京大学", "的", "大学"]  # 今天天气 is one word to jieba
    assert pieces_of(folder, TEXT) == (expected, expected)
    assert pieces_of(folder, "小明在北京")[0] == ["小", "明", "在", "北", "京"]


def test_offsets_are_those_of_the_text_whatever_the_normaliser_does(folder: Path) -> None:
    text = "  HEL\u0301LO　今天\u0000的天气\ud800，NEW york"
    names, covered = pieces_of(folder, text)
    assert names == ["hello", "今天", "的", "天气", "，", "new", "york"]
    assert covered == ["HEL\u0301LO", "今天", "的", "天气", "，", "NEW", "york"]


@pytest.mark.parametrize("text", ["3.14%", "a-b_c #1", "\r\n今天\t天气今天天气", "今天2023年", "", " ", "𠀀今天"])
def test_pieces_are_those_of_the_published_rule(folder: Path, text: str) -> None:
    jieba = WordSplitter({})._jieba
    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="roformer")
    vocab = set(dict.fromkeys(PIECES))
    words = [word for word, *_ in jieba.tokenize(text, HMM=False) if word.strip()]
    apart = [part for word in words for part in ([word] if word in vocab or word.isascii() else word)]
    found = tokenizer.encode([text])
    starts = {int(found.starts[i]) for i in range(len(found)) if i == 0 or found.words[i] != found.words[i - 1]}
    assert len(starts) == len(apart)


def test_a_long_text_is_cut_as_its_parts_are(folder: Path) -> None:
    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="roformer")
    alone, long = (tokenizer.encode([text]).ids.tolist() for text in (TEXT + "，", (TEXT + "，") * 300))
    assert long == alone * 300


def test_a_tokenizer_json_of_transformers_is_read_with_its_words(folder: Path) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(PIECES))}
    backend = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(handle_chinese_chars=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # what transformers leaves there, as jieba has no file
    backend.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()
    assert pieces_of(folder, "今天的天气")[0] == ["今天", "的", "天气"]


@pytest.mark.parametrize("named", ["tokenizer_config.json", "config.json"])
def test_bert_s_tokenizer_needs_no_words(folder: Path, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    (folder / "tokenizer_config.json").unlink()
    write_json(folder / named, {"tokenizer_class": "BertTokenizer"})
    assert pieces_of(folder, "今天的天气")[0] == ["今", "天", "的", "天", "气"]


def test_a_vocabulary_of_characters_needs_no_words(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    pieces = [piece for piece in dict.fromkeys(PIECES) if piece not in WORDS]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    assert pieces_of(folder, "今气")[0] == ["今", "气"]


def test_without_jieba_the_error_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lexel.text import word_splitter

    word_splitter._load_jieba.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(MissingExtra, match=r'with jieba: pip install "lexel\[roformer\]"'):
        load_tokenizer(folder, pieces="tokenizer", model_type="roformer")


def test_jieba_leaves_no_file_and_says_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from lexel.text import word_splitter

    word_splitter._load_jieba.cache_clear()
    empty = folder / "empty"
    empty.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(empty))
    pieces_of(folder, TEXT)
    assert (list(empty.iterdir()), *capfd.readouterr()) == ([], "", "")


def test_a_folder_is_read_from_text_to_offsets(folder: Path) -> None:
    settings: dict[str, Any] = {**RECIPES["roformer"].settings, "vocab_size": len(dict.fromkeys(PIECES))}
    build_reference(folder, Recipe("roformer", settings))
    document = lexel.load(folder, precision="float32")(TEXT)
    assert all(TEXT[span.start : span.end] == span.text for span in document.entities)


def test_rotary_values_are_read_but_not_trained() -> None:
    with pytest.raises(OptionError, match="rotary_value is true"):
        refuse_mistrained(RoFormerConfig(rotary_value=True), max_length=64)


@pytest.mark.parametrize("changes", [{"norm_type": "rms_norm"}, {"use_bias": False}])
def test_roformer_v2_is_refused_by_name(tmp_path: Path, changes: dict[str, Any]) -> None:
    values = {**RECIPES["roformer"].settings, "model_type": "roformer", "hidden_act": "gelu", **changes}
    write_json(tmp_path / "config.json", values)
    with pytest.raises(CheckpointError, match=r"RoFormer v2 is not supported"):
        read_config(tmp_path)


def test_an_exported_tokenizer_names_its_class(folder: Path, tmp_path: Path) -> None:
    from lexel.text.tokenizer_export import write_tokenizer

    (folder / "tokenizer_config.json").unlink()
    (out := tmp_path / "out").mkdir()
    write_tokenizer(folder, out, pieces="tokenizer", model_type="roformer", max_length=64)
    named = json.loads((out / "tokenizer_config.json").read_text("utf-8"))["tokenizer_class"]
    assert named == "RoFormerTokenizer"
