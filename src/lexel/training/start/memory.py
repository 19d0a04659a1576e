"""Makes the C library keep freed memory: new pages for each step take a fifth of its time on a CPU."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGE = 2**31 - 1
_PAD = 64 << 20


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory; does nothing on other systems."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _LARGE)
        mallopt(_TOP_PAD, _PAD)
