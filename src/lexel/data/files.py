"""Reads numbered lines from a path, standard input or a stream, and writes files that appear only when complete.

Bytes are decoded here block by block, so memory is bounded by the longest line, and an invalid byte is reported with
its line and column. Only ``"\\n"`` ends a line (a preceding ``"\\r"`` belongs to it). U+2028, U+0085, vertical tab and
form feed do not: they are characters of the text.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from lexel.data.packing import PACKINGS, UNREADABLE, packing_of
from lexel.data.places import is_url, open_place
from lexel.disk import Part, new_file_like, reason, refused
from lexel.errors import DataError
from lexel.visible import for_terminal_in_style

Source = str | os.PathLike[str] | IO[Any]
"""The input of a reader: a path, ``"-"`` for standard input, or an open stream."""
Target = str | os.PathLike[str] | IO[Any]
"""The target of a writer: a path, ``"-"`` for standard output, or an open text stream."""

BLOCK_BYTES = 1 << 18
COMPRESSED_ENDINGS = tuple(PACKINGS)
_BYTE_STREAMS = (io.RawIOBase, io.BufferedIOBase)


def ending_of(path: str | os.PathLike[str]) -> str:
    """The ending that determines a file's format, in lower case, without ``.gz``, ``.xz``, ``.bz2`` or ``.zst``."""
    name = os.path.basename(os.fspath(path)).lower()
    for ending in COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    return os.path.splitext(name)[1]


def name_of(place: Source, *, standard: str = "<stdin>") -> str:
    """The name of a source or target in messages."""
    if isinstance(place, str | os.PathLike):
        return standard if place == "-" else os.fspath(place)
    name = getattr(place, "name", None)
    return name if isinstance(name, str) else "<stream>"


class LineReader:
    """Iterates over the lines of a source, numbered from 1, without line ends.

    A compressed path (``.gz``, ``.xz``, ``.bz2``, ``.zst``) is decompressed while reading. A byte order mark at the
    start is not part of the first line. A last line without a line end counts as a line.

    Attributes:
        name: The source's name in messages.
        number: Number of the line returned last.
        line: The line returned last.
    """

    def __init__(self, source: Source, *, encoding: str = "utf-8", first: int = 0, keeps_returns: bool = False) -> None:
        """Prepare to read; nothing is opened before the first line is requested.

        Args:
            source: A path, ``"-"`` or an open stream.
            encoding: The encoding of the input.
            first: How many lines of the file come before the source, if the source is a part of a file.
            keeps_returns: Leave the ``"\\r"`` before a ``"\\n"`` at the end of its line.

        Raises:
            DataError: If the text encoding is unknown to Python.
        """
        self.name: str = name_of(source)
        self.number: int = first
        self.line: str = ""
        self._source = source
        self._encoding = encoding
        self._is_start = first == 0
        self._ending = "" if keeps_returns else "\r"
        self._blocks: Iterator[str] | None = None
        check_encoding(encoding, name=self.name)

    def error(self, problem: str, *, line: int | None = None) -> DataError:
        """An error at the line returned last, or at another."""
        number = self.number if line is None else line
        return DataError(f"{self.name}:{number}: {problem}").at(self.name, number, self.line if line is None else None)

    def first_sign(self) -> str:
        """The first non-whitespace character, without reading past the block that contains it."""
        ahead: list[str] = []
        blocks = self.text_blocks()
        sign = ""
        for block in blocks:
            ahead.append(block)
            if sign := block.lstrip()[:1]:
                break
        self._blocks = chain(ahead, blocks)
        return sign

    def text_blocks(self) -> Iterator[str]:
        """The decoded text without a byte order mark; each block is returned once, here or in lines."""
        if self._blocks is None:
            blocks = self._text_blocks()
            self._blocks = _without_mark(blocks) if self._is_start else blocks
        return self._blocks

    def __iter__(self) -> Iterator[str]:
        begun: list[str] = []  # parts of a line whose end has not been read yet
        try:
            for block in self.text_blocks():
                first, *others = block.split("\n")
                begun.append(first)
                for following in others:
                    line, begun = "".join(begun), [following]
                    self.number += 1
                    self.line = line.removesuffix(self._ending)
                    yield self.line
        except UnicodeDecodeError as error:
            raise self._undecodable(error, column=sum(map(len, begun)) + 1) from error
        if last := "".join(begun):
            self.number += 1
            self.line = last
            yield last

    def _text_blocks(self) -> Iterator[str]:
        if isinstance(self._source, (str, os.PathLike, *_BYTE_STREAMS)):
            yield from _decoded(self._byte_blocks(), encoding=self._encoding)
        else:
            yield from iter(self._source.readline, "")

    def _byte_blocks(self) -> Iterator[bytes]:
        try:
            opened = self._open_bytes()
        except OSError as error:
            raise DataError(f"{self.name}: {refused(error)}; expected a file to read") from error
        with opened as stream:
            read = getattr(stream, "read1", stream.read)
            while True:
                try:
                    block: bytes = read(BLOCK_BYTES)
                except UNREADABLE as error:
                    raise DataError(f"{self.name}:{self.number + 1}: cannot be read any further ({error})") from error
                if not block:
                    return
                yield block

    def _open_bytes(self) -> AbstractContextManager[BinaryIO]:
        if not isinstance(self._source, str | os.PathLike):
            return nullcontext(cast(BinaryIO, self._source))
        if self._source == "-":
            return nullcontext(sys.stdin.buffer)
        return open_unpacked(self._source)

    def _undecodable(self, error: UnicodeDecodeError, *, column: int) -> DataError:
        wanted = "UTF-8" if codecs.lookup(error.encoding).name == "utf-8" else error.encoding
        return DataError(
            f"{self.name}:{self.number + 1}: byte 0x{error.object[error.start]:02x} at column {column}; "
            f"expected {wanted}; pass --encoding if the text is in another (gb18030, big5, ...)"
        )


def open_unpacked(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to read its bytes, decompressed according to its ending; also accepts the URL of an object store.

    Raises:
        OSError: If it cannot be opened.
        MissingExtra: If the library that decompresses it is not installed.
    """
    packing = packing_of(path)
    if is_url(os.fspath(path)):
        stream = open_place(os.fspath(path))
        return stream if packing is None else packing.unpack(stream)
    return open(path, "rb") if packing is None else packing.unpack(path)


def check_encoding(encoding: str, *, name: str) -> None:
    """Reject an encoding that is unknown to Python, or is not a text encoding.

    Raises:
        DataError: Naming the encoding.
    """
    try:
        "".encode(encoding)
    except LookupError as error:
        raise DataError(
            f"{name}: no text encoding is called {encoding!r}; expected a name such as utf-8, gb18030 or big5"
        ) from error


def _without_mark(blocks: Iterator[str]) -> Iterator[str]:
    for first in blocks:
        if first:
            yield first.removeprefix("\ufeff")
            break
    yield from blocks


def _decoded(blocks: Iterator[bytes], *, encoding: str) -> Iterator[str]:
    """Decode blocks; all the text before an error is returned before the error is raised."""
    decoder = codecs.getincrementaldecoder(encoding)()
    for block in blocks:
        state = decoder.getstate()
        try:
            text = decoder.decode(block)
        except UnicodeDecodeError:
            decoder.setstate(state)
            yield from (decoder.decode(block[at : at + 1]) for at in range(len(block)))
        else:
            yield text
    yield decoder.decode(b"", final=True)


class TextOutput:
    """The output of a text writer: counts lines, and reports characters that the encoding cannot represent.

    Attributes:
        name: The target's name in messages.
        line: Number of the next line to be written, from 1.
        encoding: The encoding of the output.
        is_terminal: Whether the target is a terminal.
    """

    def __init__(self, stream: IO[Any], *, name: str, encoding: str, binary: bool) -> None:
        self.name = name
        self.line: int = 1
        self.encoding = encoding
        self.is_terminal: bool = bool(getattr(stream, "isatty", lambda: False)())
        self._stream = stream
        self._encode = _encoder(encoding) if binary else None
        self._at_start = True

    def error(self, problem: str) -> DataError:
        """An error at the next line to be written."""
        return DataError(f"{self.name}:{self.line}: {problem}")

    def write(self, text: str) -> None:
        """Write whole lines.

        Raises:
            DataError: If the encoding cannot represent a character (a lone surrogate in UTF-8), or writing fails.
        """
        if self._at_start and text:
            self._at_start = False
            if text[0] == "\ufeff":  # readers remove one mark from the start; this one is text
                text = "\ufeff" + text
        if self.is_terminal:
            text = for_terminal_in_style(text)
        try:
            data: Any = text if self._encode is None else self._encode(text)
            self._stream.write(data)
            if self.is_terminal:
                self._stream.flush()
        except UnicodeEncodeError as error:
            raise self._unencodable(error, text) from error
        except OSError as error:
            raise refusal(error, name=self.name) from error
        self.line += text.count("\n")

    def _unencodable(self, error: UnicodeEncodeError, text: str) -> DataError:
        before = text[: error.start]
        code = ord(text[error.start])
        line = self.line + before.count("\n")
        column = error.start - (before.rfind("\n") + 1) + 1
        if 0xD800 <= code <= 0xDFFF:
            what, advice = f"lone surrogate U+{code:04X}", "write JSON lines, which keep it as an escape"
        else:
            what, advice = f"{chr(code)!r} (U+{code:04X})", "write UTF-8"
        return DataError(f"{self.name}:{line}: {what} at column {column}; {self.encoding} cannot hold it; {advice}")


def _encoder(encoding: str) -> Any:
    """An encoding function that writes a byte order mark, if the codec has one, only at the start."""
    if codecs.lookup(encoding).name in ("utf-16", "utf-32", "utf-8-sig"):
        return codecs.getincrementalencoder(encoding)().encode
    return lambda text: text.encode(encoding)


@contextmanager
def open_output(out: Target, *, encoding: str = "utf-8") -> Iterator[TextOutput]:
    """Open a target for text.

    A path appears under its name only when everything is written and on the disk; a failure before that leaves
    nothing behind. Standard output and open streams receive the text immediately.

    Raises:
        DataError: If the encoding is unknown, or the target cannot be written.
    """
    name = name_of(out, standard="<stdout>")
    check_encoding(encoding, name=name)
    if isinstance(out, (str, os.PathLike, *_BYTE_STREAMS)):
        with open_binary(out) as stream:
            yield TextOutput(stream, name=name, encoding=encoding, binary=True)
    else:
        yield TextOutput(out, name=name, encoding=getattr(out, "encoding", None) or encoding, binary=False)


@contextmanager
def open_binary(out: Target) -> Iterator[BinaryIO]:
    """Open a target for bytes, with the same guarantee as `open_output`."""
    name = name_of(out, standard="<stdout>")
    if not isinstance(out, str | os.PathLike):
        yield cast(BinaryIO, out)
    elif out == "-":
        yield sys.stdout.buffer
        with write_errors(name):
            sys.stdout.buffer.flush()
    elif Path(out).exists() and not Path(out).is_file():  # a device or a pipe cannot be renamed afterwards
        with write_errors(name):
            device = open(out, "wb")  # noqa: SIM115
        with _closing(device, name=name) as stream:
            yield stream
    else:
        with _whole_file(Path(out)) as stream:
            yield stream


@contextmanager
def _whole_file(path: Path) -> Iterator[BinaryIO]:
    name, final = os.fspath(path), Path(os.path.realpath(path))
    with write_errors(name):
        part = Part(final, new_file_like(final))
    with part:
        with _closing(open(part.descriptor, "wb", buffering=BLOCK_BYTES), name=name) as file:
            packing = packing_of(path)
            packed = nullcontext(file) if packing is None else _closing(packing.pack(file), name=name)
            with packed as stream:
                yield stream
            with write_errors(name):
                file.flush()
                os.fsync(file.fileno())
        with write_errors(name):
            part.path.replace(final)


@contextmanager
def _closing(stream: BinaryIO, *, name: str) -> Iterator[BinaryIO]:
    """Close a stream; an error on closing is raised only if there was no earlier one."""
    try:
        yield stream
    except BaseException:
        with suppress(OSError, ValueError):
            stream.close()
        raise
    with write_errors(name):
        stream.close()


@contextmanager
def write_errors(name: str) -> Iterator[None]:
    """Turn a system error on writing into a one-line message.

    Raises:
        DataError: For any OSError except a broken pipe.
    """
    try:
        yield
    except OSError as error:
        raise refusal(error, name=name) from error


def refusal(error: OSError, *, name: str) -> Exception:
    """The error to raise for an OSError; a broken pipe stays unchanged, since nobody reads the output any more."""
    if isinstance(error, BrokenPipeError):
        return error
    return DataError(f"{name}: cannot be written ({reason(error)}); expected free space and permission to write")
