"""Reads a SentencePiece file of unigram pieces as the equivalent object of a ``tokenizer.json``.

Families name the file differently, and some renumber its pieces (``Layout``).

The file is a protocol buffer (https://github.com/google/sentencepiece, ``sentencepiece_model.proto``); only a few
fields matter. Its wire format is small enough to be read here (https://protobuf.dev/programming-guides/encoding):
each field is a number for the field and the encoding of its value, then the value.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lexel.errors import CheckpointError
from lexel.jsonfile import read_bounded

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_TEXT, _SCORE, _KIND = 1, 2, 3
_MODEL_TYPE, _BYTE_FALLBACK, _UNKNOWN = 3, 35, 40
_CHARACTER_MAP = 2
_UNIGRAM = 1
_CONTROL, _USER_DEFINED = 3, 4
_MOST_PIECES = 2_000_000

_Value = int | bytes
_Piece = tuple[str, float, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a family numbers the pieces of its file, and normalises text.

    Attributes:
        first: Pieces before the file's pieces.
        skipped: Number of the file's own first pieces that they replace.
        unknown: Index of the unknown piece; ``None``: as in the file.
        mask: The mask piece, after all others; ``None``: the file has it.
        lowercase: Whether text is lower-cased, if no other file says so.
        drops_accents: Whether accents are dropped, if no other file says so.
        straightens_quotes: Whether pairs of single quotes become a double quote.
    """

    first: tuple[str, ...] = ()
    skipped: int = 0
    unknown: int | None = None
    mask: str | None = None
    lowercase: bool = False
    drops_accents: bool = False
    straightens_quotes: bool = False


DEBERTA = Layout(mask="[MASK]")
XLM_ROBERTA = Layout(("<s>", "<pad>", "</s>", "<unk>"), skipped=3, unknown=3, mask="<mask>")
CAMEMBERT = Layout(("<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"), skipped=1, unknown=3, mask="<mask>")
ALBERT = Layout(lowercase=True, drops_accents=True, straightens_quotes=True)
REMBERT = Layout(straightens_quotes=True)


def read_sentencepiece(path: Path, *, lowercase: bool, layout: Layout = DEBERTA) -> dict[str, Any]:
    """Read the file as the object of a ``tokenizer.json``.

    White space becomes ``▁``, with one before the first word too; control and user-defined pieces are matched in the
    text before anything else.

    Args:
        path: The file.
        lowercase: Whether text is lower-cased first.
        layout: The family's layout.

    Raises:
        CheckpointError: If it is damaged, or does not have unigram pieces.
    """
    try:
        return _tokenizer(read_bounded(path), lowercase=lowercase, layout=layout)
    except (ValueError, IndexError, struct.error) as error:
        raise CheckpointError(f"{path}: {error}; expected a SentencePiece model. Download it again") from error


def _tokenizer(data: bytes, *, lowercase: bool, layout: Layout) -> dict[str, Any]:
    pieces: list[_Piece] = []
    trainer: dict[int, _Value] = {}
    normalizer: dict[int, _Value] = {}
    for number, value in _fields(data):
        if number == _PIECES:
            pieces.append(_piece(_message(value)))
        elif number in (_TRAINER, _NORMALIZER):
            (trainer if number == _TRAINER else normalizer).update(_message(value))
    if not 0 < len(pieces) <= _MOST_PIECES:
        raise ValueError(f"{len(pieces):,} pieces")
    if trainer.get(_MODEL_TYPE, _UNIGRAM) != _UNIGRAM or trainer.get(_BYTE_FALLBACK):
        raise ValueError("pieces that are not unigrams, or that fall back to bytes")
    pieces = [*((text, 0.0, _CONTROL) for text in layout.first), *pieces[layout.skipped :]]
    steps: list[dict[str, Any]] = []
    if layout.straightens_quotes:
        pairs = ({"String": "``"}, {"String": "''"})
        steps += [{"type": "Replace", "pattern": pair, "content": '"'} for pair in pairs]
    if layout.drops_accents:
        steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if lowercase:
        steps.append({"type": "Lowercase"})
    if characters := normalizer.get(_CHARACTER_MAP):
        if not isinstance(characters, bytes):
            raise ValueError("a map of characters that is not bytes")
        encoded = base64.b64encode(characters).decode("ascii")
        steps.append({"type": "Precompiled", "precompiled_charsmap": encoded})
    steps.append({"type": "Strip", "strip_left": True, "strip_right": True})
    steps.append({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})
    spaces = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(i, text, kind) for i, (text, _, kind) in enumerate(pieces) if kind in _FOUND_FIRST],
        "normalizer": {"type": "Sequence", "normalizers": steps},
        "pre_tokenizer": spaces,
        "post_processor": None,
        "decoder": spaces,
        "model": {
            "type": "Unigram",
            "unk_id": trainer.get(_UNKNOWN, 0) if layout.unknown is None else layout.unknown,
            "vocab": [[text, score] for text, score, _ in pieces],
            "byte_fallback": False,
        },
    }


_FOUND_FIRST = (_CONTROL, _USER_DEFINED)


def _added(index: int, text: str, kind: int) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": text, **flags, "special": kind == _CONTROL}


def _piece(fields: dict[int, _Value]) -> _Piece:
    text, score, kind = fields.get(_TEXT, b""), fields.get(_SCORE, b"\0\0\0\0"), fields.get(_KIND, 1)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or not isinstance(kind, int):
        raise ValueError("a piece whose fields are of other types")
    return text.decode("utf-8"), struct.unpack("<f", score)[0], kind


def _message(value: _Value) -> dict[int, _Value]:
    """The fields of a nested message; of repeated numbers, the last counts."""
    if not isinstance(value, bytes):
        raise ValueError("a number where a message is expected")
    return dict(_fields(value))


def _fields(data: bytes) -> Iterator[tuple[int, _Value]]:
    """The fields of a message: their numbers and values."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind, value = key & 7, 0
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, place = _varint(data, place)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field of kind {kind}")
        if place + size > len(data):
            raise ValueError(f"a field that ends {place + size - len(data):,} bytes behind the file")
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number with seven bits per byte, the lowest first, and its end."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("a number of more than ten bytes")
