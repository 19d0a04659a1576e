"""Writes the tokenizer of a model folder to files for other programs.

    tokenizer.json             the whole tokenizer, for the tokenizers library and transformers.js
    tokenizer_config.json      its class, the special pieces, and the longest input
    special_tokens_map.json    the special pieces

A model of single characters has no such tokenizer, so one is made: WordPiece after a split into characters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexel.disk import write_json
from lexel.encoder.families import family_of
from lexel.text.backend import add_pieces, build_backend, find_special_pieces
from lexel.text.char_tokenizer import folded_chars
from lexel.text.pieces import SpecialPieces
from lexel.text.tokenizer_files import (
    CONFIG,
    ROLES,
    TOKENIZER_JSON,
    TokenizerFiles,
    read_tokenizer_files,
    read_vocabulary,
)

SPECIAL_TOKENS = "special_tokens_map.json"

_ANY_CLASS = "PreTrainedTokenizerFast"
"""transformers' class that reads ``tokenizer.json`` unchanged."""

_BERT_FLAGS = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "do_basic_tokenize", "never_split")


def write_tokenizer(folder: Path, to: Path, *, pieces: str, model_type: str, max_length: int) -> None:
    """Write the tokenizer of a folder for other programs.

    Args:
        folder: The model folder.
        to: The target folder.
        pieces: ``tokenizer``, or ``chars`` for models of single characters.
        model_type: The config's.
        max_length: The maximum sequence length of the model.

    Raises:
        CheckpointError: If the folder has no tokenizer, or an unusable one.
    """
    files = read_tokenizer_files(folder)
    if pieces == "chars":
        vocab, name = read_vocabulary(folder)
        special = files.template(vocab, model_type=model_type, where=f"{folder / name}")
        whole = char_tokenizer(vocab, special, folds_width=files.config.get("fold_full_width") is True)
        config = {key: value for key, value in files.config.items() if key not in _BERT_FLAGS}
        config["tokenizer_class"] = _ANY_CLASS
    else:
        whole, vocab = _library_tokenizer(files, model_type=model_type)
        config = {"tokenizer_class": _ANY_CLASS, **files.config}
    if family_of(model_type).splits_words and not config["tokenizer_class"].startswith("Bert"):
        config["tokenizer_class"] = "RoFormerTokenizer"  # independent of tokenizer.json, it splits Chinese words first
    found = {role: files.role(role, vocab) for role in ROLES}
    roles = {**files.roles, **{role: piece for role, piece in found.items() if piece is not None}}
    config = {key: value for key, value in config.items() if key not in ("auto_map", "fold_full_width")}
    write_json(to / TOKENIZER_JSON, whole)
    write_json(to / CONFIG, config | roles | {"model_max_length": min(max_length, files.max_length or max_length)})
    write_json(to / SPECIAL_TOKENS, roles)


def _library_tokenizer(files: TokenizerFiles, *, model_type: str) -> tuple[dict[str, Any], dict[str, int]]:
    backend, name = build_backend(files, model_type=model_type)
    backend.no_truncation()
    backend.no_padding()
    vocab = add_pieces(backend, files)
    where = f"{files.folder / name}"
    special = find_special_pieces(backend, files, vocab=vocab, model_type=model_type, where=where)
    whole: dict[str, Any] = json.loads(backend.to_str())
    if whole.get("post_processor") is None:
        whole["post_processor"] = _template(special, {index: piece for piece, index in vocab.items()})
    return whole, vocab


def char_tokenizer(vocab: Mapping[str, int], special: SpecialPieces, *, folds_width: bool) -> dict[str, Any]:
    """A ``tokenizer.json`` for a model of single characters.

    Args:
        vocab: Pieces and their indexes.
        special: The special pieces.
        folds_width: Read full-width letters and digits as their ASCII characters.
    """
    strings = {index: piece for piece, index in vocab.items()}
    ids = {*special.prefix, *special.suffix, special.pad, special.unk, special.mask} - {None}
    folds = [
        {"type": "Replace", "pattern": {"String": wide}, "content": narrow}
        for wide, narrow in (folded_chars(vocab).items() if folds_width else ())
    ]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(index, strings[index]) for index in sorted(i for i in ids if i is not None)],
        "normalizer": {"type": "Sequence", "normalizers": folds} if folds else None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": r"[\s\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": _template(special, strings),
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordPiece",
            "unk_token": strings[special.unk or 0],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: index for piece, index in vocab.items() if not piece.isspace()},
        },
    }


def _added(index: int, content: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": content, **flags, "special": True}


def _template(special: SpecialPieces, strings: Mapping[int, str]) -> dict[str, Any]:
    """The special pieces around one text and around two."""

    def pieces(ids: tuple[int, ...], type_id: int) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": strings[index], "type_id": type_id}} for index in ids]

    def text(name: str, type_id: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    second = special.pair_type_id
    used = {*special.prefix, *special.suffix, *special.pair_prefix, *special.pair_middle, *special.pair_suffix}
    return {
        "type": "TemplateProcessing",
        "single": [*pieces(special.prefix, 0), text("A", 0), *pieces(special.suffix, 0)],
        "pair": [
            *pieces(special.pair_prefix, 0),
            text("A", 0),
            *pieces(special.pair_middle, 0),
            text("B", second),
            *pieces(special.pair_suffix, second),
        ],
        "special_tokens": {
            strings[index]: {"id": strings[index], "ids": [index], "tokens": [strings[index]]} for index in sorted(used)
        },
    }
