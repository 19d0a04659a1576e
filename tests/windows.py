"""The windows of one text as a list, for tests that look at them one by one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lexel.text.windows import plan_batch


class Window(NamedTuple):
    """Pieces ``[start, end)`` are encoded together, and ``[keep_start, keep_end)`` of them decided here."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def plan_windows(n_pieces: int, *, size: int, overlap: int) -> list[Window]:
    """Plan the windows of one text with ``plan_batch``."""
    plan = plan_batch(np.array([0, n_pieces]), size=size, overlap=overlap)
    columns = (plan.start, plan.end, plan.keep_start, plan.keep_end)
    return list(map(Window, *(column.tolist() for column in columns)))
