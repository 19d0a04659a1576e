"""Determines a model's licence from its files, and its conditions for users."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lexel.licences.names import Kind, identifier_of, kind_of, strictest

_DEMANDS: Mapping[Kind, str] = {
    "weak-copyleft": "weak copyleft: if you share changed files, use the same licence",
    "share-alike": "share-alike: if you share it or works based on it, credit the authors and use the same licence",
    "copyleft": "copyleft: sharing the model or works based on it has conditions",
    "use-restricted": "some uses or users are forbidden; read its terms before use",
    "non-commercial": "not for commercial use",
    "unknown": "Lexel does not know its terms; read them before use",
}
_QUIET: tuple[Kind, ...] = ("permissive", "share-alike")
"""Kinds that are not mentioned on loading a model."""
_NO_NAMES = ("other", "unknown")
_NOT_STATED = "licence not stated: the model's card names none, ask its author before use"
_LONGEST_NOTICE = 480
_MOST_CHARS, _MOST_ITEMS = 120, 8
"""A longer value is not a licence name, and would fill the terminal."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The known facts of a model's licence.

    Attributes:
        licence: The names in the card, joined by ``, ``, otherwise that of the licence file; ``None`` if neither
            gives one.
        kind: Its kind; the strictest, if there are several or the licence file differs.
        notice: One line to print when the model is loaded; ``None`` if the licence has no conditions for running the
            model.
        licences: Every licence that applies, by name: those of the card, and that of the licence file.
        contradiction: How the card and the licence file disagree.
        base_licence: The licence of the model that it was made from, if it is known.
    """

    licence: str | None
    kind: Kind
    notice: str | None
    licences: tuple[str, ...] = ()
    contradiction: str | None = None
    base_licence: str | None = None


def judge(
    card: Mapping[str, Any],
    *,
    file: tuple[str, str] | None = None,
    base: Mapping[str, Any] | None = None,
    own: str | None = None,
) -> Verdict:
    """Judge the licence of a folder from its files.

    Args:
        card: Values of the card's front matter: ``license``, ``license_name``, ``license_link``.
        file: Name of the licence file in the folder, and the licence of its text.
        base: The model that it was made from: its ``id`` and ``licence``.
        own: The folder, if the user may have trained the model; the notice then says how to state a licence.
    """
    names = texts_of(card.get("license"))
    custom = [*texts_of(card.get("license_name")), *texts_of(card.get("license_link"))]
    stated = [name for name in names if name.lower() not in _NO_NAMES] or _known(custom) or names
    if not names:
        stated = _known(custom) or custom[:1]
    if file is not None and set(map(kind_of, stated)) == {"unknown"} and not _names_itself(names):
        stated = [file[1]]
    contradiction = _mismatch(stated, file)
    parts = [contradiction, _of_base(stated, base)]
    licence = ", ".join(names or custom[:1]) or (None if file is None else file[1])
    if licence is None:
        return Verdict(
            None,
            "unknown",
            _joined(_NOT_STATED, parts) if own is None else _joined(_to_state(own), [_base_in_short(base)]),
            base_licence=_base_licence(base),
        )
    holding = tuple(dict.fromkeys([*stated, *([] if file is None else [file[1]])]))
    kind = strictest(map(kind_of, holding))
    shown = f"{licence} ({', '.join(custom)})" if names and custom else licence
    said = None if kind in _QUIET else f"licence {shown}: {_DEMANDS[kind]}"
    return Verdict(licence, kind, _joined(said, parts), holding, contradiction, _base_licence(base))


def demand_of(licence: str | None) -> str | None:
    """The conditions of a licence, in the words of a card; empty for a permissive one."""
    if licence is None:
        return "no licence is stated; ask its author before use"
    return _DEMANDS.get(kind_of(licence))


def texts_of(value: Any) -> list[str]:
    """A value of a card's front matter as strings: the items of a list; empty for no value."""
    items: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    texts = [" ".join(str(item)[:_MOST_CHARS].split()) for item in items[:_MOST_ITEMS] if isinstance(item, str | float)]
    return [text for text in texts if text]


def _names_itself(names: Sequence[str]) -> bool:
    """Whether a card gives a name instead of ``other``."""
    return any(name.lower() not in _NO_NAMES for name in names)


def _known(names: Sequence[str]) -> list[str]:
    return [name for name in names if kind_of(name) != "unknown"][:1]


def _mismatch(stated: Sequence[str], file: tuple[str, str] | None) -> str | None:
    """The message if the licence file and the card name different licences."""
    if file is None or not stated:
        return None
    name, found = file
    identifiers = {identifier_of(each) or each.lower() for each in stated}
    if found in identifiers or any(found.startswith(f"{each}-") for each in identifiers):
        return None
    return (
        f"the card says {', '.join(stated)}, but the text of {name} is {found}; the stricter one counts, ask its author"
    )


def _of_base(stated: Sequence[str], base: Mapping[str, Any] | None) -> str | None:
    """The message if the model was made from one with a stricter licence."""
    licence = _base_licence(base)
    if licence is None or base is None:
        return None
    kind = kind_of(licence)
    if (
        kind in ("permissive", "unknown")
        or strictest([kind, *map(kind_of, stated)]) != kind
        or kind in map(kind_of, stated)
    ):
        return None
    return f"made from {base.get('id') or 'a model'}, whose licence is {licence} ({_DEMANDS[kind]})"


def _to_state(folder: str) -> str:
    return f"licence not stated: if the model is yours, add one: lexel card {shlex.quote(folder)} --licence NAME"


def _base_in_short(base: Mapping[str, Any] | None) -> str | None:
    """The message of ``_of_base``, for an author who is choosing a licence."""
    licence = _base_licence(base)
    if _of_base((), base) is None or base is None or licence is None:
        return None
    return f"made from {base.get('id') or 'a model'} ({licence}, {kind_of(licence)})"


def _base_licence(base: Mapping[str, Any] | None) -> str | None:
    licence = (base or {}).get("licence")
    return licence if isinstance(licence, str) and licence else None


def _joined(said: str | None, parts: Sequence[str | None]) -> str | None:
    line = "; ".join(part for part in (said, *parts) if part)
    return (line if len(line) <= _LONGEST_NOTICE else f"{line[:_LONGEST_NOTICE]}…") or None
