"""A SentencePiece file alone, as old folders have it: the pieces that the sentencepiece library gives."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from lexel.errors import CheckpointError
from lexel.text.sentencepiece_file import read_sentencepiece
from lexel.text.tokenizer import load_tokenizer
from tests.builders import write_json

DATA = Path(__file__).parents[1] / "data"
TEXTS = (
    "The European Union is located primarily in Europe.",
    "  leading, trailing and   inner blanks \t and\nlines  ",
    "ｆｕｌｌ－ｗｉｄｔｈ　ＴＥＸＴ，①②③ ﬁne",
    "傅達仁今將執行安樂死，卻突然爆出自己20年前遭緯來體育台封殺。",
    "Zażółć gęślą jaźń: naïve café über",
    "unknown 🙂🙂 signs ↯",
    "",
    " ",
)


@pytest.fixture(scope="module")
def model() -> bytes:
    """A small model with DeBERTa's special pieces, trained on open text."""
    records = [
        json.loads(line)["text"]
        for name in ("en_ewt.jsonl", "zh_gsd.jsonl")
        for line in (DATA / name).read_text(encoding="utf-8").splitlines()[:300]
    ]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(records), model_writer=written, vocab_size=2500, model_type="unigram", minloglevel=2,
        character_coverage=0.98, hard_vocab_limit=False, user_defined_symbols=["<ent>"],
        pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
    )  # fmt: skip
    return written.getvalue()


@pytest.fixture
def folder(tmp_path: Path, model: bytes) -> Path:
    (tmp_path / "spm.model").write_bytes(model)
    write_json(tmp_path / "tokenizer_config.json", {"do_lower_case": False, "vocab_type": "spm"})
    return tmp_path


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_those_of_sentencepiece(folder: Path, model: bytes, text: str) -> None:
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
    mine = load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2")
    assert mine.encode([text]).ids.tolist() == theirs.encode(text)


def test_pieces_of_every_line_of_open_text_are_those_of_sentencepiece_or_as_likely(folder: Path, model: bytes) -> None:
    lines = [json.loads(line)["text"] for line in (DATA / "en_ewt.jsonl").read_text(encoding="utf-8").splitlines()]
    theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
    found = load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2").encode(lines)
    expected = theirs.encode(lines)
    own = [ids.tolist() for ids in np.split(found.ids, found.bounds[1:-1])]
    differing = [(a, b) for a, b in zip(own, expected, strict=True) if a != b]
    assert len(differing) <= len(lines) // 100
    for ids in differing:  # several ways to cut "!!!!!!!!" are equally likely
        mine, other = (sum(theirs.get_score(index) for index in way) for way in ids)
        assert mine == pytest.approx(other, rel=1e-6)


def test_offsets_index_the_given_text(folder: Path) -> None:
    text = "The  European Union，台灣"
    pieces = load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2").encode([text])
    covered = {i for start, end in zip(pieces.starts, pieces.ends, strict=True) for i in range(start, end)}
    assert {i for i, char in enumerate(text) if not char.isspace()} <= covered


def test_special_pieces_stand_as_in_bert_and_the_mask_follows_all(folder: Path) -> None:
    n = len(sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model")))
    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2")
    special = tokenizer.special
    assert (special.prefix, special.suffix, special.pair_middle, special.pair_type_id) == ((1,), (2,), (2,), 1)
    assert (special.pad, special.unk, special.mask, tokenizer.n_pieces) == (0, 3, n, n + 1)


def test_lower_casing_is_done_where_the_folder_says_so(folder: Path) -> None:
    write_json(folder / "tokenizer_config.json", {"do_lower_case": True})
    tokenizer = load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2")
    assert tokenizer.encode(["EUROPE"]).ids.tolist() == tokenizer.encode(["europe"]).ids.tolist()


def trained(**options: Any) -> bytes:
    """A small model with the special pieces that a family's file has."""
    records = [json.loads(line)["text"] for line in (DATA / "en_ewt.jsonl").read_text("utf-8").splitlines()[:300]]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(records), model_writer=written, vocab_size=900, model_type="unigram", minloglevel=2,
        character_coverage=0.99, hard_vocab_limit=False, **options,
    )  # fmt: skip
    return written.getvalue()


@pytest.fixture(scope="module")
def fairseq() -> bytes:
    """As XLM-R's and CamemBERT's files: ``<unk>``, ``<s>`` and ``</s>`` come first."""
    return trained(unk_id=0, bos_id=1, eos_id=2)


@pytest.fixture(scope="module")
def albert() -> bytes:
    """As ALBERT's and RemBERT's files: ``<pad>``, ``<unk>``, ``[CLS]``, ``[SEP]`` and ``[MASK]`` come first."""
    return trained(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"])


FAIRSEQ = {"xlm-roberta": 1, "camembert": 4}
"""By how much a family's indexes are above those of the file."""


@pytest.mark.parametrize("model_type", FAIRSEQ)
def test_xlm_r_and_camembert_number_the_pieces_of_their_file_anew(
    tmp_path: Path, fairseq: bytes, model_type: str
) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(fairseq)
    theirs, shift = sentencepiece.SentencePieceProcessor(model_proto=fairseq), FAIRSEQ[model_type]
    mine = load_tokenizer(tmp_path, pieces="tokenizer", model_type=model_type)
    for text in TEXTS:
        expected = [index + shift if index else 3 for index in theirs.encode(text)]
        assert mine.encode([text]).ids.tolist() == expected
    special, first = mine.special, {"xlm-roberta": 0, "camembert": 5}[model_type]
    assert mine.strings([first, 1, 3, special.mask]) == ["<s>", "<pad>", "<unk>", "<mask>"]
    assert (special.prefix, special.pad, special.unk, special.mask) == ((first,), 1, 3, len(theirs) + shift)
    assert len(special.pair_middle) == 2


@pytest.mark.parametrize("model_type", FAIRSEQ)
def test_pieces_and_mask_of_a_renumbered_file_are_those_of_transformers(
    tmp_path: Path, fairseq: bytes, model_type: str
) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(fairseq)
    kind = {"xlm-roberta": "XLMRobertaTokenizer", "camembert": "CamembertTokenizer"}[model_type]
    theirs = getattr(transformers, kind).from_pretrained(tmp_path)
    mine = load_tokenizer(tmp_path, pieces="tokenizer", model_type=model_type)
    for text in ("The European Union is in Europe.", "a <mask> in Europe"):
        ids = [*mine.special.prefix, *mine.encode([text]).ids.tolist(), *mine.special.suffix]
        assert ids == theirs(text)["input_ids"]


def test_a_bert_with_the_pieces_of_xlm_r_is_read(tmp_path: Path, fairseq: bytes) -> None:
    (tmp_path / "sentencepiece.bpe.model").write_bytes(fairseq)
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "XLMRobertaTokenizer"})
    assert load_tokenizer(tmp_path, pieces="tokenizer", model_type="bert").special.pad == 1


@pytest.mark.parametrize(
    ("model_type", "name", "given", "read"),
    [
        ("albert", "spiece.model", "``Café'' EUROPE", '"cafe" europe'),
        ("rembert", "sentencepiece.model", "``Europe''", '"Europe"'),
    ],
)
def test_albert_and_rembert_read_text_as_their_classes_do(
    tmp_path: Path, albert: bytes, model_type: str, name: str, given: str, read: str
) -> None:
    (tmp_path / name).write_bytes(albert)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=albert)
    mine = load_tokenizer(tmp_path, pieces="tokenizer", model_type=model_type)
    assert mine.encode([given]).ids.tolist() == theirs.encode(read)
    special = mine.special
    assert (special.prefix, special.suffix, special.pad, special.unk, special.mask) == ((2,), (3,), 0, 1, 4)


def test_albert_keeps_case_and_accents_where_the_folder_says_so(tmp_path: Path, albert: bytes) -> None:
    (tmp_path / "spiece.model").write_bytes(albert)
    write_json(tmp_path / "tokenizer_config.json", {"do_lower_case": False, "keep_accents": True})
    theirs = sentencepiece.SentencePieceProcessor(model_proto=albert)
    mine = load_tokenizer(tmp_path, pieces="tokenizer", model_type="albert")
    assert mine.encode(["Europe, Café"]).ids.tolist() == theirs.encode("Europe, Café")


def test_a_tokenizer_that_cuts_at_punctuation_first_is_refused(folder: Path) -> None:
    write_json(folder / "tokenizer_config.json", {"split_by_punct": True})
    with pytest.raises(CheckpointError, match="split_by_punct is set"):
        load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2")


def test_pieces_of_another_kind_are_refused(tmp_path: Path) -> None:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e"] * 9), model_writer=written, vocab_size=12, model_type="bpe", minloglevel=2
    )
    (tmp_path / "spm.model").write_bytes(written.getvalue())
    with pytest.raises(CheckpointError, match=r"spm\.model: pieces that are not unigrams"):
        read_sentencepiece(tmp_path / "spm.model", lowercase=False)


@pytest.mark.parametrize("size", [0, 1, 2, 100, 5000])
def test_a_cut_file_is_refused(folder: Path, model: bytes, size: int) -> None:
    (folder / "spm.model").write_bytes(model[:size])
    with pytest.raises(CheckpointError, match=r"spm\.model"):
        load_tokenizer(folder, pieces="tokenizer", model_type="deberta-v2")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.model"
    path.write_bytes(data)
    with contextlib.suppress(CheckpointError):
        read_sentencepiece(path, lowercase=False)
