"""Builds the tokenizers library's tokenizer of a model folder from its files.

A file is checked before the library reads it, see ``tokenizer_rules``; errors of the library become one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from lexel.errors import CheckpointError, LexelError
from lexel.jsonfile import UTF8_MARK, parse_object, read_bounded, read_object
from lexel.text.pieces import SpecialPieces
from lexel.text.sentencepiece_file import (
    ALBERT,
    CAMEMBERT,
    DEBERTA,
    REMBERT,
    XLM_ROBERTA,
    Layout,
    read_sentencepiece,
)
from lexel.text.tokenizer_files import (
    ALBERT_SPM,
    MERGES,
    REMBERT_SPM,
    ROLES,
    SPM,
    TOKENIZER_JSON,
    VOCAB_JSON,
    VOCAB_TXT,
    XLM_SPM,
    AddedPiece,
    TokenizerFiles,
    no_tokenizer,
    read_merges,
    read_vocab_txt,
    tokenizer_class,
)
from lexel.text.tokenizer_rules import check_tokenizer, checked_vocabulary

_BERT_CLASSES = ("Bert", "Electra", "DistilBert", "Albert", "RoFormer")
_ROBERTA_CLASSES = ("Roberta",)
_ANY_CLASSES = ("PreTrained", "TokenizersBackend")


@contextmanager
def library_errors(where: str, advice: str) -> Iterator[None]:
    """Turn errors of the library into one line; its panics are not ``Exception`` objects.

    Raises:
        CheckpointError: For any error of the library except a lack of memory.
    """
    try:
        yield
    except (LexelError, MemoryError):
        raise
    except BaseException as error:  # the library raises bare Exceptions, and panics
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise CheckpointError(f"{where}: {error}; {advice}") from error


def steps_of(part: Any) -> list[Any]:
    """The steps of a normaliser or pre-tokeniser: the members of a sequence, the step itself, or none."""
    if part is None:
        return []
    if not isinstance(part, normalizers.Sequence | pre_tokenizers.Sequence):
        return [part]
    steps: list[Any] = []
    while True:
        try:
            step = part[len(steps)]
        except IndexError:
            return list(chain.from_iterable(map(steps_of, steps)))
        steps.append(step)


def set_all(steps: Iterable[Any], kind: type, **values: Any) -> None:
    """Set values of the steps of a kind."""
    for step in steps:
        if isinstance(step, kind):
            for name, value in values.items():
                setattr(step, name, value)


def build_backend(files: TokenizerFiles, *, model_type: str) -> tuple[tokenizers.Tokenizer, str]:
    """The library's tokenizer with the name of its file."""
    folder = files.folder
    if (folder / TOKENIZER_JSON).exists():
        return _from_json(files), TOKENIZER_JSON
    if (folder / VOCAB_TXT).exists():
        _check_class(files, VOCAB_TXT, _BERT_CLASSES)
        return _from_vocab_txt(files), VOCAB_TXT
    if (folder / VOCAB_JSON).exists() and (folder / MERGES).exists():
        _check_class(files, VOCAB_JSON, _ROBERTA_CLASSES)
        return _from_merges(files), VOCAB_JSON
    for name, (layout, classes) in _LAYOUTS.items():
        if (folder / name).exists():
            _check_class(files, name, classes)
            if name == XLM_SPM and "camembert" in (model_type, tokenizer_class(files).lower()[:9]):
                layout = CAMEMBERT
            return _from_sentencepiece(files, name, layout), name
    raise no_tokenizer(folder)


def _check_class(files: TokenizerFiles, name: str, known: tuple[str, ...]) -> None:
    """Refuse a vocabulary that needs another kind of tokenizer (such as Japanese BERT's word splitter)."""
    found = files.config.get("tokenizer_class")
    if found is None:
        return
    if not str(found).startswith((*known, *_ANY_CLASSES)) or "Japanese" in str(found):
        raise CheckpointError(
            f"{files.folder}: tokenizer_class {found!r} with {name} but no tokenizer.json; {name} alone is enough for "
            f"{', '.join(f'{kind}Tokenizer' for kind in known)}. Save the tokenizer as tokenizer.json with transformers"
        )


def _from_json(files: TokenizerFiles) -> tokenizers.Tokenizer:
    path = files.folder / TOKENIZER_JSON
    data = read_bounded(path)
    check_tokenizer(parse_object(data, where=str(path)), str(path))
    with library_errors(str(path), "not a tokenizer that the tokenizers library can read. Download it again"):
        backend = tokenizers.Tokenizer.from_buffer(data.removeprefix(UTF8_MARK))
    flags = {
        "lowercase": files.flag("do_lower_case"),
        "strip_accents": files.flag("strip_accents"),
        "handle_chinese_chars": files.flag("tokenize_chinese_chars"),
    }
    explicit: dict[str, bool | None] = {name: flag for name, flag in flags.items() if flag is not None}
    if "strip_accents" in files.config:  # null is a value of its own: as lower-casing does
        explicit["strip_accents"] = flags["strip_accents"]
    set_all(steps_of(backend.normalizer), normalizers.BertNormalizer, **explicit)
    if (prefix := files.flag("add_prefix_space")) is not None:
        set_all(steps_of(backend.pre_tokenizer), pre_tokenizers.ByteLevel, add_prefix_space=prefix)
        set_all([backend.post_processor], processors.RobertaProcessing, add_prefix_space=prefix)
    if (trim := files.flag("trim_offsets")) is not None:
        set_all([backend.post_processor], processors.RobertaProcessing, trim_offsets=trim)
    return backend


def _from_vocab_txt(files: TokenizerFiles) -> tokenizers.Tokenizer:
    """BERT's WordPiece, as transformers builds it."""
    path = files.folder / VOCAB_TXT
    vocab = read_vocab_txt(path)
    unk = files.role("unk_token", vocab) or files.roles.get("unk_token", "[UNK]")
    with library_errors(str(path), "not a WordPiece vocabulary. Download it again"):
        backend = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token=unk))
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=files.flag("tokenize_chinese_chars") is not False,
        strip_accents=files.flag("strip_accents"),
        lowercase=files.flag("do_lower_case") is not False,
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    return backend


def _from_merges(files: TokenizerFiles) -> tokenizers.Tokenizer:
    """RoBERTa's byte-level BPE, as transformers builds it."""
    path, merges_path = files.folder / VOCAB_JSON, files.folder / MERGES
    vocab, merges = checked_vocabulary(read_object(path, is_strict=False), str(path)), read_merges(merges_path)
    with library_errors(f"{path}, {MERGES}", "not a byte-level BPE vocabulary. Fetch both again"):
        backend = tokenizers.Tokenizer(models.BPE(vocab, merges, continuing_subword_prefix="", end_of_word_suffix=""))
    prefix = bool(files.flag("add_prefix_space"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    cls, sep = files.role("cls_token", vocab), files.role("sep_token", vocab)
    if cls is not None and sep is not None:
        backend.post_processor = processors.RobertaProcessing(
            (sep, vocab[sep]),
            (cls, vocab[cls]),
            trim_offsets=files.flag("trim_offsets") is not False,
            add_prefix_space=prefix,
        )
    return backend


_LAYOUTS = {
    SPM: (DEBERTA, ("Deberta",)),
    XLM_SPM: (XLM_ROBERTA, ("XLMRoberta", "Camembert")),
    ALBERT_SPM: (ALBERT, ("Albert",)),
    REMBERT_SPM: (REMBERT, ("RemBert",)),
}
"""By the name of a SentencePiece file: the numbering of its pieces, and the classes that use it."""


def _from_sentencepiece(files: TokenizerFiles, name: str, layout: Layout) -> tokenizers.Tokenizer:
    """Unigram pieces; if the file has no mask, it follows the pieces unless another file gives its index."""
    path = files.folder / name
    if files.flag("split_by_punct"):
        raise CheckpointError(
            f"{path}: split_by_punct is set in tokenizer_config.json; expected pieces that may hold punctuation. "
            "Save the tokenizer as tokenizer.json with transformers"
        )
    asked, keeps = files.flag("do_lower_case"), files.flag("keep_accents")
    if keeps is not None:
        layout = replace(layout, drops_accents=not keeps)
    whole = read_sentencepiece(path, lowercase=layout.lowercase if asked is None else asked, layout=layout)
    check_tokenizer(whole, str(path))
    with library_errors(str(path), "not pieces that the tokenizers library can read. Download it again"):
        backend = tokenizers.Tokenizer.from_str(json.dumps(whole))
        mask = layout.mask
        if mask is not None and not any(piece.content == mask for piece in files.added if piece.id is not None):
            takes_space = layout.unknown is not None  # as RoBERTa's does
            backend.add_special_tokens([tokenizers.AddedToken(mask, lstrip=takes_space, special=True)])
    return backend


def add_pieces(backend: tokenizers.Tokenizer, files: TokenizerFiles) -> dict[str, int]:
    """Add the pieces that the files name in addition to the vocabulary. A special piece without an index is not added.

    Returns:
        All pieces with their indexes.

    Raises:
        CheckpointError: If the library gives a piece another index than the files say.
    """
    there = {piece.content for piece in backend.get_added_tokens_decoder().values()}
    vocab: dict[str, int] = backend.get_vocab(with_added_tokens=True)
    usual = (AddedPiece(name) for name in (files.role(role, vocab) for role in ROLES) if name is not None)
    named = {piece.content: piece for piece in (*usual, *files.added)}
    wanted = [
        piece
        for piece in named.values()
        if piece.content and piece.content not in there and (piece.id is not None or piece.content in vocab)
    ]
    if not wanted:
        return vocab
    backend.add_tokens(list(map(_library_piece, wanted)))  # all at once: each call rebuilds the search for all of them
    for piece in wanted:
        found = backend.token_to_id(piece.content)
        if piece.id is not None and found != piece.id:
            raise CheckpointError(
                f"{files.folder}: added piece {piece.content!r} has index {piece.id} in the tokenizer files, but the "
                f"vocabulary puts it at {found}; the files belong to different models. Download them again"
            )
    whole: dict[str, int] = backend.get_vocab(with_added_tokens=True)
    return whole


def _library_piece(piece: AddedPiece) -> tokenizers.AddedToken:
    return tokenizers.AddedToken(
        piece.content,
        lstrip=piece.lstrip,
        rstrip=piece.rstrip,
        single_word=piece.single_word,
        normalized=not piece.special if piece.normalized is None else piece.normalized,
        special=piece.special,
    )


def find_special_pieces(
    backend: tokenizers.Tokenizer,
    files: TokenizerFiles,
    *,
    vocab: Mapping[str, int],
    model_type: str,
    where: str,
) -> SpecialPieces:
    """The special pieces: those in the tokenizer's own template, else the usual ones of the family."""
    text = _probe_text(backend, where)
    single, pair = backend.encode(text), backend.encode(text, text)
    around = _special_runs(single)
    if len(around) != 2 or not any(around):
        return files.template(vocab, model_type=model_type, where=where)
    prefix, middle, suffix = _special_runs(pair)
    ids = {role: vocab[name] for role in ROLES if (name := files.role(role, vocab)) is not None}
    return SpecialPieces(
        prefix=around[0],
        suffix=around[1],
        pair_prefix=prefix,
        pair_middle=middle,
        pair_suffix=suffix,
        pair_type_id=pair.type_ids[pair.sequence_ids.index(1)],
        pad=ids.get("pad_token", 0),
        unk=ids.get("unk_token"),
        mask=ids.get("mask_token"),
    )


def _probe_text(backend: tokenizers.Tokenizer, where: str) -> str:
    """A text with at least one piece.

    Raises:
        CheckpointError: If the vocabulary cannot handle unknown characters, or has none of some usual ones.
    """
    with library_errors(where, "characters outside the vocabulary need a piece. Download the file again"):
        backend.encode("\U0010fffd")
    for text in ("a", "0", ".", "的", "[UNK]", "<unk>"):
        if len(backend.encode(text, add_special_tokens=False)):
            return text
    raise CheckpointError(
        f"{where}: no piece for 'a', '0', '.' or '的'; expected a vocabulary. Download the file again"
    )


def _special_runs(encoding: tokenizers.Encoding) -> list[tuple[int, ...]]:
    """The special pieces before, between and after the texts of an encoding."""
    runs: list[list[int]] = [[]]
    last: int | None = None
    for piece, sequence in zip(encoding.ids, encoding.sequence_ids, strict=True):
        if sequence is None:
            runs[-1].append(piece)
        elif sequence != last:
            runs.append([])
            last = sequence
    return [tuple(run) for run in runs]
