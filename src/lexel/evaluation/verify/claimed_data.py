"""Finds the file of gold data for a card's claim: by checksum, by the caller's name for it, or by its file name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lexel.data import reader_of
from lexel.data.classified import format_of
from lexel.data.labelled import labelled_format
from lexel.disk import sha256_of
from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.verify.claims import Claim, DataKey


@dataclass(frozen=True, slots=True)
class Labelled:
    """A file of gold data.

    Attributes:
        path: Its path.
        read: Reads its documents, with tags folded by a rule, if any.
        format: The name of its format.
        dataset: Its name in the card, if the caller gives one.
    """

    path: str
    read: Callable[[str | None], Iterator[Document]]
    format: str
    dataset: str | None = None

    @classmethod
    def at(cls, path: str | os.PathLike[str], *, dataset: str | None = None) -> Labelled:
        """A file in the format of its ending.

        Raises:
            DataError: If the ending is unknown.
        """
        place = os.fspath(path)
        format = labelled_format(place)
        return cls(place, lambda fold: reader_of(format, fold=fold)(place), format.name, dataset)

    @classmethod
    def of_classes(cls, path: str | os.PathLike[str], *, dataset: str | None = None) -> Labelled:
        """A file of texts with their classes; it holds no documents."""
        place = os.fspath(path)
        sha256_of(place)  # check that it can be read
        return cls(place, lambda _: iter(()), format_of(place), dataset)


def match(claims: Sequence[Claim], files: Sequence[Labelled]) -> list[Labelled | None]:
    """The file for each claim, if there is one.

    A file is found by its checksum, by the caller's name for it, or by its file name. If there is only one file and one
    data set, they belong together.

    Raises:
        DataError: If a file matches no claim, or several data sets equally well.
    """
    sets = list(dict.fromkeys(claim.data for claim in claims))
    by_set: dict[DataKey, Labelled] = {}
    for file in files:
        found = _sets_of(file, claims, sets)
        for data in found:
            by_set.setdefault(data, file)
    return [by_set.get(claim.data) for claim in claims]


def _sets_of(file: Labelled, claims: Sequence[Claim], sets: Sequence[DataKey]) -> list[DataKey]:
    named = {claim.data: claim for claim in claims}
    if file.dataset is not None:
        asked = _plain(file.dataset)
        found = [data for data in sets if asked in _names_of(named[data])]
        return found or _refuse(file, f"no data set is called {file.dataset!r}", named.values())
    checksum = sha256_of(file.path)
    if found := [data for data in sets if named[data].revision == checksum]:
        return found
    if len(sets) == 1:
        return list(sets)
    parts = set(_plain("/".join(Path(file.path).absolute().parts[-2:])).split())
    scores = {data: _likeness(named[data], parts) for data in sets}
    best = max(scores.values())
    found = [data for data in sets if scores[data] == best]
    if best == 0 or len({named[data].data_name for data in found}) > 1:
        return _refuse(file, "its name does not say which data set it is", named.values())
    return found


def _names_of(claim: Claim) -> set[str]:
    """All names of a claim's data set."""
    names = [name for name in (claim.dataset, claim.dataset_type) if name]
    return {_plain(name) for name in names} | {_plain(f"{name} {claim.split}") for name in names if claim.split}


def _likeness(claim: Claim, parts: set[str]) -> int:
    """How well the words of a path match a data set; 0 if they do not, or name another part of it."""
    if claim.split is not None and {"train", "dev", "validation", "test"} & parts and not _same_split(claim, parts):
        return 0
    words = [set(_plain(name).split()) for name in (claim.dataset_type, claim.dataset) if name]
    return max((2 * len(each) + _same_split(claim, parts) for each in words if each <= parts), default=0)


def _same_split(claim: Claim, parts: set[str]) -> bool:
    split = _plain(claim.split or "")
    return split in parts or (split in ("validation", "dev") and bool({"validation", "dev"} & parts))


def _plain(name: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))


def _refuse(file: Labelled, found: str, claims: Iterable[Claim]) -> list[DataKey]:
    known = "; ".join(dict.fromkeys(claim.data_name for claim in claims))
    raise DataError(f"{file.path}: {found}; the card is about {known}. Say which with --dataset NAME")
