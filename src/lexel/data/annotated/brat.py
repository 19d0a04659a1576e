"""brat's standoff format: a text in ``NAME.txt`` with its annotation in ``NAME.ann``, in a folder or a zip file.

    T1<tab>Organization 0 4<tab>Sony
    T2<tab>Location 9 14;25 32<tab>North America

An entity of several parts is kept only if the parts are the lines of one range, because brat splits entities at line
ends. A text without a ``.ann`` is not annotated. See https://brat.nlplab.org/standoff.html.
"""

from __future__ import annotations

import io
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

import numpy as np

from lexel.data.faults import Faults
from lexel.data.files import Source, Target, check_encoding, name_of, open_binary, write_errors
from lexel.data.levels import has_entities, levels_of
from lexel.data.offsets import chars_of
from lexel.data.omissions import Loss, Losses, n_scores
from lexel.disk import Part, new_folder_like, refused, sync
from lexel.document import Document
from lexel.errors import DataError

FORMAT = "brat"
_ENTITY = re.compile(r"T[^\t]*\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
_OTHERS = {
    "R": "relations", "*": "relations", "E": "events", "A": "attributes", "M": "attributes", "N": "normalizations",
    "#": "notes",
}  # fmt: skip
_SAFE = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|/]{1,120}")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A text and its annotation, with the names of their files."""

    name: str
    place: str
    text: bytes
    annotation: bytes | None


def is_brat_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a folder with annotation in brat's format."""
    return os.path.isdir(path) and next(Path(path).rglob("*.ann"), None) is not None


def read_brat(
    source: Source, /, *, encoding: str = "utf-8", losses: Losses | None = None, faults: Faults | None = None
) -> Iterator[Document]:
    """Reads each pair as a Document with entities, in order of the names; the name is the id.

    Args:
        source: A folder (searched recursively), one ``.ann`` or ``.txt`` file, or a zip file or its open stream.
        encoding: The encoding of the input.
        losses: Counts discontinuous entities, relations, events, attributes, normalizations and notes.
        faults: How to handle a pair that cannot be read; an error by default.

    Raises:
        DataError: With ``path:line`` of an annotation that cannot be read, or does not match its text.
    """
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    check_encoding(encoding, name=name_of(source))
    for pair in _pairs(source):
        document = faults.attempt(partial(_document, pair, encoding, losses))
        if document is not None:
            yield document


def _pairs(source: Any) -> Iterator[_Pair]:
    if isinstance(source, str | os.PathLike) and source != "-":
        path = Path(source)
        if path.is_dir():
            yield from _pairs_of_folder(path)
            return
        if path.suffix in (".ann", ".txt"):
            yield _pair_of_files(path.with_suffix(".txt"), path.stem)
            return
    yield from _pairs_of_zip(sys.stdin.buffer if source == "-" else source)


def _pairs_of_folder(folder: Path) -> Iterator[_Pair]:
    texts = sorted(path for path in folder.rglob("*.txt") if path.is_file())
    if not texts:
        raise DataError(f"{folder}: holds no .txt files; expected pairs of NAME.txt and NAME.ann")
    alone = {path.with_suffix("") for path in folder.rglob("*.ann")} - {path.with_suffix("") for path in texts}
    if alone:
        raise DataError(f"{min(alone)}.ann: has no text beside it; expected {min(alone).name}.txt")
    for path in texts:
        yield _pair_of_files(path, path.relative_to(folder).with_suffix("").as_posix())


def _pair_of_files(path: Path, name: str) -> _Pair:
    annotation = path.with_suffix(".ann")
    try:
        return _Pair(name, str(annotation), path.read_bytes(), annotation.read_bytes() if annotation.exists() else None)
    except OSError as error:
        raise DataError(
            f"{error.filename}: {refused(error, doing='read')}; expected NAME.txt beside NAME.ann"
        ) from error


_EXPECTED = "expected a folder of pairs, a .ann file, or a zip file of pairs"


def _pairs_of_zip(source: Any) -> Iterator[_Pair]:
    name = name_of(source)
    if isinstance(source, io.TextIOBase):
        raise DataError(f"{name}: is an open text file; expected a folder, or a zip file as bytes")
    try:
        stream = source if not hasattr(source, "seekable") or source.seekable() else io.BytesIO(source.read())
        with ZipFile(stream) as archive:
            names = sorted(archive.namelist())
            for text in (one for one in names if one.endswith(".txt")):
                annotation = text.removesuffix(".txt") + ".ann"
                found = archive.read(annotation) if annotation in names else None
                yield _Pair(text.removesuffix(".txt"), f"{name}/{annotation}", archive.read(text), found)
    except OSError as error:
        raise DataError(f"{name}: {refused(error, doing='read')}; {_EXPECTED}") from error
    except (
        BadZipFile,
        EOFError,
        RuntimeError,
        zlib.error,
    ) as error:  # a RuntimeError: encrypted, or an unsupported compression
        raise DataError(f"{name}: cannot be read as brat ({error}); {_EXPECTED}") from error


def _document(pair: _Pair, encoding: str, losses: Losses) -> Document:
    text = _decoded(pair.text, encoding, place=pair.place.removesuffix(".ann") + ".txt")
    if pair.annotation is None:
        return Document(text, id=pair.name)
    found: list[_Entity] = []
    lines = _decoded(pair.annotation, encoding, place=pair.place).split("\n")
    for number, line in enumerate((line.removesuffix("\r") for line in lines), 1):
        if not line.strip():
            continue
        if line[0] == "T":
            found.append(_entity(line, place=f"{pair.place}:{number}"))
        elif line[0] in _OTHERS:
            losses.add(_OTHERS[line[0]], 1, format="documents")
        else:
            raise DataError(
                f"{pair.place}:{number}: {line!r:.40} is not an annotation; expected T1, R1, E1, ... and a tab"
            )
    levels = levels_of(text, _spans(found, text, losses))
    return Document(text, None, levels.entities, id=pair.name, nested=levels.nested)


def _decoded(data: bytes, encoding: str, *, place: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        expected = f"expected {encoding}; pass --encoding if the text is in another"
        raise DataError(f"{place}:{line}: byte 0x{data[error.start]:02x}; {expected}") from error


@dataclass(frozen=True, slots=True)
class _Entity:
    label: str
    parts: tuple[tuple[int, int], ...]
    said: str | None
    place: str


def _entity(line: str, *, place: str) -> _Entity:
    match = _ENTITY.fullmatch(line)
    if match is None:
        raise DataError(f"{place}: {line!r:.60}; expected an id, a tab, a type with its offsets, a tab and the words")
    parts = [part.split(" ") for part in match[2].split(";")]
    return _Entity(match[1], tuple((int(start), int(end)) for start, end in parts), match[3], place)


def _spans(entities: list[_Entity], text: str, losses: Losses) -> Iterator[tuple[int, int, str]]:
    """The entities of one range, in chars; browsers count UTF-16 units, so the words decide."""
    unit = next((unit for unit in ("char", "utf16") if all(_fits(one, text, unit) for one in entities)), None)
    if unit is None:
        wrong = next(one for one in entities if not _fits(one, text, "char"))
        found = ";".join(f"{start} {end}" for start, end in wrong.parts)
        raise DataError(
            f"{wrong.place}: {found} is not {wrong.said!r:.40}; expected offsets of these words in the text"
        )
    for one in entities:
        chars = chars_of(np.asarray(one.parts), text, unit=unit).tolist()
        gaps = [text[end:start] for (_, end), (start, _) in pairwise(chars)]
        if all("\n" in gap and not gap.strip() for gap in gaps):
            yield chars[0][0], chars[-1][1], one.label
        else:
            losses.add("discontinuous entities", 1, format="documents")


def _fits(entity: _Entity, text: str, unit: str) -> bool:
    try:
        chars = chars_of(np.asarray(entity.parts), text, unit=unit).tolist()
    except ValueError:
        return False
    spelled = " ".join(text[start:end] for start, end in chars)
    return entity.said is None or _one_line(spelled) == _one_line(entity.said)


def _one_line(text: str) -> str:
    return re.sub(r"[\r\n]+", " ", text).strip()


class _Sink(Protocol):
    """Where pairs are written."""

    def add(self, name: str, data: bytes) -> None: ...


def write_brat(documents: Iterable[Document], out: Target, /, *, encoding: str = "utf-8") -> tuple[Loss, ...]:
    """Write each document as a pair, named by its id or its number.

    Args:
        documents: Any documents; one without the entity layer becomes a text without a ``.ann``.
        out: A folder, which appears when it is complete; a path that ends in ``.zip``, ``"-"`` or an open binary
            stream receives a zip file.
        encoding: The encoding of the output.

    Returns:
        What brat's format cannot hold.

    Raises:
        DataError: If the target already exists, a label contains a space, or the encoding cannot represent a text.
    """
    losses = Losses()
    check_encoding(encoding, name=name_of(out, standard="<stdout>"))
    if isinstance(out, str | os.PathLike) and out != "-" and not os.fspath(out).lower().endswith(".zip"):
        _write_folder(documents, Path(out), encoding, losses)
    else:
        with open_binary(out) as stream, ZipFile(stream, "w", ZIP_DEFLATED) as archive:
            _write_pairs(documents, _Archive(archive), name_of(out, standard="<stdout>"), encoding, losses)
    return losses.summary()


@dataclass(frozen=True, slots=True)
class _Archive:
    archive: ZipFile

    def add(self, name: str, data: bytes) -> None:
        """Write one file of the archive; its time is constant, so the same documents give the same bytes."""
        self.archive.writestr(ZipInfo(name, _EPOCH), data, compress_type=ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class _Folder:
    path: Path

    def add(self, name: str, data: bytes) -> None:
        """Write one file of the folder."""
        file = self.path.joinpath(*PurePosixPath(name).parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def _write_folder(documents: Iterable[Document], out: Path, encoding: str, losses: Losses) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise DataError(f"{out}: already exists; expected the name of a new folder, or of a .zip file")
    with write_errors(str(out)):
        part = Part(out, new_folder_like(out))
    with part, write_errors(str(out)):
        os.close(part.descriptor)
        _write_pairs(documents, _Folder(part.path), str(out), encoding, losses)
        sync(sorted(part.path.rglob("*")))
        part.path.replace(out)


def _write_pairs(documents: Iterable[Document], sink: _Sink, out: str, encoding: str, losses: Losses) -> None:
    names: set[str] = set()
    for number, document in enumerate(documents, 1):
        name = _name(document.id, number, names)
        losses.add("names of documents", int(document.id not in (None, name)), format=FORMAT)
        losses.add("words", len(document.words), format=FORMAT)
        losses.add("tags", 0 if document.words.pos_ids is None else len(document.words), format=FORMAT)
        losses.add("scores", n_scores(document), format=FORMAT)
        try:
            sink.add(f"{name}.txt", document.text.encode(encoding))
            if has_entities(document):
                sink.add(f"{name}.ann", _annotation(document, f"{out}/{name}.ann").encode(encoding))
        except UnicodeEncodeError as error:
            char = error.object[error.start]
            raise DataError(f"{out}/{name}: {encoding} cannot hold U+{ord(char):04X}; expected UTF-8") from error


def _name(id: str | None, number: int, names: set[str]) -> str:
    """The name of a pair: the id if it is unique and valid as a file name everywhere, otherwise the number."""
    parts = (id or "").split("/")
    is_safe = all(_SAFE.fullmatch(part) and part.strip(" .") == part for part in parts)
    name = id if id and is_safe and id.casefold() not in names else f"{number:08}"
    while name.casefold() in names:
        name += "-"
    names.add(name.casefold())
    return name


def _annotation(document: Document, place: str) -> str:
    lines = []
    for number, span in enumerate(document.all_entities, 1):
        if not re.fullmatch(r"\S+", span.label):
            raise DataError(f"{place}:{number}: label {span.label!r} is empty or has a space; expected one word")
        is_cut = span.text[0] != "\n" and span.text[-1] != "\n"
        matches = re.finditer(r"[^\n]+" if is_cut else r"(?s).+", span.text)
        parts = ";".join(f"{span.start + part.start()} {span.start + part.end()}" for part in matches)
        lines.append(f"T{number}\t{span.label} {parts}\t{re.sub(chr(10) + '+', ' ', span.text)}\n")
    return "".join(lines)
