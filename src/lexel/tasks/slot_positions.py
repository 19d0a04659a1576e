"""Positions of the slots of windows in their whole texts, so that each piece of a text is pooled once.

Special pieces count, as in sentence-transformers. If a text has several windows, the special pieces before the first
window and after the last one count; a piece in several windows counts in the one that decides it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lexel.tasks.framing import Layout, decided

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SlotPositions:
    """The groups and places of slots, each ``[slots]``.

    Attributes:
        group: Index of the group that a slot's state belongs to: for texts, the text.
        window: The window that it is read in.
        place: Its place in the whole text, special pieces included, from 1. The first piece of a window after the
            first has 0 and is used only by ``cls``; -1 marks a slot that does not count here.
        decided: Number of pieces that its window decides, at least 1.
    """

    group: Ints
    window: Ints
    place: Ints
    decided: Ints

    def __getitem__(self, chosen: NDArray[np.bool_] | Ints) -> SlotPositions:
        return SlotPositions(self.group[chosen], self.window[chosen], self.place[chosen], self.decided[chosen])

    @property
    def run_starts(self) -> Ints:
        """The first slot of each run, ``[runs]``."""
        changes = (np.diff(self.group, prepend=-1) != 0) | (np.diff(self.window, prepend=-1) != 0)
        return np.flatnonzero(changes)


def text_positions(layout: Layout, *, n_prefix: int, first: int = 1) -> SlotPositions:
    """The positions of all slots of a block in their texts.

    Args:
        layout: The block's windows.
        n_prefix: Number of special pieces before a text.
        first: The first place that counts: after a prompt that is not pooled.
    """
    windows, window = layout.windows, layout.window
    is_first, is_last = _ends_of_texts(windows.text)
    begin = np.maximum.accumulate(np.where(is_first, windows.start, 0))  # of each window's text
    column = np.arange(len(window)) - layout.bounds[window]
    place = (windows.start - begin)[window] + column + 1
    is_before = column < n_prefix
    is_behind = column >= n_prefix + (windows.end - windows.start)[window]
    counts = decided(layout) | (is_first[window] & is_before) | (is_last[window] & is_behind)
    place[~counts | (place < first)] = -1
    place[(column == 0) & ~is_first[window]] = 0
    n_decided = np.maximum(windows.keep_end - windows.keep_start, 1)
    return SlotPositions(windows.text[window], window.astype(np.int64), place, n_decided[window])


def _ends_of_texts(text: Ints) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each window is the first, and the last, of its text, ``[windows]`` each."""
    changes = np.append(True, np.diff(text) != 0)
    return changes[: len(text)], np.append(changes[1:], True)[: len(text)]
