"""A folder's tokenizer, on the tokenizers library, which defines the file format: any text to pieces with offsets.

Lexel adds these rules to the library's:

- Every Python string is a text. The library gets U+FFFD for each lone surrogate, so offsets do not change.
- Offsets never include white space at their ends. A piece of only white space (a lone ``▁``) is empty and is placed
  before the next character.
- A special piece spelt out in a text (``[SEP]``, ``<s>``) is found there as the special piece, as transformers does,
  unless the folder says ``split_special_tokens``; its offsets are those of the spelling.
- A folder's truncation and padding are switched off.
- Characters that are pieces by themselves, such as ideographs in BERT, are looked up in a table (see ``lone_chars``).
- Long texts are passed to the library in parts, cut where no piece can cross (see ``_cuts``), because its time per
  character grows with the length of the text.

The library's threads follow ``TOKENIZERS_PARALLELISM`` and ``RAYON_NUM_THREADS``; ``threads=1`` uses none of them. If a
process forks after they ran, there is no warning, and the child works without them (see ``_before_fork``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import pre_tokenizers, processors

from lexel.encoder.families import family_of
from lexel.text.alignment import Chars, bounds_of, read_chars, trim_blanks
from lexel.text.backend import add_pieces, build_backend, find_special_pieces, library_errors, set_all, steps_of
from lexel.text.char_tokenizer import CharTokenizer
from lexel.text.lone_chars import LoneChars, has_lone_chars
from lexel.text.pieces import Int32Array, Int64Array, Pieces, SpecialPieces, Tokenizer, check_words, join_words
from lexel.text.tokenizer_files import read_tokenizer_files, read_vocabulary, tokenizer_class
from lexel.text.word_splitter import has_words, split_words_first

__all__ = ["CharTokenizer", "LibraryTokenizer", "Pieces", "SpecialPieces", "Tokenizer", "load_tokenizer"]

PART_CHARS = 4096
"""Texts longer than this are cut into parts of about this many characters, if that does not change the result."""

_PART_WORDS = 1024
_BATCH_PARTS = 1024
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Parts:
    """Parts of texts for the library: the part, its text, and its start in the text."""

    inputs: list[Any]
    text: Int64Array
    start: Int64Array


class LibraryTokenizer:
    """A tokenizer of the tokenizers library; the module lists the additional rules."""

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        *,
        special: SpecialPieces,
        n_pieces: int | None = None,
        max_length: int | None = None,
        threads: int | None = None,
        part_chars: int = PART_CHARS,
    ) -> None:
        """Wrap a tokenizer of the library.

        Args:
            backend: The library's tokenizer; it must not be changed later.
            special: The special pieces of the model.
            n_pieces: Largest index in its vocabulary, plus one; looked up by default.
            max_length: Longest sequence in the files.
            threads: 1 disables the library's threads; otherwise the library decides.
            part_chars: Length above which a text is cut into parts.
        """
        self.special = special
        self.n_pieces: int = n_pieces or max(backend.get_vocab(with_added_tokens=True).values()) + 1
        self.n_own_pieces: int = _n_own_pieces(backend, self.n_pieces)
        self.max_length = max_length
        self.shows_continuation: bool = bool(getattr(backend.model, "continuing_subword_prefix", None))
        self._backend = backend
        self._serial = threads == 1
        self._part_chars = part_chars
        self._cut = _cuts(backend)
        self._lone_chars = LoneChars(backend, self._encode_all) if has_lone_chars(backend) else None

    def encode(self, texts: Sequence[str]) -> Pieces:
        """Cut texts into pieces, without special pieces around them."""
        readable = _readable(texts)
        return self._encode_all(readable) if self._lone_chars is None else self._lone_chars.encode(readable)

    def _encode_all(self, texts: Sequence[str]) -> Pieces:
        """Cut texts without lone surrogates into pieces, with the library only."""
        chars = read_chars(texts)
        parts = self._parts(texts)
        raw = self._encode_parts(self._backend, parts.inputs)
        text = parts.text[raw.part]
        bounds = bounds_of(np.bincount(text, minlength=len(texts)), len(texts))
        first = chars.bounds[text] + parts.start[raw.part]
        starts, ends = _own_offsets(chars, raw, text=text, first=first, limit=chars.bounds[text + 1])
        return Pieces(raw.ids, starts, ends, raw.dense_words(bounds), bounds)

    def encode_words(self, texts: Sequence[str], words: Sequence[Int32Array]) -> Pieces:
        """Cut given words into pieces; each word is read as after a space if that matters to the model.

        Raises:
            ValueError: If a word is outside its text, or before its neighbour.
        """
        check_words(texts, words)
        readable = _readable(texts)
        if self._lone_chars is None:
            return self._encode_all_words(readable, words)
        return self._lone_chars.encode_words(readable, words)

    def _encode_all_words(self, texts: Sequence[str], words: Sequence[Int32Array]) -> Pieces:
        """Cut given words into pieces, with the library only; the texts have no lone surrogates."""
        chars = read_chars(texts)
        parts = _word_parts(texts, words)
        raw = self._encode_parts(self._word_backend, parts.inputs, is_pretokenized=True)
        text, word = parts.text[raw.part], raw.words + parts.start[raw.part]
        bounds = bounds_of(np.bincount(text, minlength=len(texts)), len(texts))
        ranges = join_words(words)[bounds_of(map(len, words), len(words))[text] + word]
        first, limit = (chars.bounds[text] + edge for edge in ranges.T)
        starts, ends = _own_offsets(chars, raw, text=text, first=first, limit=limit)
        return Pieces(raw.ids, starts, ends, word.astype(np.int32), bounds)

    def strings(self, ids: Sequence[int] | Int32Array) -> list[str]:
        """The vocabulary's spelling of each piece; empty for an index without a piece.

        Raises:
            KeyError: If the vocabulary ends before that index.
        """
        return [self._string(index) for index in np.asarray(ids).tolist()]

    def _string(self, index: int) -> str:
        found: str | None = self._backend.id_to_token(index)
        if found is None and not 0 <= index < self.n_pieces:
            raise KeyError(f"no piece has index {index}; the vocabulary has {self.n_pieces} pieces")
        return found or ""

    def join(self, strings: Sequence[str]) -> str:
        """The library's own decoding of pieces in the vocabulary's spelling."""
        decoder = self._backend.decoder
        joined: str = " ".join(strings) if decoder is None else decoder.decode(list(strings))
        return joined

    def decode(self, ids: Sequence[int] | Int32Array) -> str:
        """The library's own decoding, without special pieces."""
        decoded: str = self._backend.decode(np.asarray(ids).tolist(), skip_special_tokens=True)
        return decoded

    @cached_property
    def _word_backend(self) -> tokenizers.Tokenizer:
        """The tokenizer for single words: byte-level ones read each with a space before it, as in running text."""
        byte_levels = [
            step for step in steps_of(self._backend.pre_tokenizer) if isinstance(step, pre_tokenizers.ByteLevel)
        ]
        if all(step.add_prefix_space for step in byte_levels):
            return self._backend
        copy = tokenizers.Tokenizer.from_str(self._backend.to_str())
        set_all(steps_of(copy.pre_tokenizer), pre_tokenizers.ByteLevel, add_prefix_space=True)
        set_all([copy.post_processor], processors.RobertaProcessing, add_prefix_space=True)
        return copy

    def _parts(self, texts: Sequence[str]) -> _Parts:
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        if self._cut is None or not (lengths > self._part_chars).any():
            return _Parts(list(texts), np.arange(len(texts)), np.zeros(len(texts), np.int64))
        edges = [_part_edges(text, self._cut, self._part_chars) for text in texts]
        inputs = [text[a:b] for text, own in zip(texts, edges, strict=True) for a, b in pairwise(own)]
        counts = [len(own) - 1 for own in edges]
        return _Parts(
            inputs, np.repeat(np.arange(len(texts)), counts), np.array([a for own in edges for a in own[:-1]], np.int64)
        )

    def _encode_parts(self, backend: tokenizers.Tokenizer, inputs: list[Any], **options: bool) -> _Raw:
        run = _one_by_one(backend) if self._serial else backend.encode_batch
        if not self._serial:
            _watch_forks()
        # At least one batch, so that no input gives empty arrays of the right types.
        firsts = range(0, max(len(inputs), 1), _BATCH_PARTS)
        batches = ((first, inputs[first : first + _BATCH_PARTS]) for first in firsts)
        with library_errors("tokenizer", "the tokenizer files are damaged, or cannot take this text"):
            return _Raw.join(
                [_Raw.of(run(batch, add_special_tokens=False, **options), first_part=first) for first, batch in batches]
            )


@dataclass(frozen=True, slots=True)
class _Raw:
    """The library's encodings as arrays over all pieces; offsets and words are those of the part."""

    ids: Int32Array
    starts: Int32Array
    ends: Int32Array
    words: Int32Array
    part: Int64Array

    @classmethod
    def of(cls, encodings: list[tokenizers.Encoding], *, first_part: int) -> _Raw:
        """The arrays of some encodings; the library gives lists, which are walked in C."""
        counts = np.fromiter(map(len, encodings), np.int64, len(encodings))
        n = int(counts.sum())
        flat = chain.from_iterable
        ids = np.fromiter(flat(encoding.ids for encoding in encodings), np.int32, n)
        offsets = np.fromiter(flat(flat(encoding.offsets for encoding in encodings)), np.int32, 2 * n)
        words = np.fromiter(flat(encoding.word_ids for encoding in encodings), np.int32, n)
        return cls(ids, offsets[0::2], offsets[1::2], words, np.repeat(np.arange(len(counts)) + first_part, counts))

    @classmethod
    def join(cls, raws: list[_Raw]) -> _Raw:
        if len(raws) == 1:
            return raws[0]
        names = ("ids", "starts", "ends", "words", "part")
        return cls(**{name: np.concatenate([getattr(raw, name) for raw in raws]) for name in names})

    def dense_words(self, bounds: Int64Array) -> Int32Array:
        """Words counted from 0 in each text: a new one wherever the part's word or the part changes, ``[pieces]``."""
        new = (np.diff(self.words, prepend=-1) != 0) | (np.diff(self.part, prepend=-1) != 0)
        count = np.append(np.cumsum(new), 0)
        words: Int32Array = (count[:-1] - np.repeat(count[bounds[:-1]], np.diff(bounds))).astype(np.int32)
        return words


def _own_offsets(
    chars: Chars, raw: _Raw, *, text: Int64Array, first: Int64Array, limit: Int64Array
) -> tuple[Int32Array, Int32Array]:
    """Offsets of pieces in their own texts: within their part, without white space at their ends, in order.

    Args:
        chars: The characters of the batch.
        raw: The pieces, with offsets relative to their part.
        text: The text of each piece, ``[pieces]``.
        first: The start of its part, as a flat index, ``[pieces]``.
        limit: The upper limit of its offsets, as a flat index, ``[pieces]``.
    """
    starts = np.minimum(raw.starts + first, limit)
    starts, ends = trim_blanks(chars, starts, np.clip(raw.ends + first, starts, limit))
    starts, ends = _in_order(np.minimum(starts, limit), np.minimum(ends, limit))
    shift = chars.bounds[text]
    return (starts - shift).astype(np.int32), (ends - shift).astype(np.int32)


def _in_order(starts: Int64Array, ends: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Starts that never decrease; empty ranges stay empty.

    The library's offsets decrease in two cases: an invisible space inserted before a word is placed after the word's
    first character, and combining marks are sorted by class.
    """
    if (starts[1:] >= starts[:-1]).all():
        return starts, ends
    ordered = np.minimum.accumulate(starts[::-1])[::-1]
    return ordered, np.where(starts == ends, ordered, ends)


def _n_own_pieces(backend: tokenizers.Tokenizer, n_pieces: int) -> int:
    """Largest index of the pieces that are not added ones, plus one."""
    added = backend.get_added_tokens_decoder().items()
    model = backend.model
    beyond = {index for index, piece in added if model.token_to_id(piece.content) is None}
    while n_pieces - 1 in beyond:
        n_pieces -= 1
    return n_pieces


def _readable(texts: Sequence[str]) -> Sequence[str]:
    """The texts in a form that the library accepts, character for character."""
    try:
        "".join(texts).encode("utf-32-le")
    except UnicodeEncodeError:
        return [_SURROGATES.sub("\ufffd", text) for text in texts]
    return texts


def _word_parts(texts: Sequence[str], words: Sequence[Int32Array]) -> _Parts:
    """The words of each text as lists of strings with bounded length; ``start`` is the first word's index."""
    inputs: list[list[str]] = []
    index: list[tuple[int, int]] = []
    for i, (text, ranges) in enumerate(zip(texts, words, strict=True)):
        strings = [text[start:end] for start, end in np.asarray(ranges).reshape(-1, 2).tolist()]
        for first in range(0, len(strings), _PART_WORDS):
            inputs.append(strings[first : first + _PART_WORDS])
            index.append((i, first))
    text_index, start = np.array(index, np.int64).reshape(-1, 2).T
    return _Parts(inputs, text_index, start)


def _part_edges(text: str, cut: re.Pattern[str], size: int) -> list[int]:
    """Where to cut a text: at the first allowed place after each ``size`` characters."""
    edges = [0]
    while len(text) - edges[-1] > size and (found := cut.search(text, edges[-1] + size)):
        edges.append(found.start())
    return [*edges, len(text)] if text else [0, 0]


def _cuts(backend: tokenizers.Tokenizer) -> re.Pattern[str] | None:
    """The places where a text can be cut for this tokenizer without changing a piece, or ``None`` if unknown.

    A cut is always possible directly before a single space between letters or digits: WordPiece, byte-level and
    Metaspace tokenizers all begin a word there, and both neighbours shield it from rules about runs of spaces and about
    combining characters. With BERT's own pre-tokeniser, a cut is also possible before Chinese punctuation between
    letters. Characters that occur in added pieces are not places to cut, since such a piece is found across words.
    """
    steps = steps_of(backend.pre_tokenizer)
    bert = len(steps) == 1 and isinstance(steps[0], pre_tokenizers.BertPreTokenizer)
    bert = bert or any(type(step) is pre_tokenizers.PreTokenizer for step in steps)  # Chinese words first
    known = (pre_tokenizers.ByteLevel, pre_tokenizers.Metaspace, pre_tokenizers.WhitespaceSplit)
    if not (bert or (steps and all(isinstance(step, known) for step in steps))):
        return None
    inside = set(chain.from_iterable(piece.content for piece in backend.get_added_tokens_decoder().values()))
    places = [place for place in (" ，。、；：！？" if bert else " ") if place not in inside]
    return re.compile(rf"(?<=\w)[{''.join(places)}](?=\w)") if places else None


def _one_by_one(backend: tokenizers.Tokenizer) -> Callable[..., list[tokenizers.Encoding]]:
    """``encode_batch`` without the library's threads."""
    return lambda inputs, **options: [backend.encode(one, **options) for one in inputs]


# Forking. A child process must not use the library's threads, because they do not exist there. The library handles this
# itself, but older versions print a warning to stderr, unless TOKENIZERS_PARALLELISM is set. So it is set to "false"
# during the fork: the parent keeps its threads, and the child works without them. A value set by the caller is kept.
_PARALLELISM = "TOKENIZERS_PARALLELISM"
_fork_state = {"watching": False, "set_here": False}


def _watch_forks() -> None:
    if not _fork_state["watching"] and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork)
    _fork_state["watching"] = True


def _before_fork() -> None:
    if _PARALLELISM not in os.environ:
        os.environ[_PARALLELISM] = "false"
        _fork_state["set_here"] = True


def _after_fork() -> None:
    if _fork_state["set_here"]:
        os.environ.pop(_PARALLELISM, None)
        _fork_state["set_here"] = False


def load_tokenizer(folder: Path, *, pieces: str, model_type: str, threads: int | None = None) -> Tokenizer:
    """The tokenizer of a model folder, from the files that it has.

    It reads tokenizer.json, otherwise vocab.txt, otherwise vocab.json with merges.txt, otherwise a SentencePiece file.
    Explicit settings in tokenizer_config.json of lower-casing, accents, Chinese characters or the prefix space override
    tokenizer.json, as in transformers.

    Args:
        folder: The model folder.
        pieces: ``"tokenizer"``, or ``"chars"`` for models trained on single characters, which ignores the files.
        model_type: The config's; determines the special pieces around texts if the files do not.
        threads: 1 disables the library's threads; otherwise the library decides.

    Raises:
        CheckpointError: If the folder has no tokenizer, or an unusable one.
        MissingExtra: If the tokenizer needs jieba, and it is not installed.
        ValueError: If ``pieces`` is neither ``"chars"`` nor ``"tokenizer"``.
    """
    files = read_tokenizer_files(folder)
    if pieces == "chars":
        vocab, name = read_vocabulary(folder)
        special = files.template(vocab, model_type=model_type, where=f"{folder / name}")
        folds_width = files.config.get("fold_full_width") is True
        return CharTokenizer(vocab, special=special, max_length=files.max_length, folds_width=folds_width)
    if pieces != "tokenizer":
        raise ValueError(f"pieces {pieces!r}: expected 'chars' or 'tokenizer'")
    backend, name = build_backend(files, model_type=model_type)
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = bool(files.config.get("split_special_tokens", False))
    where = f"{folder / name}"
    with library_errors(where, "not a tokenizer that can be used. Download the file again"):
        vocab = add_pieces(backend, files)
        special = find_special_pieces(backend, files, vocab=vocab, model_type=model_type, where=where)
    if _splits_words(model_type, tokenizer_class(files), vocab):
        split_words_first(backend, vocab)
    n_pieces = max(vocab.values()) + 1
    return LibraryTokenizer(backend, special=special, n_pieces=n_pieces, max_length=files.max_length, threads=threads)


def _splits_words(model_type: str, named: str, vocab: Mapping[str, int]) -> bool:
    """Whether Chinese text is split into words first: not by BERT's tokenizer, nor if the vocabulary has no words."""
    return family_of(model_type).splits_words and not named.startswith("BertTokenizer") and has_words(vocab)
