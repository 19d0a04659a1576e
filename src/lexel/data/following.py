"""A file that others still write to, read as it grows: ``tail -F`` from its first byte."""

from __future__ import annotations

import io
import os
import time
from typing import Any

POLL_S = 0.1
_READ_BYTES = 1 << 16


class GrowingFile(io.RawIOBase):
    """The whole lines of a file, and then those that are added to it; it never ends.

    A line waits for its end, so a writer may stop anywhere, even inside a character. After a file was replaced (a log
    that was rotated), it is read to its end, then its successor from the start; a last line without an end is ended
    there. After a file was cut, it is read from the start, and the line that had no end is dropped.

    Attributes:
        name: Its path.
    """

    def __init__(self, path: str | os.PathLike[str], *, encoding: str = "utf-8") -> None:
        """Open the file.

        Args:
            path: The file.
            encoding: How it is encoded, to tell where a line breaks off inside a character.

        Raises:
            OSError: If it cannot be opened.
        """
        self.name: str = os.fspath(path)
        self._encoding = encoding
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed with this)
        self._begun: list[bytes] = []  # parts of a line whose end has not come yet
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            is_replaced = self._is_replaced()  # before the read, since its writer may have added a last line
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
        """What ends the line that has no end, after a character of which only a part is there is dropped."""
        line = b"".join(self._begun)
        try:
            line.decode(self._encoding)
        except UnicodeDecodeError as error:
            line = line[: error.start]
        self._begun = [line] if line else []
        return b"\n" if line else b""

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
