"""Reads a file while others still write to it, like ``tail -F`` from the first byte."""

from __future__ import annotations

import io
import os
import time
from typing import Any

POLL_S = 0.1
_READ_BYTES = 1 << 16


class GrowingFile(io.RawIOBase):
    """The complete lines of a file, then those that are added to it; it never ends.

    A line is returned only when it is complete, so a writer may pause anywhere, even inside a character. If the file is
    replaced (a rotated log), the old file is read to its end, then the new one from the start; a last line without a
    line end is ended there. If the file is truncated, it is read from the start, and the incomplete line is dropped.

    Attributes:
        name: Its path.
    """

    def __init__(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> None:
        """Open the file.

        Args:
            path: The file.
            encoding: Its encoding, to detect a line that breaks off inside a character.

        Raises:
            OSError: If it cannot be opened.
        """
        self.name: str = os.fspath(path)
        self._encoding = encoding
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed by close)
        self._begun: list[bytes] = []  # parts of a line whose end has not been read yet
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            is_replaced = self._is_replaced()  # checked before the read, since the writer may have added a last line
            if data := self._file.read(_READ_BYTES):
                self._take(data)
            elif is_replaced:
                self._take(self._cut_off())
                self._file.close()
                self._file = open(self.name, "rb", buffering=0)  # noqa: SIM115
            elif os.fstat(self._file.fileno()).st_size < self._file.tell():
                self._begun.clear()
                self._file.seek(0)
            else:
                time.sleep(POLL_S)
        size = min(len(self._ready), len(buffer))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _take(self, data: bytes) -> None:
        end = data.rfind(b"\n") + 1
        if end:
            self._ready = memoryview(b"".join([*self._begun, data[:end]]))
            self._begun.clear()
        if end < len(data):
            self._begun.append(data[end:])

    def _cut_off(self) -> bytes:
        """The bytes that end the incomplete line, after an incomplete character is dropped."""
        line = b"".join(self._begun)
        try:
            line.decode(self._encoding)
        except UnicodeDecodeError as error:
            line = line[: error.start]
        self._begun = [line] if line else []
        return b"\n" if line else b""

    def _is_replaced(self) -> bool:
        """Whether another file has the name now; a missing file may come back."""
        try:
            there = os.stat(self.name)
        except FileNotFoundError:
            return False
        return not os.path.samestat(there, os.fstat(self._file.fileno()))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
