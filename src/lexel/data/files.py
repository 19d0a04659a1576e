"""Text in and out: numbered lines from a path, standard input or a stream, and files that appear only when whole.

Bytes are decoded here, block by block, so that memory is bounded by the longest line and a byte that does not belong is
reported with its line and column. Only ``"\\n"`` ends a line (a ``"\\r"`` before it goes with it): never U+2028,
U+0085, vertical tab or form feed, which are characters of the text.
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
from lexel.disk import Part, new_file_like, refused
from lexel.errors import DataError
from lexel.visible import for_terminal_in_style

Source = str | os.PathLike[str] | IO[Any]
"""What a reader takes: a path, ``"-"`` for standard input, or an open stream."""
Target = str | os.PathLike[str] | IO[Any]
"""What a writer takes: a path, ``"-"`` for standard output, or an open text stream."""

BLOCK_BYTES = 1 << 18
COMPRESSED_ENDINGS = tuple(PACKINGS)
_BYTE_STREAMS = (io.RawIOBase, io.BufferedIOBase)


def ending_of(path: str | os.PathLike[str]) -> str:
    """The ending that says a file's format, in lower case; ``.gz``, ``.xz``, ``.bz2`` and ``.zst`` do not matter."""
    name = os.path.basename(os.fspath(path)).lower()
    for ending in COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    return os.path.splitext(name)[1]


def name_of(place: Source, *, standard: str = "<stdin>") -> str:
    """The name that messages call a source or target by."""
    if isinstance(place, str | os.PathLike):
        return standard if place == "-" else os.fspath(place)
    name = getattr(place, "name", None)
    return name if isinstance(name, str) else "<stream>"


class LineReader:
    """The lines of a source, numbered from 1, without their ends.

    A packed path (``.gz``, ``.xz``, ``.bz2``, ``.zst``) is unpacked on the way; a byte order mark at the very start is
    no part of the first line; a last line without an end counts.

    Attributes:
        name: What messages call the source.
        number: Number of the line that was given last.
        line: The line that was given last.
    """

    def __init__(self, source: Source, *, encoding: str = "utf-8", first: int = 0, keeps_returns: bool = False) -> None:
        """Make ready to read; nothing is opened before the first line is asked for.

        Args:
            source: A path, ``"-"`` or an open stream.
            encoding: How bytes are decoded.
            first: How many lines of the file come before those of the source, where it is a part of one.
            keeps_returns: Leave the ``"\\r"`` before a ``"\\n"`` at the end of its line.

        Raises:
            DataError: If Python knows no such text encoding.
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
        """An error at the line given last, or at another."""
        number = self.number if line is None else line
        return DataError(f"{self.name}:{number}: {problem}").at(self.name, number, self.line if line is None else None)

    def first_sign(self) -> str:
        """The first character that is not white space, without reading past the block that it stands in."""
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
        """The text as it is decoded, without a byte order mark; each block once, here or in lines."""
        if self._blocks is None:
            blocks = self._text_blocks()
            self._blocks = _without_mark(blocks) if self._is_start else blocks
        return self._blocks

    def __iter__(self) -> Iterator[str]:
        begun: list[str] = []  # parts of a line whose end has not come yet
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
    """Open a file to read its bytes, unpacked as its ending says; also the URL of an object store.

    Raises:
        OSError: If it cannot be opened.
        MissingExtra: If what unpacks it is not installed.
    """
    packing = packing_of(path)
    if is_url(os.fspath(path)):
        stream = open_place(os.fspath(path))
        return stream if packing is None else packing.unpack(stream)
    return open(path, "rb") if packing is None else packing.unpack(path)


def check_encoding(encoding: str, *, name: str) -> None:
    """Refuse an encoding that Python does not know, or that is none of text.

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
    """Decode blocks; before an error comes out, so does all the text that stands before it."""
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
    """Where a text writer writes: counts lines, and says which character an encoding cannot hold.

    Attributes:
        name: What messages call the target.
        line: Number of the line that is written next, from 1.
        encoding: The encoding of what comes out.
        is_terminal: Whether a person is looking.
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
        """An error at the line that would have been written next."""
        return DataError(f"{self.name}:{self.line}: {problem}")

    def write(self, text: str) -> None:
        """Write whole lines.

        Raises:
            DataError: If the encoding cannot hold a character (a lone surrogate in UTF-8), or the disk the bytes.
        """
        if self._at_start and text:
            self._at_start = False
            if text[0] == "\ufeff":  # readers take one mark off the start; this one is text
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
    """An encoding function that puts a byte order mark only where the codec wants one: at the start."""
    if codecs.lookup(encoding).name in ("utf-16", "utf-32", "utf-8-sig"):
        return codecs.getincrementalencoder(encoding)().encode
    return lambda text: text.encode(encoding)


@contextmanager
def open_output(out: Target, *, encoding: str = "utf-8") -> Iterator[TextOutput]:
    """Open a target for text.

    A path appears under its name only when everything was written and is on the disk; whatever goes wrong before
    leaves nothing behind. Standard output and open streams get the text as it comes.

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
    """Open a target for bytes, with the same promise as `open_output`."""
    name = name_of(out, standard="<stdout>")
    if not isinstance(out, str | os.PathLike):
        yield cast(BinaryIO, out)
    elif out == "-":
        yield sys.stdout.buffer
        with write_errors(name):
            sys.stdout.buffer.flush()
    elif Path(out).exists() and not Path(out).is_file():  # a device or a pipe cannot be put under its name afterwards
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
    """Close a stream: an error is raised only if there was none before."""
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
    """Turn the system's refusal to write into one line.

    Raises:
        DataError: For any OSError but a broken pipe.
    """
    try:
        yield
    except OSError as error:
        raise refusal(error, name=name) from error


def refusal(error: OSError, *, name: str) -> Exception:
    """What to raise for an OSError; a broken pipe stays what it is, since no one is left to be told."""
    if isinstance(error, BrokenPipeError):
        return error
    reason = error.strerror or str(error)
    return DataError(f"{name}: cannot be written ({reason}); expected free space and permission to write")
