"""Where the slots of a block's windows stand in their whole texts, so that each piece of a text is pooled once.

Special pieces count, as in sentence-transformers. Of a text in several windows those before the first window count and
those behind the last; a piece that several windows see counts where it is decided.
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
    """What pooled slots are to their groups, each ``[slots]``.

    Attributes:
        group: Index of the group that a slot's state goes to: for texts, which text.
        window: The window that it is read in.
        place: Its place in the whole text, special pieces included, from 1. 0 for the first piece of another window
            than the first, which only ``cls`` looks at; -1 for one that does not count here.
        decided: How many pieces its window decides, at least 1.
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
    """Where all slots of a block stand in their texts.

    Args:
        layout: The block's windows.
        n_prefix: How many special pieces stand before a text.
        first: The first place that counts: behind a prompt that is not to be pooled.
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
    """Which windows are the first, and which the last, of their texts, ``[windows]`` each."""
    changes = np.append(True, np.diff(text) != 0)
    return changes[: len(text)], np.append(changes[1:], True)[: len(text)]
