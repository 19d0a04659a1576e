"""A cased vocabulary of limited size for an uncased BERT, with embeddings to start from.

An uncased model has one piece for "us", "Us" and "US". Here each form that English uses often enough is a piece of its
own. It starts from the embedding of the uncased piece, plus one direction if it is capitalised and another if it is all
capitals. So the encoder can learn what capitals mean from any piece, and apply it to pieces that it was not tuned on.

Forms are counted in the training texts. For pieces that are rare there, the share of each form is predicted from the
piece's embedding by a ridge regression over the frequent ones: names lie apart from other words.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUED = "##"
SHAPES = ("lower", "capitalised", "capitals")

CONTRACTIONS = r"(?i)(n['’]t\b|(?<=\bcan)not\b|(?<=\bgon|\bwan)na\b|(?<=\bgot)ta\b)"
"""Parts of words that English treebanks count as words, although no punctuation stands before them."""

_EVIDENCE = 5
"""Occurrences in the texts from which a piece's own shares are believed."""

_RIDGE = 10.0
_RANK_OFFSET = 500
_CASE_NORM = 0.3
"""Length of the directions for case, as a share of the mean length of the embeddings."""

_SEED = 20261129


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The pieces in order, and where each starts from.

    Attributes:
        pieces: The pieces; the special ones first.
        origins: Index of the uncased piece that each comes from, ``[pieces]``.
        shapes: Index of each piece's shape in ``SHAPES``, ``[pieces]``.
    """

    pieces: list[str]
    origins: NDArray[np.int64]
    shapes: NDArray[np.int64]

    def embeddings(self, uncased: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings to start from, ``[pieces, hidden]``."""
        random = np.random.default_rng(_SEED)
        directions = random.standard_normal((len(SHAPES), uncased.shape[1]))
        directions *= _CASE_NORM * np.linalg.norm(uncased, axis=1).mean() / np.linalg.norm(directions, axis=1)[:, None]
        directions[0] = 0
        started: NDArray[np.float32] = (uncased[self.origins] + directions[self.shapes]).astype(np.float32)
        return started


def build_tokenizer(pieces: Sequence[str], *, lowercase: bool = False) -> tokenizers.Tokenizer:
    """A WordPiece tokenizer that also cuts before contractions; accents are dropped."""
    ids = {piece: index for index, piece in enumerate(pieces)}
    backend = tokenizers.Tokenizer(models.WordPiece(ids, unk_token="[UNK]", continuing_subword_prefix=CONTINUED))
    backend.normalizer = normalizers.BertNormalizer(strip_accents=True, lowercase=lowercase)
    contractions = pre_tokenizers.Split(tokenizers.Regex(CONTRACTIONS), behavior="isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([contractions, pre_tokenizers.BertPreTokenizer()])
    backend.decoder = decoders.WordPiece(prefix=CONTINUED)
    backend.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    backend.add_special_tokens([tokenizers.AddedToken(piece, special=True) for piece in SPECIAL])
    return backend


def choose_pieces(
    uncased: Sequence[str], embeddings: NDArray[np.float32], texts: Iterable[str], *, n_pieces: int
) -> Vocabulary:
    """Choose the forms that English text uses most.

    Args:
        uncased: The pieces of the uncased model, by index; the frequent ones come first, as in BERT's vocabulary.
        embeddings: Their embeddings, ``[uncased, hidden]``.
        texts: Training texts, to count forms in.
        n_pieces: How many pieces to choose, the special ones included.
    """
    index_of = {piece: index for index, piece in enumerate(uncased)}
    kept = [index for index, piece in enumerate(uncased) if _is_english(piece)]
    found = _count_forms(build_tokenizer(uncased, lowercase=True), texts)
    worths = _prior_counts(uncased, kept, embeddings, found)
    worths.update({form: count for form, count in found.items() if _origin(form, index_of) is not None})
    for form in _single_signs(uncased):
        worths[form] = np.inf
    ranked = sorted(worths, key=lambda form: (-worths[form], form))[: n_pieces - len(SPECIAL)]
    forms = sorted(ranked, key=lambda form: (index_of[form.lower()], form))
    pieces = [*SPECIAL, *forms]
    origins = np.array([index_of[piece if piece in SPECIAL else piece.lower()] for piece in pieces])
    shapes = np.array([0 if piece in SPECIAL else _shape(piece) for piece in pieces])
    return Vocabulary(pieces, origins, shapes)


def _is_english(piece: str) -> bool:
    """Is a piece made of Latin letters, digits and signs alone?"""
    body = piece.removeprefix(CONTINUED)
    if piece in SPECIAL or re.fullmatch(r"\[.+\]", piece):
        return False
    if body != piece and not body.isalnum():  # signs are never inside a word: the tokenizer cuts at them
        return False
    return all(char.isascii() or (not char.isalnum() and not _is_ideographic(char)) for char in body)


def _is_ideographic(char: str) -> bool:
    return unicodedata.name(char, "").startswith(("CJK", "IDEOGRAPHIC", "HANGUL", "KATAKANA", "HIRAGANA"))


def _single_signs(uncased: Sequence[str]) -> set[str]:
    """Every sign by itself, so that no English word is unknown; letters also as capitals and inside words."""
    bodies = {piece for piece in uncased if len(piece.removeprefix(CONTINUED)) == 1 and _is_english(piece)}
    return bodies | {piece.upper() for piece in bodies if piece[-1].isalpha()}


def _count_forms(backend: tokenizers.Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """How often each form occurs: the uncased tokenizer's pieces, as the text writes them."""
    counts: Counter[str] = Counter()
    for text in texts:
        encoding = backend.encode(text, add_special_tokens=False)
        for piece, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
            prefix, written = CONTINUED if piece.startswith(CONTINUED) else "", text[start:end]
            if written.lower() == piece.removeprefix(CONTINUED):
                counts[prefix + written] += 1
    return counts


def _origin(form: str, index_of: dict[str, int]) -> int | None:
    return index_of.get(form.lower())


def _shape(form: str) -> int:
    """Of a form, the index in ``SHAPES``."""
    body = form.removeprefix(CONTINUED)
    if body == body.lower():
        return 0
    return 2 if len(body) > 1 and body == body.upper() else 1


def _prior_counts(
    uncased: Sequence[str], kept: Sequence[int], embeddings: NDArray[np.float32], found: Counter[str]
) -> Counter[str]:
    """What each form would count by the piece's rank and its predicted shares, in as much text as was counted."""
    ranks = np.arange(len(kept)) + _RANK_OFFSET
    expected = sum(found.values()) / ranks / (1 / ranks).sum()
    shares = _predicted_shares(uncased, kept, embeddings, found)
    counts: Counter[str] = Counter()
    for index, count, share in zip(kept, expected.tolist(), shares.tolist(), strict=True):
        piece = uncased[index]
        prefix, body = (CONTINUED, piece[2:]) if piece.startswith(CONTINUED) else ("", piece)
        for form, part in zip((body, body.capitalize(), body.upper()), share, strict=True):
            counts[prefix + form] += count * part
    return counts


def _predicted_shares(
    uncased: Sequence[str], kept: Sequence[int], embeddings: NDArray[np.float32], found: Counter[str]
) -> NDArray[np.float64]:
    """The shares of the shapes of each kept piece, ``[kept, shapes]``: its own if it is frequent, else predicted."""
    by_shape = np.zeros((len(uncased), len(SHAPES)))
    index_of = {piece: index for index, piece in enumerate(uncased)}
    for form, count in found.items():
        if (origin := _origin(form, index_of)) is not None:
            by_shape[origin, _shape(form)] += count
    shares = np.zeros((len(kept), len(SHAPES)))
    continued = np.array([uncased[index].startswith(CONTINUED) for index in kept])
    totals = by_shape[kept].sum(axis=1)
    for group in (continued, ~continued):
        rows = np.flatnonzero(group)
        known = rows[totals[rows] >= _EVIDENCE]
        features = np.concatenate([embeddings[kept], np.ones((len(kept), 1))], axis=1).astype(np.float64)
        own = by_shape[kept][known] / totals[known, None]
        x = features[known]
        weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1]), x.T @ own)
        shares[rows] = np.clip(features[rows] @ weights, 0, 1)
        shares[known] = own
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
