"""Reads a user's words, and finds them in a batch of texts.

A file has one entry per line, ``word<TAB>force|prefer[<TAB>weight]``; ``force`` by default. Lines that begin with
``#`` are comments. An entry may contain spaces.

All windows of one length are hashed at once (a rolling hash that numpy can sum) and looked up in a bit table. Only the
remaining ones are compared with the entries, character by character. So the time hardly depends on the number of
entries, and hash collisions do no harm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.disk import open_regular, refused
from lexel.errors import DataError

IntArray = NDArray[np.int64]
HashArray = NDArray[np.uint64]
Action = Literal["force", "prefer"]

DEFAULT_WEIGHT = 2.0
"""Bonus of a preferred entry, in nats for each of its boundary decisions: odds of 7 to 1."""

_MULTIPLIER = 0x9E3779B97F4A7C15
_MIXERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


class Entry(NamedTuple):
    """A word and its action; the weight only applies to ``prefer``."""

    word: str
    action: Action = "force"
    weight: float = DEFAULT_WEIGHT


class Matches(NamedTuple):
    """The matches of a lexicon in a batch, left to right, without overlaps.

    Attributes:
        start: First character, counted through the batch, ``[matches]``.
        end: One past the last, ``[matches]``.
        weight: Bonus for each boundary decision, infinity for forced entries, ``[matches]``.
    """

    start: IntArray
    end: IntArray
    weight: NDArray[np.float64]


class Lexicon:
    """Words to force or prefer, prepared for matching."""

    def __init__(self, entries: Iterable[str | tuple[str, Action] | tuple[str, Action, float]]) -> None:
        """Prepare entries: words to force, or tuples such as ``("自拍杆", "prefer", 3)``.

        Raises:
            TypeError: If ``entries`` is one string.
            DataError: If an entry is blank, its weight is not a positive number, or a word appears twice with different
                actions.
        """
        if isinstance(entries, str):
            raise TypeError(
                "expected several entries, found one str; put it in a list, or read a file with Lexicon.load"
            )
        weights: dict[str, float] = {}
        for number, entry in enumerate(entries, start=1):
            _add(weights, Entry(entry) if isinstance(entry, str) else Entry(*entry), where=f"lexicon:{number}")
        self._prepare(weights)

    @classmethod
    def load(cls, path: str | Path) -> Lexicon:
        """Read a file of entries (UTF-8).

        Raises:
            DataError: If the file cannot be read, or a line is not an entry, with ``path:line``.
        """
        weights: dict[str, float] = {}
        try:
            with open_regular(path) as file:
                data = file.read()
        except OSError as error:
            raise DataError(
                f"{path}: {refused(error, doing='read')}; expected a lexicon, one word per line (--lexicon)"
            ) from error
        lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        for number, raw in enumerate(lines, start=1):
            where = f"{path}:{number}"
            entry = _parse(raw.rstrip(b"\r"), where=where)
            if entry is not None:
                _add(weights, entry, where=where)
        lexicon = cls(())
        lexicon._prepare(weights)
        return lexicon

    def __len__(self) -> int:
        return self._n_entries

    def match(self, text: str) -> list[tuple[int, int]]:
        """The matches in one text: leftmost first; of those that begin together, the longest."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        found = self.find(codes, np.array([0, len(codes)]))
        return list(zip(found.start.tolist(), found.end.tolist(), strict=True))

    def find(self, codes: NDArray[np.uint32], bounds: IntArray) -> Matches:
        """Find the entries in a batch: leftmost first; of those that begin together, the longest.

        Args:
            codes: The texts' code points, ``[chars]``.
            bounds: Text ``i`` owns the characters ``[bounds[i], bounds[i + 1])``, ``[texts + 1]``.
        """
        places = [(table, *table.find(hashes, codes)) for table, hashes in self._windows(codes)]
        starts = np.concatenate([at for _, at, _ in places] or [np.zeros(0, np.int64)])
        lengths = np.repeat([table.length for table, _, _ in places], [len(at) for _, at, _ in places]).astype(np.int64)
        weights = np.concatenate([table.weights[index] for table, _, index in places] or [np.zeros(0)])
        inside = starts + lengths <= np.append(bounds, len(codes))[np.searchsorted(bounds, starts, side="right")]
        starts, lengths, weights = starts[inside], lengths[inside], weights[inside]
        order = np.lexsort((-lengths, starts))
        starts, ends, weights = starts[order], (starts + lengths)[order], weights[order]
        chosen = _leftmost_longest(starts, ends)
        return Matches(starts[chosen], ends[chosen], weights[chosen])

    def _prepare(self, weights: dict[str, float]) -> None:
        self._n_entries = len(weights)
        by_length: dict[int, list[str]] = {}
        for word in weights:
            by_length.setdefault(len(word), []).append(word)
        self._tables = [
            _Table.of(words, np.array([weights[word] for word in words])) for _, words in sorted(by_length.items())
        ]

    def _windows(self, codes: NDArray[np.uint32]) -> Iterable[tuple[_Table, HashArray]]:
        """For each length, the hash of the window that begins at each character."""
        n_chars = len(codes)
        if not self._tables or n_chars < self._tables[0].length:
            return
        up, down = _powers(n_chars)
        sums = np.zeros(n_chars + 1, np.uint64)
        np.cumsum(_mix(codes) * up, out=sums[1:])
        for table in self._tables:
            if table.length <= n_chars:
                yield table, (sums[table.length :] - sums[: -table.length]) * down[: n_chars - table.length + 1]


@dataclass(frozen=True, slots=True)
class _Table:
    """The entries of one length, by hash.

    Attributes:
        length: Characters of every entry.
        hashes: Their hashes, in order, ``[entries]``.
        codes: Their characters, ``[entries, length]``.
        weights: Their bonuses, ``[entries]``.
        maybe: Whether a window with these leading bits may be an entry, ``[2 ** bits]``.
        shift: How far to shift a hash for its leading bits.
    """

    length: int
    hashes: HashArray
    codes: NDArray[np.uint32]
    weights: NDArray[np.float64]
    maybe: NDArray[np.bool_]
    shift: np.uint64

    @classmethod
    def of(cls, words: list[str], weights: NDArray[np.float64]) -> _Table:
        length = len(words[0])
        codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32).reshape(-1, length)
        hashes = (_mix(codes) * _powers(length)[0]).sum(axis=1, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        hashes, codes, weights = hashes[order], codes[order], weights[order]
        bits = min(24, max(12, math.ceil(math.log2(len(words))) + 5))
        shift = np.uint64(64 - bits)
        maybe = np.zeros(1 << bits, bool)
        maybe[hashes >> shift] = True
        return cls(length, hashes, codes, weights, maybe, shift)

    def find(self, windows: HashArray, codes: NDArray[np.uint32]) -> tuple[IntArray, IntArray]:
        """The windows that equal entries, and these entries, both ``[found]``."""
        at = np.flatnonzero(self.maybe[windows >> self.shift])
        windows = windows[at]
        index = np.searchsorted(self.hashes, windows)
        index[index == len(self.hashes)] = 0
        hit = self.hashes[index] == windows
        at, index, windows = at[hit], index[hit], windows[hit]
        found = []
        while len(at):  # entries with the same hash are adjacent
            same = np.ones(len(at), bool)
            for offset in range(self.length):
                same &= codes[at + offset] == self.codes[index, offset]
            found.append((at[same], index[same]))
            at, index, windows = at[~same], index[~same] + 1, windows[~same]
            more = index < len(self.hashes)
            more[more] = self.hashes[index[more]] == windows[more]
            at, index, windows = at[more], index[more], windows[more]
        empty = np.zeros(0, np.int64)
        return (
            np.concatenate([empty, *(place for place, _ in found)]),
            np.concatenate([empty, *(entry for _, entry in found)]),
        )


def _leftmost_longest(starts: IntArray, ends: IntArray) -> IntArray:
    """Indexes of the matches to keep, of candidates sorted by start and then longest first."""
    following = np.searchsorted(starts, ends).tolist()
    chosen, index, n_candidates = [], 0, len(following)
    while index < n_candidates:
        chosen.append(index)
        index = following[index]
    return np.array(chosen, np.int64)


def _mix(codes: NDArray[np.uint32]) -> HashArray:
    """A well distributed 64-bit hash of each character, of the same shape."""
    mixed = codes.astype(np.uint64) + np.uint64(1)
    for mixer in _MIXERS:
        mixed *= np.uint64(mixer)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def _powers(n: int) -> tuple[HashArray, HashArray]:
    """Powers of the multiplier and of its inverse modulo 2 ** 64, both ``[n]``."""
    powers = []
    for base in (_MULTIPLIER, pow(_MULTIPLIER, -1, 1 << 64)):
        factors = np.full(n, base, np.uint64)
        factors[:1] = 1
        powers.append(np.multiply.accumulate(factors))
    return powers[0], powers[1]


def _add(weights: dict[str, float], entry: Entry, *, where: str) -> None:
    word = entry.word
    if not word.strip():
        raise DataError(f"{where}: the entry is blank; expected a word. Remove the line")
    if word != word.strip():
        raise DataError(f"{where}: entry {word!r} begins or ends with whitespace; expected it only within. Strip it")
    if entry.action not in ("force", "prefer"):
        raise DataError(f"{where}: {entry.action!r} is not an action; expected force or prefer")
    if entry.action == "prefer" and not (0 < entry.weight < math.inf):
        raise DataError(f"{where}: weight {entry.weight}; expected a positive number of nats, such as {DEFAULT_WEIGHT}")
    weight = math.inf if entry.action == "force" else float(entry.weight)
    if weights.setdefault(word, weight) != weight:
        raise DataError(f"{where}: {word!r} appears earlier with another action or weight; keep one of the lines")


def _parse(raw: bytes, *, where: str) -> Entry | None:
    """The entry of one line, ``None`` if it is empty or a comment."""
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} is not UTF-8; expected a UTF-8 file. Convert it first") from error
    if not line.strip() or line.startswith("#"):
        return None
    word, *orders = line.split("\t")
    action, *weights = [order.strip() for order in orders] or ["force"]
    if action not in ("force", "prefer") or len(weights) > (action == "prefer"):
        raise DataError(
            f"{where}: found {line!r}; expected word<TAB>force or word<TAB>prefer<TAB>weight, split by tabs"
        )
    try:
        weight = float(weights[0]) if weights else DEFAULT_WEIGHT
    except ValueError as error:
        raise DataError(f"{where}: weight {weights[0]!r}; expected a positive number of nats, such as 2.0") from error
    return Entry(word.strip(), "force" if action == "force" else "prefer", weight)
