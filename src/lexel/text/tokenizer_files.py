"""Reads the tokenizer settings of a model folder, in all formats of the past ten years.

A folder may hold any of these files in addition to the vocabulary:

    tokenizer_config.json      lower-casing and accents, the special pieces, and since 2023 all added pieces
                               (``added_tokens_decoder``); specials are strings or objects with ``content``
    special_tokens_map.json    the special pieces; older folders have only this
    added_tokens.json          pieces outside the vocabulary with their indexes; the oldest format

This module does not need a tokenizer library.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lexel.encoder.families import family_of
from lexel.errors import CheckpointError, one_line
from lexel.jsonfile import read_bounded, read_object
from lexel.text.pieces import SpecialPieces
from lexel.text.tokenizer_rules import LONGEST_PIECE, MOST_ADDED, check_size, checked_vocabulary

CONFIG = "tokenizer_config.json"
TOKENIZER_JSON = "tokenizer.json"
VOCAB_TXT = "vocab.txt"
VOCAB_JSON, MERGES = "vocab.json", "merges.txt"
SPM, XLM_SPM, ALBERT_SPM, REMBERT_SPM = "spm.model", "sentencepiece.bpe.model", "spiece.model", "sentencepiece.model"
SENTENCEPIECE = (SPM, XLM_SPM, ALBERT_SPM, REMBERT_SPM, "tokenizer.model")

ROLES: Mapping[str, tuple[str, ...]] = {
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "pad_token": ("[PAD]", "<pad>"),
    "mask_token": ("[MASK]", "<mask>"),
}
"""The special pieces by their names in the files, with the default spellings."""

_MORE_ROLES = ("bos_token", "eos_token")
_LISTS = ("additional_special_tokens", "extra_special_tokens")
_logger = logging.getLogger("lexel")
_NO_LIMIT = 10**9
"""A ``model_max_length`` above this (1e30 is usual) means that it is not set."""


@dataclass(frozen=True, slots=True)
class AddedPiece:
    """A piece that is found in the text before any other processing."""

    content: str
    id: int | None = None
    special: bool = True
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    normalized: bool | None = None
    """Whether it is searched in the normalised text; ``None`` means: only if it is not special."""


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """The settings of a folder's tokenizer.

    Attributes:
        folder: The model folder.
        config: The contents of tokenizer_config.json; empty if the folder has none.
        roles: The special pieces in the files, by their names in ``ROLES``.
        added: Pieces to find in the text literally, including special ones, without duplicates.
    """

    folder: Path
    config: Mapping[str, Any]
    roles: Mapping[str, str]
    added: tuple[AddedPiece, ...]

    @property
    def max_length(self) -> int | None:
        """Maximum sequence length in the files, or ``None``."""
        length = self.config.get("model_max_length", self.config.get("max_len"))
        if isinstance(length, bool) or not isinstance(length, int | float) or not 0 < length <= _NO_LIMIT:
            return None
        return int(length)

    def flag(self, name: str) -> bool | None:
        """A boolean setting of tokenizer_config.json; ``None`` if it is null or missing.

        Raises:
            CheckpointError: If it is something else.
        """
        value = self.config.get(name)
        if value is not None and not isinstance(value, bool):
            raise CheckpointError(f"{self.folder / CONFIG}: {name} is {value!r:.60}; expected true or false")
        return value

    def role(self, name: str, vocab: Mapping[str, int]) -> str | None:
        """Spelling of a special piece: the one in the files, otherwise the usual one, if the vocabulary has it."""
        spellings = (self.roles[name],) if name in self.roles else ROLES[name]
        return next((spelling for spelling in spellings if spelling in vocab), None)

    def template(self, vocab: Mapping[str, int], *, model_type: str, where: str) -> SpecialPieces:
        """The family's usual special pieces, for vocabularies without their own template.

        BERT: ``[CLS] A [SEP] B [SEP]`` with types 0 and 1. RoBERTa: ``<s> A </s></s> B </s>``, all with type 0.

        Raises:
            CheckpointError: If the vocabulary lacks these pieces.
        """
        found = {name: self.role(name, vocab) for name in ROLES}
        missing = [
            self.roles.get(name, " or ".join(ROLES[name]))
            for name in ("unk_token", "cls_token", "sep_token")
            if found[name] is None
        ]
        if missing:
            raise CheckpointError(
                f"{where}: no {', no '.join(missing)} among {len(vocab)} pieces; a model of type {model_type!r} needs "
                "them. Restore the file from the checkpoint's source, or name the pieces in special_tokens_map.json"
            )
        ids = {name: vocab[piece] for name, piece in found.items() if piece is not None}
        cls, sep = ids["cls_token"], ids["sep_token"]
        family = family_of(model_type)
        return SpecialPieces(
            prefix=(cls,),
            suffix=(sep,),
            pair_prefix=(cls,),
            pair_middle=(sep, sep) if family.doubles_separator else (sep,),
            pair_suffix=(sep,),
            pair_type_id=1 if family.pair_type_id is None else family.pair_type_id,
            pad=ids.get("pad_token", 0),
            unk=ids["unk_token"],
            mask=ids.get("mask_token"),
        )


def tokenizer_class(files: TokenizerFiles) -> str:
    """The transformers class that a folder names; empty if there is none."""
    config = files.folder / "config.json"
    named = files.config.get("tokenizer_class") or _read_optional(config).get("tokenizer_class")
    return named if isinstance(named, str) else ""


def read_tokenizer_files(folder: Path) -> TokenizerFiles:
    """Read a folder's tokenizer settings; empty for a folder without any.

    Raises:
        CheckpointError: If a file is malformed.
    """
    config = _read_optional(folder / CONFIG)
    specials = {**_read_optional(folder / "special_tokens_map.json"), **config}
    roles, added = {}, {}
    for piece in _added_pieces(folder, config):
        added[piece.content] = piece
    for name in (*ROLES, *_MORE_ROLES):
        if (spec := specials.get(name)) is None:
            continue
        piece = _added_piece(spec, where=f"{folder.name}/{CONFIG}: {name}")
        roles[name] = piece.content
        added[piece.content] = replace(added.get(piece.content, piece), special=True)
    for spec in (spec for name in _LISTS for spec in _listed(specials.get(name), f"{folder / CONFIG}: {name}")):
        piece = _added_piece(spec, where=f"{folder.name}/{CONFIG}: additional_special_tokens")
        added.setdefault(piece.content, piece)
    if len(added) > MOST_ADDED or any(len(content) > LONGEST_PIECE for content in added):
        raise CheckpointError(
            f"{folder / CONFIG}: {len(added):,} added pieces; expected at most {MOST_ADDED:,} of at most "
            f"{LONGEST_PIECE:,} characters"
        )
    return TokenizerFiles(folder, config, roles, tuple(added.values()))


def _added_pieces(folder: Path, config: Mapping[str, Any]) -> list[AddedPiece]:
    """Pieces with an index in the files, in the order of the indexes."""
    named = _read_optional(folder / "added_tokens.json")
    pieces = [
        _indexed({"content": content, "special": False}, index, "added_tokens.json") for content, index in named.items()
    ]
    decoder = config.get("added_tokens_decoder") or {}
    if not isinstance(decoder, Mapping):
        raise CheckpointError(f"{CONFIG}: added_tokens_decoder is a {type(decoder).__name__}, expected an object")
    pieces += [_indexed(spec, index, f"{CONFIG}: added_tokens_decoder") for index, spec in decoder.items()]
    return sorted(pieces, key=lambda piece: piece.id or 0)


def _indexed(spec: Any, index: Any, where: str) -> AddedPiece:
    try:
        return replace(
            _added_piece({"special": False, **spec} if isinstance(spec, Mapping) else spec, where=where), id=int(index)
        )
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{where}: index {index!r} of {spec!r:.60} is not a number") from error


def _added_piece(spec: Any, *, where: str) -> AddedPiece:
    """A piece from its string or its object with ``content``."""
    if isinstance(spec, str):
        return AddedPiece(spec)
    if not isinstance(spec, Mapping) or not isinstance(spec.get("content"), str):
        raise CheckpointError(f"{where}: {spec!r:.60} is not a piece; expected a string or an object with 'content'")
    flags = {
        name: bool(spec[name]) for name in ("special", "lstrip", "rstrip", "single_word", "normalized") if name in spec
    }
    return AddedPiece(spec["content"], **flags)


def _listed(specs: Any, where: str) -> list[Any]:
    """The pieces of a list, or of an object that names them."""
    if not isinstance(specs, Mapping | list | None):
        raise CheckpointError(f"{where} is {specs!r:.60}; expected a list of pieces")
    return list(specs.values()) if isinstance(specs, Mapping) else list(specs or ())


def _read_optional(path: Path) -> dict[str, Any]:
    return read_object(path) if path.exists() else {}


def read_vocab_txt(path: Path) -> dict[str, int]:
    """Read BERT's vocabulary: one piece per line; the index is the line number from 0.

    Lines end only at ``\\n`` (or ``\\r\\n``): other line separators of Unicode occur as pieces. An empty line is not a
    piece. For a duplicate piece, the last line counts, as in transformers, and a warning is logged.

    Raises:
        CheckpointError: If the file is empty, too large or not UTF-8.
    """
    data = read_bounded(path)
    check_size(data.count(b"\n"), str(path))
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path}: not readable as UTF-8 text ({error}); download the file again") from error
    lines = [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] in ("", "\r") else lines)]
    vocab = {line: index for index, line in enumerate(lines) if line}
    if not vocab:
        raise CheckpointError(f"{path}: the file is empty; expected one piece per line. Download it again")
    if len(vocab) < len(lines):
        _warn_of_lines(path, lines, vocab)
    return vocab


def _warn_of_lines(path: Path, lines: list[str], vocab: Mapping[str, int]) -> None:
    problems = []
    for index, line in enumerate(lines):
        if not line:
            problems.append(f"line {index + 1} is empty")
        elif vocab[line] != index:
            problems.append(f"line {vocab[line] + 1} repeats line {index + 1} ({line!r:.60})")
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    _logger.warning(
        "%s", one_line(f"{path}: {', '.join(problems[:3])}{more}; every line keeps its index, and the last one counts")
    )


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Read RoBERTa's merges: two pieces per line, separated by a space; a first line ``#version`` is skipped.

    Raises:
        CheckpointError: If a line is not a pair, or the file is too large or not UTF-8.
    """
    data = read_bounded(path)
    check_size(data.count(b"\n"), str(path))
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path}: not readable as UTF-8 text ({error}); download the file again") from error
    merges = []
    for number, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        if not line or line.startswith("#version"):
            continue
        first, _, second = line.partition(" ")
        if not first or not second or " " in second:
            raise CheckpointError(f"{path}:{number}: {line!r:.60}; expected two pieces with a space between")
        merges.append((first, second))
    return merges


def read_vocabulary(folder: Path) -> tuple[dict[str, int], str]:
    """The vocabulary of a folder from tokenizer.json, otherwise vocab.txt, otherwise vocab.json; with the file's name.

    Raises:
        CheckpointError: If there is none, or it is malformed.
    """
    if (folder / TOKENIZER_JSON).exists():
        return _vocab_of_json(read_object(folder / TOKENIZER_JSON), folder / TOKENIZER_JSON), TOKENIZER_JSON
    if (folder / VOCAB_TXT).exists():
        return read_vocab_txt(folder / VOCAB_TXT), VOCAB_TXT
    if (folder / VOCAB_JSON).exists():
        path = folder / VOCAB_JSON
        return checked_vocabulary(read_object(path, is_strict=False), str(path)), VOCAB_JSON
    raise no_tokenizer(folder)


def _vocab_of_json(whole: Mapping[str, Any], path: Path) -> dict[str, int]:
    try:
        vocab = whole["model"]["vocab"]
        pairs = vocab.items() if isinstance(vocab, Mapping) else ((piece, i) for i, (piece, _) in enumerate(vocab))
        found = dict(pairs)
        found.update((added["content"], added["id"]) for added in whole.get("added_tokens") or ())
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: no vocabulary under model.vocab; download the file again") from error
    return checked_vocabulary(found, str(path))


def no_tokenizer(folder: Path) -> CheckpointError:
    """The error for a folder without tokenizer files."""
    found = next((name for name in SENTENCEPIECE if (folder / name).is_file()), None)
    path = str(folder)
    if found:
        return CheckpointError(
            f"{folder}: {found} without tokenizer.json; Lexel reads tokenizer.json. Write it once, where transformers "
            f"and sentencepiece are installed: AutoTokenizer.from_pretrained({path!r}).save_pretrained({path!r})"
        )
    return CheckpointError(
        f"{folder}: no tokenizer.json, no vocab.txt, no vocab.json with merges.txt, no SentencePiece file; "
        "copy the tokenizer files of the checkpoint (or of the model that it was trained from) into the folder"
    )
