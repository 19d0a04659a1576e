"""Finds the data sets of cards on this machine: in your own copies, or in the cache of the ``datasets`` library.

A copy is in ``$LEXEL_DATA_SETS/NAME/``, with the original file names. Nothing is downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lexel.data import read_conll
from lexel.data.cached import FORMAT, cache_of_datasets, read_cached
from lexel.data.labelled import labelled_format
from lexel.document import Document
from lexel.errors import DataError
from lexel.evaluation.verify.claimed_data import Labelled
from lexel.evaluation.verify.claims import Claim

FOLDER = "LEXEL_DATA_SETS"
"""The variable with the folder of your copies."""

_SPLITS = {"dev": "validation", "valid": "validation", "testa": "validation", "testb": "test"}


@dataclass(frozen=True, slots=True)
class KnownData:
    """A data set and its usual files.

    Attributes:
        files: The usual file names of each part, the original ones first.
        columns: The columns of these files.
        aliases: Other names.
    """

    files: Mapping[str, Sequence[str]]
    columns: tuple[str, ...] = ("word", "tag")
    aliases: Sequence[str] = field(default_factory=tuple)


KNOWN: Mapping[str, KnownData] = {
    "conll2003": KnownData(
        {
            "train": ("eng.train", "train.txt"),
            "validation": ("eng.testa", "valid.txt", "dev.txt"),
            "test": ("eng.testb", "test.txt"),
        },
        ("word", "pos", "-", "tag"),
        ("conll2003", "eriktks/conll2003", "conll 2003", "conll-2003"),
    ),
    "wnut_17": KnownData(
        {
            "train": ("wnut17train.conll",),
            "validation": ("emerging.dev.conll",),
            "test": ("emerging.test.annotated", "emerging.test.conll"),
        },
        aliases=("wnut2017", "wnut 17", "leondz/wnut_17"),
    ),
    "msra_ner": KnownData(
        {"train": ("msra_train_bio.txt", "train.txt"), "test": ("msra_test_bio.txt", "test.txt")},
        aliases=("msra", "levow/msra_ner"),
    ),
    "weibo_ner": KnownData(
        {
            "train": ("weiboNER.conll.train", "weiboNER_2nd_conll.train"),
            "validation": ("weiboNER.conll.dev", "weiboNER_2nd_conll.dev"),
            "test": ("weiboNER.conll.test", "weiboNER_2nd_conll.test"),
        },
        aliases=("weibo", "hltcoe/weibo_ner"),
    ),
    "ontonotes5": KnownData({"train": ("train.conll",), "validation": ("dev.conll",), "test": ("test.conll",)}),
}
"""Data sets that cards on the hub often name. Others are found by their own name, in any format that Lexel reads."""


def find_data(claims: Sequence[Claim]) -> list[Labelled]:
    """The data sets of claims that are on this machine, one file each.

    Raises:
        DataError: If there is none; the message names the places that were searched.
    """
    sets = {claim.data: claim for claim in claims}
    found = [file for claim in sets.values() if (file := _find(claim)) is not None]
    if not found:
        names = ", ".join(dict.fromkeys(claim.data_name for claim in sets.values()))
        raise DataError(
            f"{names}: not found on this machine; expected in ${FOLDER}/NAME/ ({_own_folder() or 'not set'}) or in the "
            f"cache of datasets ({cache_of_datasets()}). Pass the file with --data"
        )
    return found


def _find(claim: Claim) -> Labelled | None:
    split = _SPLITS.get(claim.split or "test", claim.split or "test")
    name = _name_of(claim)
    called = " ".join(part for part in (claim.dataset_type or claim.dataset, claim.split) if part)
    for path in _copies(name, split):
        if path.is_file():
            return _of_copy(path, name, called)
    for path in _cached(claim, name, split):
        return Labelled(str(path), _reading(path), FORMAT, called)
    return None


def _reading(path: Path) -> Callable[[str | None], Iterator[Document]]:
    return lambda _: read_cached(path)


def _name_of(claim: Claim) -> str:
    """The name of a claim's data set in the table; else its own name without its owner."""
    said = [name.casefold() for name in (claim.dataset_type, claim.dataset) if name]
    for known, data in KNOWN.items():
        if any(name in (known, *data.aliases) for name in said):
            return known
    return said[0].rpartition("/")[2] if said else ""


def _own_folder() -> Path | None:
    chosen = os.environ.get(FOLDER)
    return None if not chosen else Path(chosen).expanduser()


def _copies(name: str, split: str) -> Iterator[Path]:
    folder = _own_folder()
    if folder is None or not name or name in (".", ".."):
        return
    known = KNOWN.get(name)
    yield from (folder / name / file for file in (known.files.get(split, ()) if known else ()))
    yield from sorted((folder / name).glob(f"{split}.*"))


def _of_copy(path: Path, name: str, called: str) -> Labelled:
    known = KNOWN.get(name)
    if known is not None and path.name in {file for files in known.files.values() for file in files}:
        separator = None if "\t" in _first_row(path) else " "
        read = partial(read_conll, str(path), columns=known.columns, separator=separator, repair=True)
        return Labelled(str(path), lambda _: read(), labelled_format("x.conll").name, called)
    return Labelled.at(path, dataset=called)


def _first_row(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return next((line for line in file if line.strip() and not line.startswith(("-DOCSTART-", "#"))), "")


def _cached(claim: Claim, name: str, split: str) -> Iterator[Path]:
    """Tables of the cache: ``owner___name/config/version/fingerprint/name-split.arrow``."""
    folder = cache_of_datasets()
    if not name or not folder.is_dir():
        return
    for place in sorted(folder.iterdir()):
        if place.name.casefold().rpartition("___")[2] != name:
            continue
        configs = [path for path in sorted(place.iterdir()) if claim.config in (None, path.name)]
        for config in configs or sorted(place.iterdir()):
            yield from sorted(config.glob(f"*/*/*-{split}.arrow"))
