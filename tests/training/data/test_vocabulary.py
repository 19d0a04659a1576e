"""A vocabulary cut to what texts use: the same pieces under new indexes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from numpy.typing import NDArray
from tokenizers import models, normalizers, pre_tokenizers, processors

from lexel.errors import CheckpointError
from lexel.text.tokenizer import load_tokenizer
from lexel.training.data.vocabulary import count_pieces, kept_pieces, write_vocabulary
from tests.builders import VOCAB, write_vocab

TEXTS = ["the new york went", "他在 new york", "living in 北京市"]


def vocab_txt(folder: Path) -> Path:
    folder.mkdir()
    write_vocab(folder, VOCAB)
    added = {"0": {"content": "[PAD]"}, str(VOCAB.index("[SEP]")): {"content": "[SEP]"}}
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(config | {"added_tokens_decoder": added}), encoding="utf-8"
    )
    return folder


def tokenizer_json(folder: Path) -> Path:
    folder.mkdir()
    index = {piece: i for i, piece in enumerate(VOCAB)}
    made = tokenizers.Tokenizer(models.WordPiece(index, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(piece, index[piece]) for piece in ("[CLS]", "[SEP]")],
    )
    made.enable_padding(pad_id=index["[PAD]"], pad_token="[PAD]")
    made.save(str(folder / "tokenizer.json"))
    return folder


def cut(folder: Path, to: Path, *, pieces: str = "tokenizer", size: int = 1000) -> NDArray[np.int64]:
    tokenizer = load_tokenizer(folder, pieces=pieces, model_type="bert")
    kept = kept_pieces(count_pieces(TEXTS, tokenizer), folder, tokenizer, size=size)
    write_vocabulary(folder, to, kept)
    return kept


@pytest.mark.parametrize("pieces", ["tokenizer", "chars"])
@pytest.mark.parametrize("make", [vocab_txt, tokenizer_json])
def test_texts_that_it_covers_have_the_same_pieces(tmp_path: Path, make, pieces: str) -> None:  # type: ignore[no-untyped-def]
    folder = make(tmp_path / "whole")
    kept = cut(folder, tmp_path / "cut", pieces=pieces)
    whole, part = (load_tokenizer(place, pieces=pieces, model_type="bert") for place in (folder, tmp_path / "cut"))
    assert part.n_pieces == len(kept) < whole.n_pieces
    before, after = whole.encode(TEXTS), part.encode(TEXTS)
    np.testing.assert_array_equal(kept[after.ids], before.ids)
    np.testing.assert_array_equal(after.starts, before.starts)
    assert part.strings(after.ids) == whole.strings(before.ids)


@pytest.mark.parametrize("make", [vocab_txt, tokenizer_json])
def test_special_pieces_go_with_their_indexes(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    folder = make(tmp_path / "whole")
    kept = cut(folder, tmp_path / "cut")
    whole, part = (
        load_tokenizer(place, pieces="tokenizer", model_type="bert").special for place in (folder, tmp_path / "cut")
    )
    for role in ("prefix", "suffix", "pair_prefix", "pair_middle", "pair_suffix"):
        assert tuple(kept[list(getattr(part, role))]) == getattr(whole, role)
    assert [kept[index] for index in (part.pad, part.unk, part.mask)] == [whole.pad, whole.unk, whole.mask]


def test_the_pieces_used_most_are_kept(tmp_path: Path) -> None:
    folder = vocab_txt(tmp_path / "whole")
    kept = cut(folder, tmp_path / "cut", size=7)
    assert [VOCAB[index] for index in kept] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "york"]


def test_a_vocabulary_of_merges_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "bpe"
    folder.mkdir()
    made = tokenizers.Tokenizer(models.BPE({"<unk>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, "ab": 5}, [("a", "b")]))
    made.save(str(folder / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="of type BPE cannot be cut"):
        write_vocabulary(folder, tmp_path / "cut", np.arange(4))
