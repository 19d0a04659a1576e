"""Labelled files as columns of pieces, cached on disk and memory-mapped.

A file of documents becomes a few arrays in a folder whose name is a checksum of everything they depend on: the file's
bytes, the tokenizer, and how the file is read. Documents are not kept in memory, and processes share the pages. A
second or resumed run finds the folder and does not read the file again.

    ids          the pieces, document after document
    bounds       where each document's pieces begin
    texts        a checksum of each document's text
    words        edges and types of the words' units (see ``lexel.tasks.gold``)
    entities     the same of the entities
    spans        first piece, last piece and type of each entity, also nested; and which documents have the layer
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lexel.data import Losses, format_named
from lexel.data.folding import fold_of
from lexel.data.labelled import DataOptions, LabelledFile, labelled_format, open_labelled
from lexel.disk import reason, sha256_of
from lexel.document import Document
from lexel.errors import DataError
from lexel.names import LAYERS
from lexel.tasks.gold import PieceUnits, Units
from lexel.text.letters import count_scripts
from lexel.text.tokenizer import Tokenizer
from lexel.training.config.options import DataFile

VERSION = 4
"""Increased when the columns change, so that older folders are not used."""

_COLUMNS: dict[str, type[Any]] = {
    "ids": np.int32,
    "bounds": np.int64,
    "texts": np.uint64,
    "words_edges": np.uint8,
    "words_types": np.int16,
    "entities_edges": np.uint8,
    "entities_types": np.int16,
    "span_firsts": np.int64,
    "span_lasts": np.int64,
    "span_types": np.int16,
    "span_known": np.bool_,
}
_BLOCK_CHARS = 1_000_000
_BLOCK_DOCUMENTS = 4096
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label in a file: its count and its first place."""

    count: int
    record: int
    example: str


@dataclass(frozen=True)
class Features:
    """The columns of one file.

    Attributes:
        folder: Their folder.
        about: Counts of the file: ``documents``, ``chars``, ``words``, ``entities``, ``pos_documents`` ...
        labels: By layer (``pos``, ``entities``), the labels in order of their numbers.
    """

    folder: Path
    about: Mapping[str, Any]
    labels: Mapping[str, Mapping[str, LabelCount]]
    _cache: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    @property
    def ids(self) -> NDArray[np.int32]:
        """The pieces, ``[pieces]``."""
        return self.column("ids")

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Where each document's pieces begin and end, ``[documents + 1]``."""
        return self.column("bounds")

    def units(self, layer: str) -> Units:
        """A layer (``words`` with the tags as types, or ``entities``) as units of pieces."""
        return Units(self.column(f"{layer}_edges"), self.column(f"{layer}_types"), 0)

    def column(self, name: str) -> NDArray[Any]:
        """One column, mapped from its file."""
        if name not in self._cache:
            path, dtype = self.folder / name, _COLUMNS[name]
            size = path.stat().st_size
            self._cache[name] = np.asarray(np.memmap(path, dtype, "r")) if size else np.zeros(0, dtype)
        return self._cache[name]


def read_features(
    file: DataFile, tokenizer: Tokenizer, *, cache: Path, fingerprint: str, repair: bool = False
) -> Features:
    """The columns of a file, from the cache if possible.

    Args:
        file: The file.
        tokenizer: The tokenizer for its texts.
        cache: The folder for columns.
        fingerprint: Checksum of the tokenizer.
        repair: Read ill-formed tags as conlleval does.

    Raises:
        DataError: If the file cannot be read.
    """
    sha256 = sha256_of(file.path)
    key = hashlib.sha256(json.dumps([VERSION, sha256, fingerprint, repair, *_taken(file)]).encode()).hexdigest()[:24]
    folder = cache / key
    if not (folder / "about.json").exists():
        _write(read_documents(file, repair=repair), file, tokenizer, folder, sha256=sha256)
    return open_features(folder)


def open_features(folder: Path) -> Features:
    """The columns in a folder that ``read_features`` made."""
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    labels = {
        layer: {label: LabelCount(*values) for label, values in counts.items()}
        for layer, counts in about.pop("labels").items()
    }
    return Features(folder, about, labels)


def read_documents(file: DataFile, *, losses: Losses | None = None, repair: bool = False) -> Iterator[Document]:
    """Read the documents of a data file.

    Args:
        file: The file and how it is read.
        losses: Counts annotation in the file that a Document cannot hold.
        repair: Repair ill-formed tags by conlleval's rule.

    Raises:
        DataError: If the format or the file cannot be read, or the file has no second tags to fold by.
        OptionError: If an option does not apply to the format.
    """
    return _labelled_file(file, repair=repair).documents(losses=losses)


def _labelled_file(file: DataFile, *, repair: bool) -> LabelledFile:
    format = format_named(file.format) if file.format else labelled_format(file.path)
    options = DataOptions(
        format=file.format,
        encoding=file.encoding or "utf-8",
        columns=file.columns,
        separator=file.separator,
        scheme=file.scheme,
        unit=file.unit,
        entity_key=file.entity_key,
        on_error=file.on_error or "stop",
        repair=repair,
        fold=None if file.fold is None else fold_of(file.fold),
    )
    # A file of plain text has no labels to look for, but fill learns from it.
    return open_labelled(file.path, options) if format.layers else LabelledFile(file.path, format, options)


def shared_texts(features: Features, others: Sequence[Features]) -> int:
    """Number of documents whose text is also in other files."""
    theirs = np.unique(np.concatenate([np.zeros(0, np.uint64), *(other.column("texts") for other in others)]))
    return int(np.isin(features.column("texts"), theirs).sum())


def _taken(file: DataFile) -> list[Any]:
    """The options of a data file on which its columns depend."""
    fold = None if file.fold is None else sorted(fold_of(file.fold).tags.items())
    reading = [file.format, file.encoding, file.columns, file.separator, file.scheme, file.unit, file.entity_key]
    return [*reading, file.on_error, sorted(_layers(file)), sorted((file.label_map or {}).items()), fold]


def _layers(file: DataFile) -> Sequence[str]:
    return LAYERS if file.layers is None else file.layers


def _write(documents: Iterable[Document], file: DataFile, tokenizer: Tokenizer, folder: Path, *, sha256: str) -> None:
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with _Writer(partial, file) as writer:
            for block in _blocks(documents):
                writer.add(block, tokenizer)
        about = {"sha256": sha256, **writer.about}
        (partial / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        partial.replace(folder)
    except OSError as cause:
        raise DataError(f"{folder}: not written ({reason(cause)}). Free some disk space and try again") from cause
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _blocks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Documents in groups of a few thousand, or fewer long ones."""
    documents = iter(documents)
    while block := list(islice(documents, 1)):
        n_chars = len(block[0].text)
        for document in documents:
            block.append(document)
            n_chars += len(document.text)
            if n_chars >= _BLOCK_CHARS or len(block) >= _BLOCK_DOCUMENTS:
                break
        yield block


class _Writer:
    """Appends blocks of documents to the columns, and counts their contents."""

    def __init__(self, folder: Path, file: DataFile) -> None:
        self._layers = set(_layers(file))
        self._map = file.label_map or {}
        self._files: dict[str, BinaryIO] = {name: (folder / name).open("wb") for name in _COLUMNS}
        self._labels: dict[str, dict[str, list[Any]]] = {"pos": {}, "entities": {}, "nested": {}}
        self._number_of: dict[tuple[str, str], int] = {}
        self._counts = dict.fromkeys(
            ("documents", "chars", "words", "entities", "pieces", "longest_chars", "lost_units"), 0
        )
        self._with = dict.fromkeys(LAYERS, 0)
        self._scripts: dict[str, int] = {}
        self._put("bounds", np.zeros(1, np.int64))

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    @property
    def about(self) -> dict[str, Any]:
        return {**self._counts, "with": self._with, "scripts": self._scripts, "labels": self._labels}

    def add(self, documents: Sequence[Document], tokenizer: Tokenizer) -> None:
        texts = [document.text for document in documents]
        pieces = tokenizer.encode(texts)
        units = PieceUnits(texts, pieces)
        self._put("ids", pieces.ids)
        self._put("bounds", pieces.bounds[1:] + self._counts["pieces"])
        self._put("texts", np.frombuffer(b"".join(map(text_checksum, texts)), np.uint64))
        words = units.words(
            [document.words if self._has(document, "words") else None for document in documents],
            [
                self._pos_numbers(document, i) if self._has(document, "pos") else None
                for i, document in enumerate(documents)
            ],
        )
        entities = units.entities(
            [document.entities if self._has(document, "entities") else None for document in documents],
            [
                self._entity_numbers(document, i) if self._has(document, "entities") else None
                for i, document in enumerate(documents)
            ],
        )
        self._add_spans(documents, units)
        for layer, found in (("words", words), ("entities", entities)):
            self._put(f"{layer}_edges", found.edges)
            self._put(f"{layer}_types", found.types)
            self._counts["lost_units"] += found.n_lost
        self._count(documents, texts, n_pieces=len(pieces))

    def _add_spans(self, documents: Sequence[Document], units: PieceUnits) -> None:
        """All entities of each document, also nested ones, in order of their first pieces."""
        there = [any(self._has(document, layer) for layer in ("nested", "entities")) for document in documents]
        layers = [document.all_entities if has else None for document, has in zip(documents, there, strict=True)]
        types = [np.zeros(0, np.int64)]
        for i, (document, spans) in enumerate(zip(documents, layers, strict=True)):
            if spans is not None:
                columns = spans.labels, spans.label_ids, spans.starts, spans.ends
                types.append(self._numbers("nested", *columns, document, i))
        first, last, kept = units.spans(layers)
        order = np.flatnonzero(kept)[np.argsort(first[kept], kind="stable")]
        self._put("span_firsts", first[order] + self._counts["pieces"])
        self._put("span_lasts", last[order] + self._counts["pieces"])
        self._put("span_types", np.concatenate(types)[order])
        self._put("span_known", np.array(there, np.bool_))

    def _has(self, document: Document, layer: str) -> bool:
        return layer in document.layers and (layer in self._layers or (layer == "words" and "pos" in self._layers))

    def _pos_numbers(self, document: Document, i: int) -> NDArray[np.int64]:
        words = document.words
        assert words.pos_ids is not None
        return self._numbers("pos", words.pos_labels, words.pos_ids, words.starts, words.ends, document, i)

    def _entity_numbers(self, document: Document, i: int) -> NDArray[np.int64]:
        spans = document.entities
        return self._numbers("entities", spans.labels, spans.label_ids, spans.starts, spans.ends, document, i)

    def _numbers(
        self,
        layer: str,
        names: Sequence[str],
        ids: NDArray[np.int32],
        starts: NDArray[np.int32],
        ends: NDArray[np.int32],
        document: Document,
        i: int,
    ) -> NDArray[np.int64]:
        """The number of each unit's label in the whole file, ``[units]``; new labels get the next ones."""
        known = self._labels[layer]
        numbers = np.zeros(len(names), np.int64)
        counts = np.bincount(ids, minlength=len(names)).tolist()
        for own, name in enumerate(names):
            label = self._map.get(name, name)
            if label not in known:
                at = int((ids == own).argmax()) if counts[own] else 0
                example = document.text[starts[at] : ends[at]][:_SHOWN_CHARS] if counts[own] else ""
                known[label] = [0, self._counts["documents"] + i + 1, example]
                self._number_of[layer, label] = len(known) - 1
            known[label][0] += counts[own]
            numbers[own] = self._number_of[layer, label]
        return numbers[ids]

    def _count(self, documents: Sequence[Document], texts: Sequence[str], *, n_pieces: int) -> None:
        counts = self._counts
        counts["documents"] += len(documents)
        counts["pieces"] += n_pieces
        for text in texts:
            counts["chars"] += len(text)
            counts["longest_chars"] = max(counts["longest_chars"], len(text))
        for document in documents:
            layers = document.layers
            for layer in LAYERS:
                self._with[layer] += layer in layers and layer in self._layers
            counts["words"] += len(document.words) if "words" in layers else 0
            counts["entities"] += len(document.all_entities)
        for script, n in count_scripts("".join(texts)).items():
            self._scripts[script] = self._scripts.get(script, 0) + n

    def _put(self, name: str, values: NDArray[Any]) -> None:
        self._files[name].write(np.ascontiguousarray(values, _COLUMNS[name]).tobytes())


def text_checksum(text: str) -> bytes:
    """An eight-byte checksum of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
