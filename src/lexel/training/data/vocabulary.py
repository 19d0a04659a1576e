"""Makes a smaller vocabulary from the most frequent pieces, and rewrites a tokenizer's files for it.

WordPiece repeatedly takes the longest piece that fits. A smaller vocabulary has no additional longer pieces, so a text
whose pieces are all kept is cut as before. The same is true of single characters. BPE merges pieces step by step, and
Unigram chooses them by probability, so both need pieces that do not appear in the result: these vocabularies are kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint.files import TOKENIZER_FILES
from lexel.errors import CheckpointError, DataError, OptionError
from lexel.jsonfile import read_object
from lexel.tasks.base import gather_blocks
from lexel.text.char_tokenizer import CharTokenizer
from lexel.text.pieces import Tokenizer
from lexel.text.tokenizer_files import (
    CONFIG,
    TOKENIZER_JSON,
    VOCAB_TXT,
    read_tokenizer_files,
    read_vocabulary,
)

IntArray = NDArray[np.int64]
_MOST_UNKNOWN = 0.2
_LOOKED_AT = 100
"""Number of blocks of text for judging whether a model reads their script."""

_ADDED = "added_tokens.json"
_CUT = ("WordPiece", "WordLevel")


def count_pieces(texts: Iterable[str], tokenizer: Tokenizer) -> IntArray:
    """Number of occurrences of each piece in texts, ``[vocab]``."""
    counts = np.zeros(tokenizer.n_pieces, np.int64)
    for block in gather_blocks(texts):
        counts += np.bincount(tokenizer.encode(block.texts).ids, minlength=len(counts))
    return counts


def check_texts(texts: Iterable[str], tokenizer: Tokenizer, *, where: str) -> None:
    """Refuse texts that the teacher cannot read, judged by their first pieces.

    Raises:
        DataError: If there are none, or they are in a script that the model does not read.
    """
    some = (text for block in islice(gather_blocks(texts), _LOOKED_AT) for text in block.texts)
    if isinstance(tokenizer, CharTokenizer):  # they treat white space as unknown pieces
        some = ("".join(text.split()) for text in some)
    counts = count_pieces(some, tokenizer)
    if not counts.any():
        raise DataError(f"{where}: holds no text; expected text like that which the student is to read")
    unknown = tokenizer.special.unk
    share = 0.0 if unknown is None else counts[unknown] / counts.sum()
    if share > _MOST_UNKNOWN:
        raise DataError(
            f"{where}: {share:.0%} of its pieces are unknown to the teacher; expected text of a script that it reads. "
            "Give other text, or another teacher"
        )


def kept_pieces(counts: IntArray, folder: Path, tokenizer: Tokenizer, *, size: int) -> IntArray:
    """The indexes of the pieces to keep, in order: special and added ones, and the most frequent ones.

    Args:
        counts: Number of occurrences of each piece, ``[vocab]``.
        folder: The tokenizer's folder.
        tokenizer: The tokenizer.
        size: Maximum number of pieces to keep.

    Raises:
        OptionError: If there is no room beyond the special pieces.
    """
    special = tokenizer.special
    around = (*special.pair_prefix, *special.pair_middle, *special.pair_suffix, *special.prefix, *special.suffix)
    always = {*around, special.pad, special.unk, special.mask} - {None}
    vocab, _ = read_vocabulary(folder)
    always |= {vocab[piece.content] for piece in read_tokenizer_files(folder).added if piece.content in vocab}
    if size <= len(always):
        raise OptionError(f"distill.vocabulary: {size}; the special pieces alone are {len(always)}. Keep more")
    ranked = np.argsort(-counts, kind="stable")
    used = [index for index in ranked[counts[ranked] > 0].tolist() if index not in always]
    return np.array(sorted({*always, *used[: size - len(always)]}), np.int64)


def write_vocabulary(folder: Path, to: Path, kept: IntArray) -> None:
    """Copy a tokenizer's files with only the kept pieces, renumbered in their old order.

    Raises:
        CheckpointError: If its vocabulary cannot be cut.
    """
    vocab, name = read_vocabulary(folder)
    model = read_object(folder / TOKENIZER_JSON)["model"] if name == TOKENIZER_JSON else {"type": "WordPiece"}
    if model.get("type") not in _CUT or name not in (TOKENIZER_JSON, VOCAB_TXT):
        raise CheckpointError(
            f"{folder / name}: a vocabulary of type {model.get('type', 'BPE')} cannot be cut to what a text uses; "
            "expected single characters or WordPiece. Leave distill.vocabulary out"
        )
    spelled = {index: piece for piece, index in vocab.items()}
    new = {spelled[index]: number for number, index in enumerate(kept.tolist())}
    to.mkdir(parents=True)
    for path in sorted(folder.iterdir()):
        if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in TOKENIZER_FILES):
            _copy(path, to / path.name, new)


def _copy(path: Path, to: Path, new: Mapping[str, int]) -> None:
    """Copy one file with new indexes."""
    if path.name == VOCAB_TXT:
        to.write_bytes("".join(f"{piece}\n" for piece in new).encode())
    elif path.name in (TOKENIZER_JSON, CONFIG, _ADDED):
        renewed = _RENEWED[path.name](read_object(path), new)
        to.write_text(json.dumps(renewed, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    else:
        shutil.copyfile(path, to)


def _tokenizer_json(values: Mapping[str, Any], new: Mapping[str, int]) -> dict[str, Any]:
    model = dict(values["model"])
    model["vocab"] = {piece: new[piece] for piece in new if piece in model["vocab"]}
    added = [{**piece, "id": new[piece["content"]]} for piece in values.get("added_tokens") or ()]
    made = {**values, "model": model, "added_tokens": added}
    if values.get("post_processor"):
        made["post_processor"] = _post_processor(values["post_processor"], new)
    if values.get("padding"):
        made["padding"] = {**values["padding"], "pad_id": new[values["padding"]["pad_token"]]}
    return made


def _post_processor(values: Mapping[str, Any], new: Mapping[str, int]) -> dict[str, Any]:
    """A template's pieces (by name), or BERT's two (as pairs), or a sequence of such."""
    made = dict(values)
    for role in ("cls", "sep"):
        if isinstance(values.get(role), Sequence):
            made[role] = [values[role][0], new[values[role][0]]]
    if isinstance(values.get("special_tokens"), Mapping):
        made["special_tokens"] = {
            name: {**piece, "ids": [new[token] for token in piece["tokens"]]}
            for name, piece in values["special_tokens"].items()
        }
    if isinstance(values.get("processors"), Sequence):
        made["processors"] = [_post_processor(one, new) for one in values["processors"]]
    return made


def _config(values: Mapping[str, Any], new: Mapping[str, int]) -> dict[str, Any]:
    added = values.get("added_tokens_decoder")
    if not isinstance(added, Mapping):
        return dict(values)
    known = {str(new[piece["content"]]): piece for piece in added.values() if piece["content"] in new}
    return {**values, "added_tokens_decoder": known}


def _added(values: Mapping[str, Any], new: Mapping[str, int]) -> dict[str, Any]:
    return {piece: new[piece] for piece in values if piece in new}


_RENEWED = {TOKENIZER_JSON: _tokenizer_json, CONFIG: _config, _ADDED: _added}
