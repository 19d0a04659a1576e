"""Licences by what they ask of a user, under the hub's identifiers and as people write them."""

from __future__ import annotations

import re

from lexel.checkpoint.card import LICENCES, Kind

_ASKS: dict[Kind, str] = {
    "share-alike": "share-alike: works on it are to be passed on under the same terms, their authors named",
    "copyleft": "copyleft: passing on the model, or works on it, has conditions",
    "non-commercial": "not for commercial use",
    "unknown": "Lexel does not know its terms; read them before use",
}
_PREFIXES: tuple[tuple[str, Kind], ...] = (
    ("cc-by-nc", "non-commercial"),
    ("cc-by-sa", "share-alike"),
    ("cc-by-nd", "unknown"),
    ("cc-by", "permissive"),
    ("cc0", "permissive"),
    ("public-domain", "permissive"),
)


def identifier_of(licence: str) -> str | None:
    """The hub's identifier of a licence as people write it (``CC BY-SA 4.0``); ``None`` if it has none."""
    name = _plain(licence)
    tries = (name, name.removesuffix("-licence").removesuffix("-license"), f"{name}-1.0")
    return next((each for each in tries if each in LICENCES), None)


def kind_of(licence: str) -> Kind:
    """What a licence asks of a user; of several, joined by commas, the strictest."""
    parts = [part for part in re.split(r"\s*(?:,|;|\band\b)\s*", licence) if part]
    kinds = {_kind_of_one(part) for part in parts} or {"unknown"}
    order: tuple[Kind, ...] = ("unknown", "non-commercial", "copyleft", "share-alike", "permissive")
    return next(kind for kind in order if kind in kinds)


def demand_of(licence: str | None) -> str | None:
    """What must be said aloud of a licence; nothing of a permissive one."""
    if licence is None:
        return "no licence is stated; ask its author before use"
    return _ASKS.get(kind_of(licence))


def _kind_of_one(licence: str) -> Kind:
    identifier = identifier_of(licence)
    if identifier is not None:
        return LICENCES[identifier]
    name = _plain(licence)
    return next((kind for prefix, kind in _PREFIXES if name.startswith(prefix)), "unknown")


def _plain(licence: str) -> str:
    return (
        re.sub(r"[\s_/]+", "-", licence.strip().lower())
        .replace("creative-commons-", "cc-")
        .replace("cc-by-sa-v", "cc-by-sa-")
    )
