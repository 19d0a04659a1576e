"""The name that was most likely meant; none if no name is close enough."""

from __future__ import annotations

from collections.abc import Iterable

_CHARS_AN_EDIT = 4
"""A name of eight characters is still recognised with two typing errors."""


def nearest_name(typed: str, names: Iterable[str]) -> str | None:
    """The name with the smallest edit distance, if that is small relative to its length; of equals, the first.

    An edit adds, removes or replaces a character, or swaps two neighbours. A name that begins with the typed one
    (``--batch`` for ``--batch-pieces``) is also close.
    """
    bare = typed.lstrip("-")
    found = min(
        ((edit_distance(bare, name.lstrip("-")), name) for name in names), default=None, key=lambda pair: pair[0]
    )
    if found is not None and found[0] <= max(1, len(bare) // _CHARS_AN_EDIT):
        return found[1]
    begun = [name for name in names if len(bare) > 2 and name.lstrip("-").startswith(bare)]
    return begun[0] if len(begun) == 1 else None


def edit_distance(a: str, b: str) -> int:
    """Number of edits that turn one string into the other; swapped neighbours count once.

    The optimal string alignment distance (https://en.wikipedia.org/wiki/Damerau-Levenshtein_distance).
    """
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
