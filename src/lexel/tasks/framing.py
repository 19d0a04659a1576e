"""Adds to each window the special pieces, and the other text of a pair.

    one text     [CLS] window [SEP]
    a pair       [CLS] partner [SEP] window [SEP]      or      [CLS] window [SEP] partner [SEP]

A text is cut into windows; each of them holds the whole of its partner, if it has one. A task chooses with ``Picks``
the slots whose scores it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.errors import DataError
from lexel.text.pieces import SpecialPieces
from lexel.text.windows import Windows


@dataclass(frozen=True, slots=True)
class Layout:
    """The sequences of windows, concatenated.

    Attributes:
        ids: Vocabulary indexes, ``[slots]``.
        type_ids: BERT's sentence A (0) or B (1), ``[slots]``.
        bounds: The sequence of window i is ``[bounds[i], bounds[i + 1])``, ``[windows + 1]``.
        windows: The windows.
        window: The window of each slot, ``[slots]``.
        piece: The piece of the windowed texts in each slot, or -1 for special pieces and partners, ``[slots]``.
    """

    ids: NDArray[np.int32]
    type_ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    windows: Windows
    window: NDArray[np.int32]
    piece: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PartnerPieces:
    """The pieces of the partners.

    Attributes:
        ids: Vocabulary indexes, ``[pieces]``.
        bounds: Where each partner begins and ends, ``[texts + 1]``.
        first: Whether it comes before its text, ``[texts]``.
    """

    ids: NDArray[np.int32]
    bounds: NDArray[np.int64]
    first: NDArray[np.bool_]


Picks = Callable[[Layout], NDArray[np.bool_]]
"""Chooses the slots whose scores a task needs, ``[slots]``."""


def decided(layout: Layout) -> NDArray[np.bool_]:
    """Every piece once, in the window that decides it."""
    keep_start, keep_end = layout.windows.keep_start[layout.window], layout.windows.keep_end[layout.window]
    return np.asarray((layout.piece >= keep_start) & (layout.piece < keep_end))


def firsts(layout: Layout) -> NDArray[np.bool_]:
    """The first piece of every window's sequence (``[CLS]``), which represents the whole window."""
    picked = np.zeros(len(layout.ids), np.bool_)
    picked[layout.bounds[:-1]] = True
    return picked


def windowed(layout: Layout) -> NDArray[np.bool_]:
    """Every piece of the windowed texts in every window, so some of them several times."""
    return np.asarray(layout.piece >= 0)


def everything(layout: Layout) -> NDArray[np.bool_]:
    """Every slot, including special pieces and partners."""
    return np.ones(len(layout.ids), np.bool_)


def lay_out(
    ids: NDArray[np.int32], windows: Windows, special: SpecialPieces, *, partners: PartnerPieces | None = None
) -> Layout:
    """Add the special pieces, and the partners of pairs, to the windows.

    Args:
        ids: The pieces that the windows index.
        windows: The windows.
        special: The special pieces.
        partners: The other texts, for pairs.
    """
    if partners is None and len(windows) == 1:
        return _lay_out_one(ids, windows, special)
    own = windows.start, windows.end - windows.start
    around: tuple[tuple[int, ...], ...]
    if partners is None:
        source, around, inside = ids, (special.prefix, special.suffix), [own]
    else:
        source = np.concatenate((ids, partners.ids))
        around = (special.pair_prefix, special.pair_middle, special.pair_suffix)
        inside = _side_by_side(own, partners, windows.text, n_pieces=len(ids))
    runs = np.array([piece for run in around for piece in run], np.int32)
    starts, sizes = _parts(around, inside, first_special=len(source), n_windows=len(windows))
    parts = sizes.ravel()
    order = np.arange(int(parts.sum())) + np.repeat(starts.ravel() - (np.cumsum(parts) - parts), parts)
    lengths = sizes.sum(axis=1)
    types = np.zeros_like(sizes, np.int32)
    types[:, 3:] = special.pair_type_id  # the part after the special pieces in the middle
    return Layout(
        ids=np.concatenate((source, runs))[order],
        type_ids=np.repeat(types.ravel(), parts),
        bounds=np.concatenate(([0], np.cumsum(lengths))),
        windows=windows,
        window=np.repeat(np.arange(len(windows), dtype=np.int32), lengths),
        piece=np.where(order < len(ids), order, -1).astype(np.int32),
    )


def _lay_out_one(ids: NDArray[np.int32], windows: Windows, special: SpecialPieces) -> Layout:
    """The layout of a single window without a partner, the usual case for one text."""
    start, end = int(windows.start[0]), int(windows.end[0])
    before, after = len(special.prefix), len(special.suffix)
    n_slots = before + end - start + after
    piece = np.full(n_slots, -1, np.int32)
    piece[before : n_slots - after] = np.arange(start, end, dtype=np.int32)
    return Layout(
        ids=np.array((*special.prefix, *ids[start:end].tolist(), *special.suffix), np.int32),
        type_ids=np.zeros(n_slots, np.int32),
        bounds=np.array((0, n_slots)),
        windows=windows,
        window=np.zeros(n_slots, np.int32),
        piece=piece,
    )


def room_beside(
    partners: Sequence[str],
    taken: NDArray[np.int64],
    wanted: NDArray[np.int64],
    *,
    size: int,
    longest: int,
    special: SpecialPieces,
) -> NDArray[np.int64]:
    """Number of pieces of each text that a window holds next to its partner, ``[texts]``.

    A partner may use all the room that a short text leaves. With a long text, it may use three quarters of the window,
    so that the number of windows stays limited.

    Args:
        partners: The partners' texts, for messages.
        taken: Pieces of each partner, ``[texts]``.
        wanted: Pieces of each text, ``[texts]``.
        size: Largest window, without special pieces.
        longest: Longest sequence that the model can read.
        special: The special pieces.

    Raises:
        DataError: If a partner leaves too little room.
    """
    n_special = len(special.pair_prefix) + len(special.pair_middle) + len(special.pair_suffix)
    whole = min(size, longest - n_special)
    room = whole - taken
    least = np.minimum(wanted, whole // 4)
    narrow = np.flatnonzero(room < least)
    if len(narrow):
        worst = int(narrow[0])
        raise DataError(
            f"{partners[worst][:40]!r} ...: {taken[worst]} pieces that every window of the other text must "
            f"hold; windows of {whole} pieces have room for {whole - least[worst]} beside it. Shorten it"
        )
    return np.maximum(room, 1)


_Part = tuple[NDArray[np.int64], NDArray[np.int64]]  # where it starts and how long it is, each ``[windows]``


def _side_by_side(own: _Part, partners: PartnerPieces, text: NDArray[np.int64], *, n_pieces: int) -> list[_Part]:
    """The two texts of each window's pair in order; the partners' pieces come after all others."""
    begins = partners.bounds[text]
    other = begins + n_pieces, partners.bounds[text + 1] - begins
    swap = partners.first[text]

    def chosen(before: _Part, after: _Part) -> _Part:
        return np.where(swap, before[0], after[0]), np.where(swap, before[1], after[1])

    return [chosen(other, own), chosen(own, other)]


def _parts(
    around: Sequence[tuple[int, ...]], inside: Sequence[_Part], *, first_special: int, n_windows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Special pieces and texts alternately: start and length of each part, ``[windows, parts]``."""
    starts = np.empty((n_windows, len(around) + len(inside)), np.int64)
    sizes = np.empty_like(starts)
    for k, run in enumerate(around):
        starts[:, 2 * k], sizes[:, 2 * k] = first_special, len(run)
        first_special += len(run)
    for k, (start, size) in enumerate(inside):
        starts[:, 2 * k + 1], sizes[:, 2 * k + 1] = start, size
    return starts, sizes
