"""Ids, offsets and special pieces equal those of transformers' fast tokenizers, on every form of tokenizer files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoTokenizer

from lexel.text.tokenizer import Tokenizer, load_tokenizer

from .conftest import BERT_SPECIALS, SENTENCES, TEXTS, write_json

Folder = Callable[..., Path]


def shown(text: str, start: int, end: int) -> tuple[int, int] | None:
    """A range without white space at its ends, which is Lexel's only difference; ``None`` if nothing is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def shown_all(text: str, starts: np.ndarray, ends: np.ndarray) -> list[tuple[int, int] | None]:
    """The ranges of one text's pieces, checked to begin in order; ``None`` for empty ones."""
    assert (np.diff(starts) >= 0).all(), text
    return [(start, end) if start < end else None for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def assert_same_pieces(folder: Path, *, model_type: str, texts: list[str] = TEXTS) -> Tokenizer:
    """The folder's tokenizer, after comparing it with transformers' on all texts."""
    mine = load_tokenizer(folder, pieces="tokenizer", model_type=model_type)
    theirs = AutoTokenizer.from_pretrained(folder)
    pieces = mine.encode(texts)
    for i, text in enumerate(texts):
        own = slice(*pieces.bounds[i : i + 2].tolist())
        expected = theirs(text, add_special_tokens=False, return_offsets_mapping=True)
        assert pieces.ids[own].tolist() == expected["input_ids"], text
        offsets = shown_all(text, pieces.starts[own], pieces.ends[own])
        assert offsets == [shown(text, *pair) for pair in expected["offset_mapping"]], text
    assert_same_specials(mine, theirs)
    return mine


def assert_same_specials(mine: Tokenizer, theirs: Any) -> None:
    first, second = (mine.encode([text]).ids.tolist() for text in SENTENCES[:2])
    special = mine.special
    assert [*special.prefix, *first, *special.suffix] == theirs(SENTENCES[0])["input_ids"]
    pair = theirs(SENTENCES[0], SENTENCES[1], return_token_type_ids=True)
    parts = [special.pair_prefix, first, special.pair_middle, second, special.pair_suffix]
    assert [index for part in parts for index in part] == pair["input_ids"]
    at = len(special.pair_prefix) + len(first) + len(special.pair_middle)
    assert pair["token_type_ids"][at] == special.pair_type_id
    assert (special.pad, special.unk, special.mask) == (theirs.pad_token_id, theirs.unk_token_id, theirs.mask_token_id)


@pytest.mark.parametrize("strip_accents", [None, True, False])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("chinese", [True, False])
def test_a_vocab_txt_is_read_with_every_normaliser_setting(
    bert_folder: Folder, strip_accents: bool | None, lower: bool, chinese: bool
) -> None:
    config = {"do_lower_case": lower, "strip_accents": strip_accents, "tokenize_chinese_chars": chinese}

    assert_same_pieces(bert_folder(tokenizer_config=config), model_type="bert")


def test_a_vocab_txt_alone_is_bert_in_small_letters(bert_folder: Folder) -> None:
    assert_same_pieces(bert_folder(), model_type="bert")


def test_the_oldest_form_names_its_pieces_in_two_more_files(bert_folder: Folder, bert_vocab: list[str]) -> None:
    n = len(bert_vocab)
    folder = bert_folder(
        tokenizer_config={"do_lower_case": False, "max_len": 512},
        special_tokens_map=dict(
            zip(["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"], BERT_SPECIALS, strict=True)
        ),
        added_tokens={"車票": n, "tweet": n + 1},
    )

    mine = assert_same_pieces(folder, model_type="bert")

    assert mine.n_pieces == n + 2
    assert mine.max_length == 512


def test_the_new_form_names_all_added_pieces_with_their_flags(bert_folder: Folder, bert_vocab: list[str]) -> None:
    def flags(content: str, **given: bool) -> dict[str, Any]:
        base = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
        return {"content": content, **base, **given}

    n = len(bert_vocab)
    decoder = {str(i): flags(name) for i, name in enumerate(BERT_SPECIALS)}
    decoder["4"] = flags("[MASK]", lstrip=True)
    decoder[str(n)] = flags("<NER>", rstrip=True)
    decoder[str(n + 1)] = flags("peopleware", special=False, normalized=True, single_word=True)
    folder = bert_folder(
        tokenizer_config={
            "added_tokens_decoder": decoder,
            "tokenizer_class": "BertTokenizer",
            "mask_token": flags("[MASK]", lstrip=True) | {"__type": "AddedToken"},
            "model_max_length": 1000000000000000019884624838656,
        }
    )

    mine = assert_same_pieces(
        folder, model_type="bert", texts=[*TEXTS, "a <NER>  b peopleware peoplewares 1peopleware"]
    )

    assert mine.max_length is None


@pytest.mark.parametrize("lower", [True, False])
def test_a_tokenizer_json_is_read_without_its_truncation_and_padding(bert_folder: Folder, lower: bool) -> None:
    folder = bert_folder(tokenizer_config={"do_lower_case": lower, "tokenizer_class": "BertTokenizer"})
    saved = AutoTokenizer.from_pretrained(folder)
    saved._tokenizer.enable_truncation(8)
    saved._tokenizer.enable_padding(length=16)
    saved._tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").unlink()

    mine = load_tokenizer(folder, pieces="tokenizer", model_type="bert")

    fresh = load_tokenizer(
        bert_folder(tokenizer_config={"do_lower_case": lower}), pieces="tokenizer", model_type="bert"
    )
    assert mine.encode(TEXTS).ids.tolist() == fresh.encode(TEXTS).ids.tolist()
    assert mine.special == fresh.special


def test_what_the_config_says_of_letters_goes_before_tokenizer_json(bert_folder: Folder) -> None:
    folder = bert_folder(tokenizer_config={"do_lower_case": True})
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    write_json(folder / "tokenizer_config.json", {"do_lower_case": False, "tokenizer_class": "BertTokenizer"})

    assert_same_pieces(folder, model_type="bert")


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("trim", [True, False])
def test_vocab_json_with_merges_is_byte_level_bpe(roberta_folder: Folder, prefix: bool, trim: bool) -> None:
    folder = roberta_folder(add_prefix_space=prefix, trim_offsets=trim)

    assert_same_pieces(folder, model_type="roberta")


def test_a_mask_that_takes_the_space_before_it_is_honoured(roberta_folder: Folder) -> None:
    mask = {
        "__type": "AddedToken",
        "content": "<mask>",
        "lstrip": True,
        "rstrip": False,
        "single_word": False,
        "normalized": False,
    }

    assert_same_pieces(roberta_folder(mask_token=mask), model_type="roberta")


@pytest.mark.parametrize("prefix", [True, False])
def test_a_byte_level_tokenizer_json_is_read(roberta_folder: Folder, prefix: bool) -> None:
    folder = roberta_folder(add_prefix_space=prefix)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "vocab.json").unlink()

    assert_same_pieces(folder, model_type="roberta")


def test_a_sentencepiece_tokenizer_json_is_read(xlmr_folder: Path) -> None:
    assert assert_same_pieces(xlmr_folder, model_type="xlm-roberta").max_length == 512


def test_alberts_normalisers_keep_their_offsets(albert_folder: Path) -> None:
    mine = load_tokenizer(albert_folder, pieces="tokenizer", model_type="albert")
    theirs = AutoTokenizer.from_pretrained(albert_folder)
    for text in TEXTS:
        pieces = mine.encode([text])
        expected = theirs(text, add_special_tokens=False, return_offsets_mapping=True)
        assert pieces.ids.tolist() == expected["input_ids"], text
        offsets = shown_all(text, pieces.starts, pieces.ends)
        assert offsets == [shown(text, *pair) for pair in expected["offset_mapping"]], text


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlmr"])
def test_given_words_are_cut_as_transformers_cuts_them(
    kind: str, bert_folder: Folder, roberta_folder: Folder, xlmr_folder: Path
) -> None:
    folder = {
        "bert": bert_folder,
        "roberta": lambda: roberta_folder(add_prefix_space=True),
        "xlmr": lambda: xlmr_folder,
    }
    path = folder[kind]()
    mine = load_tokenizer(path, pieces="tokenizer", model_type="bert")
    theirs = AutoTokenizer.from_pretrained(path)
    words = [text.split(" ") for text in [*SENTENCES, *(text for text in TEXTS if not text.startswith("["))]]
    texts = [" ".join(each) for each in words]
    ranges = [spans_of(each) for each in words]

    pieces = mine.encode_words(texts, ranges)

    for i, each in enumerate(words):
        own = slice(*pieces.bounds[i : i + 2].tolist())
        expected = theirs(each, is_split_into_words=True, add_special_tokens=False, return_offsets_mapping=True)
        assert pieces.ids[own].tolist() == expected["input_ids"], each
        assert pieces.words[own].tolist() == expected.word_ids(), each
        first = ranges[i][:, 0].tolist()
        expected_offsets = [
            None if (pair := shown(each[word], *offsets)) is None else (pair[0] + first[word], pair[1] + first[word])
            for word, offsets in zip(expected.word_ids(), expected["offset_mapping"], strict=True)
        ]
        assert shown_all(texts[i], pieces.starts[own], pieces.ends[own]) == expected_offsets, each


def spans_of(words: list[str]) -> np.ndarray:
    """Where words lie that one space each separates, ``[words, 2]``."""
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    return np.stack([ends - [len(word) for word in words], ends], axis=1).astype(np.int32)


def test_decoding_is_the_librarys_own(bert_folder: Folder) -> None:
    folder = bert_folder()
    mine = load_tokenizer(folder, pieces="tokenizer", model_type="bert")
    theirs = AutoTokenizer.from_pretrained(folder)
    ids = theirs(SENTENCES[6])["input_ids"]

    assert mine.decode(ids) == theirs.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert mine.strings(ids) == theirs.convert_ids_to_tokens(ids)
