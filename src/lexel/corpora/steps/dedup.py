"""``dedup``: keeps the first of equal or nearly equal records across all inputs.

Equal means equal after NFKC, case folding and collapsing white space. Nearly equal means that the sets of their
5-grams of characters have a Jaccard overlap of at least ``threshold``, estimated by MinHash (Broder 1997): for each of
112 random orders of all 5-grams, a record keeps its first one, in 16 bits. Records that agree in one of 14 bands of
eight are compared (https://en.wikipedia.org/wiki/MinHash). A pair with an overlap of 0.75 is found with a probability
of 77 %, one with 0.85 with 99 %.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lexel.corpora.steps.base import CorpusStep, Machine, Shard
from lexel.data.records import Record

_BANDS, _ROWS = 14, 8
_ORDERS = _BANDS * _ROWS
_STRETCH = 5
_BLOCK = 4096
_DIGEST_BYTES = 16
_draw = np.random.default_rng(20_240_229)
_MULTIPLIERS = _draw.integers(1, 2**64, _ORDERS, np.uint64) | np.uint64(1)
_ADDENDS = _draw.integers(0, 2**64, _ORDERS, np.uint64)
_POWERS = _draw.integers(1, 2**64, _STRETCH, np.uint64) | np.uint64(1)
_OF_BAND = _draw.integers(1, 2**64, _ROWS, np.uint64) | np.uint64(1)

Signatures = NDArray[np.uint16]


@dataclass(frozen=True)
class Dedup(CorpusStep):
    """Drop duplicates; the first record is kept.

    Attributes:
        how: ``exact`` or ``near``.
        threshold: Minimum overlap of near duplicates.
    """

    name = "dedup"

    how: Literal["exact", "near"] = "exact"
    threshold: float = 0.75

    def start_collecting(self, machine: Machine) -> Callable[[list[Record], Shard], bytes]:
        """See ``CorpusStep``."""
        know = digest_of if self.how == "exact" else _signature_bytes
        return lambda records, shard: b"".join(know(normal(record.text)) for record in records)

    def settle(self, collected: Sequence[Callable[[], bytes]]) -> list[bytes]:
        """See ``CorpusStep``."""
        size = _DIGEST_BYTES if self.how == "exact" else 2 * _ORDERS
        parts = [read() for read in collected]
        bounds = np.cumsum([0, *(len(part) // size for part in parts)])
        data = b"".join(parts)
        del parts
        if self.how == "exact":
            kept = first_of_equal(np.frombuffer(data, f"V{_DIGEST_BYTES}"))
        else:
            kept = first_of_near(np.frombuffer(data, np.uint16).reshape(-1, _ORDERS), threshold=self.threshold)
        return [np.packbits(kept[start:end]).tobytes() for start, end in pairwise(bounds)]

    def start_settled(self, machine: Machine) -> Callable[[list[Record], Shard, bytes], list[Record]]:
        """See ``CorpusStep``."""

        def apply(records: list[Record], shard: Shard, decided: bytes) -> list[Record]:
            kept = np.unpackbits(np.frombuffer(decided, np.uint8), count=len(records))
            return [record for record, is_kept in zip(records, kept.tolist(), strict=True) if is_kept]

        return apply


def normal(text: str) -> str:
    """A text, normalised for comparison."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def digest_of(text: str) -> bytes:
    """The digest of a text for exact comparison."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def signature_of(text: str) -> Signatures:
    """The MinHash of a text's 5-grams, ``[orders]``."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if len(codes) < _STRETCH:
        codes = np.pad(codes, (0, _STRETCH - len(codes)))
    stretches = np.lib.stride_tricks.sliding_window_view(codes + np.uint64(1), _STRETCH) @ _POWERS
    stretches ^= stretches >> np.uint64(31)
    stretches *= np.uint64(0x9E3779B97F4A7C15)
    stretches ^= stretches >> np.uint64(29)
    least = np.full(_ORDERS, np.iinfo(np.uint64).max, np.uint64)
    for at in range(0, len(stretches), _BLOCK):
        ordered = stretches[at : at + _BLOCK, None] * _MULTIPLIERS + _ADDENDS
        np.minimum(least, ordered.min(axis=0), out=least)
    least ^= least >> np.uint64(32)  # minima share their high bits, so mix the bits before cutting them
    least *= np.uint64(0xBF58476D1CE4E5B9)
    return (least >> np.uint64(48)).astype(np.uint16)


def _signature_bytes(text: str) -> bytes:
    return signature_of(text).tobytes()


def first_of_equal(digests: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each digest is the first of its kind."""
    kept = np.zeros(len(digests), np.bool_)
    if len(digests):
        kept[np.unique(digests, return_index=True)[1]] = True
    return kept


def first_of_near(signatures: Signatures, *, threshold: float) -> NDArray[np.bool_]:
    """Whether each record is the first of its group; similarity is transitive within a group."""
    leader = np.arange(len(signatures))

    def group(one: int) -> int:
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = int(leader[one])
        return one

    for first, second in _alike(signatures, threshold):
        a, b = group(first), group(second)
        leader[max(a, b)] = min(a, b)
    kept: NDArray[np.bool_] = leader == np.arange(len(signatures))
    return kept


def _alike(signatures: Signatures, threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs that agree in a band and overlap enough."""
    for band in range(_BANDS):
        columns = signatures[:, band * _ROWS : (band + 1) * _ROWS]
        keys = (columns.astype(np.uint64) + np.uint64(1)) @ _OF_BAND
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        begins = np.concatenate(([True], ~same)) if len(order) else np.zeros(0, np.bool_)
        first_of_run = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
        later = np.flatnonzero(~begins)
        for others in (first_of_run[later], order[later - 1]):  # the first of the run, and the neighbour
            for at in range(0, len(later), _BLOCK):
                a, b = others[at : at + _BLOCK], order[later[at : at + _BLOCK]]
                alike = (signatures[a] == signatures[b]).mean(axis=1) >= threshold
                yield from zip(a[alike].tolist(), b[alike].tolist(), strict=True)
