"""A file that others still write to, read as it grows: ``tail -F`` from its first byte."""

from __future__ import annotations

import io
import os
import time
from typing import Any

POLL_S = 0.1


class GrowingFile(io.RawIOBase):
    """The bytes of a file, and then those that are added to it; it never ends.

    A file that was replaced (a log that was rotated) is read to its end, then its successor from the start; so is one
    that was cut.

    Attributes:
        name: Its path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the file.

        Raises:
            OSError: If it cannot be opened.
        """
        self.name = os.fspath(path)
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed with this)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not (size := self._file.readinto(buffer)):
            if self._is_replaced():
                self._file.close()
                self._file = open(self.name, "rb", buffering=0)  # noqa: SIM115
            elif os.fstat(self._file.fileno()).st_size < self._file.tell():
                self._file.seek(0)
            else:
                time.sleep(POLL_S)
        return size

    def _is_replaced(self) -> bool:
        """Whether another file has the name now; one that is gone may come back."""
        try:
            there = os.stat(self.name)
        except FileNotFoundError:
            return False
        return not os.path.samestat(there, os.fstat(self._file.fileno()))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
