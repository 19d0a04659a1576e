"""Compressed files, by their last ending: gzip, xz, bzip2 and Zstandard (``lexel[zstd]``)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast

from lexel.errors import MissingExtra

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""The errors raised on decompressing a truncated or damaged file."""

_ZSTD_READ_BYTES = 1 << 14
_ZSTD_WINDOW_BYTES = 1 << 31
"""The window of ``zstd --long=31``, which is used for large public dumps."""


@dataclass(frozen=True, slots=True)
class Packing:
    """The compression of files with one ending.

    Attributes:
        unpack: Returns a stream of the decompressed bytes of a path or an open file; closing it leaves the file open.
        pack: Returns a stream that compresses into another; closing it does not close the other.
    """

    unpack: Callable[[str | os.PathLike[str] | BinaryIO], BinaryIO]
    pack: Callable[[BinaryIO], BinaryIO]


def packing_of(path: str | os.PathLike[str]) -> Packing | None:
    """The compression for a file's ending."""
    return PACKINGS.get(os.path.splitext(os.fspath(path))[1].lower())


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise MissingExtra('reading or writing .zst needs zstandard: pip install "lexel[zstd]"') from error
    return zstandard


class _ZstdReader(io.RawIOBase):
    """Decompresses all frames of a stream; the library's own reader accepts a truncated file without an error."""

    def __init__(self, file: BinaryIO, *, is_own: bool) -> None:
        self._file, self._is_own = file, is_own
        self._library = _zstandard()
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            if not self._packed:
                self._packed = self._file.read(_ZSTD_READ_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("the file ends inside a frame")
                return 0
            self._ready = memoryview(self._unpack())
        size = min(len(self._ready), len(buffer))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _unpack(self) -> bytes:
        if self._frame is None:
            options = {"max_window_size": _ZSTD_WINDOW_BYTES}
            self._frame = self._library.ZstdDecompressor(**options).decompressobj()
        try:
            data: bytes = self._frame.decompress(self._packed)
        except self._library.ZstdError as error:
            raise OSError(str(error)) from error
        self._packed = b""
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None
        return data

    def close(self) -> None:
        if self._is_own and not self.closed:
            self._file.close()
        super().close()


def _unpack_zstd(file: str | os.PathLike[str] | BinaryIO) -> BinaryIO:
    if isinstance(file, str | os.PathLike):
        return _buffered(_ZstdReader(open(file, "rb"), is_own=True))
    return _buffered(_ZstdReader(file, is_own=False))


def _buffered(reader: _ZstdReader) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(reader, 1 << 17))


def _pack_zstd(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, _zstandard().ZstdCompressor(level=3).stream_writer(file, closefd=False))


def _opened(kind: Callable[..., Any], mode: str, file: Any) -> BinaryIO:
    return cast(BinaryIO, kind(file, mode))


def _unpack_gzip(file: str | os.PathLike[str] | BinaryIO) -> BinaryIO:
    if isinstance(file, str | os.PathLike):
        return cast(BinaryIO, gzip.GzipFile(file, "rb"))
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb"))


def _pack_gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6, mtime=0))


PACKINGS: dict[str, Packing] = {
    ".gz": Packing(_unpack_gzip, _pack_gzip),
    ".xz": Packing(partial(_opened, lzma.LZMAFile, "rb"), partial(_opened, lzma.LZMAFile, "wb")),
    ".bz2": Packing(partial(_opened, bz2.BZ2File, "rb"), partial(_opened, bz2.BZ2File, "wb")),
    ".zst": Packing(_unpack_zstd, _pack_zstd),
}
