"""The meaning of a head's labels: their scheme, their types, and which tag may follow which.

    scheme   tags of one type        a unit of one piece, of three            also called
    BI       B I                     B            B I I        (words)
    BMES     B M E S                 S            B M E        (words)        BIES
    BIO      B- I-                   B-X          B-X I-X I-X                 IOB2
    IOB1     B- I-                   I-X          I-X I-X I-X  (B-X only right after a unit of the same type)
    IOE1     I- E-                   I-X          I-X I-X I-X  (E-X only right before a unit of the same type)
    IOE2     I- E-                   E-X          I-X I-X E-X
    BIOES    B- I- E- S-             S-X          B-X I-X E-X                 IOBES, BMESO (M-), BMEWO (W-)
    BILOU    B- I- L- U-             U-X          B-X I-X L-X                 BILUO
    bare     X                       X            X X X

Published label sets have gaps, which are filled as follows. If a type has no tag for units of one piece, its ``B-`` is
used for them. If it has no tag for the last piece of a unit, its ``I-`` is used. If it has none for the first piece, a
unit may begin with any of its tags.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lexel.errors import LabelError

Task = Literal["words", "words+pos", "entities", "labels"]
BoolArray = NDArray[np.bool_]

SCHEMES = ("BI", "BMES", "BIO", "IOB1", "IOE1", "IOE2", "BIOES", "BILOU", "bare")

MOST_TAGS = 4_000
"""Most labels that a tagging head may have: the table of transitions grows with their square."""

UNTYPED_TYPE = "entity"
"""The type of the spans of an untyped set with an ``O`` (``B I O``)."""

_ALIASES = {"IOB2": "BIO", "IOBES": "BIOES", "BMESO": "BIOES", "BMEWO": "BIOES", "BIES": "BMES", "BILUO": "BILOU"}
_ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_ROLES_OF_SCHEME = {
    "BI": "BI", "BMES": "BIES", "BIO": "BI", "IOB1": "BI", "IOE1": "IE", "IOE2": "IE", "BIOES": "BIES", "BILOU": "BIES",
}  # fmt: skip
_WORD_SCHEMES = ("BI", "BMES")
_PADDING = frozenset(("[PAD]", "<PAD>", "PAD", "[CLS]", "[SEP]", "<S>", "</S>", "[UNK]", "<UNK>"))
_TYPED = re.compile(r"([BIMELSUW])[-_](.+)", re.IGNORECASE | re.DOTALL)
_NAMELESS = re.compile(r"LABEL_\d+")


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of one head, interpreted: scheme, types, and the transitions between tags.

    ``begins``, ``ends`` and ``inside`` describe a tag by itself: ``I-PER`` neither always opens a unit nor always
    closes one. A tag that does both is a complete unit (``S-PER``). In a bare set, no tag does either; neighbours
    with the same label are one unit.

    Attributes:
        labels: The labels by index in the head's output.
        scheme: One of ``SCHEMES``.
        task: What the labels mean: ``words`` (boundaries), ``words+pos``, ``entities``, or ``labels`` (one per word).
        types: Entity types or tags without their prefix, in order of first index; empty for untyped word boundaries.
        allowed: May the column's tag follow the row's? ``[labels + 1, labels + 1]``; the last row is the start of
            a text, the last column its end.
        begins: Does the tag always open a unit? ``[labels]``
        ends: Does the tag always close a unit? ``[labels]``
        inside: Does the tag belong to a unit? ``[labels]``
        outside: The opposite: ``O``, and labels for padding. ``[labels]``
        type_ids: Index into ``types``, ``-1`` outside; 0 for every tag of untyped word boundaries. ``[labels]``
        boundaries: Does a boundary lie between the row's tag and the column's after it? ``[labels, labels]``
        unit_edges: Does a unit begin or end there? Between two tags outside there is no edge. ``[labels, labels]``
    """

    labels: tuple[str, ...]
    scheme: str
    task: Task
    types: tuple[str, ...]
    allowed: BoolArray = field(compare=False, repr=False)
    begins: BoolArray = field(compare=False, repr=False)
    ends: BoolArray = field(compare=False, repr=False)
    inside: BoolArray = field(compare=False, repr=False)
    outside: BoolArray = field(compare=False, repr=False)
    type_ids: NDArray[np.int32] = field(compare=False, repr=False)
    boundaries: BoolArray = field(init=False, compare=False, repr=False)
    unit_edges: BoolArray = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        parted = (self.type_ids[:, None] != self.type_ids) | self.begins | self.ends[:, None]
        boundaries = parted | self.outside  # the type outside is no type, so it differs from any
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "unit_edges", boundaries & ~(self.outside[:, None] & self.outside))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def description(self) -> str:
        """A summary in one phrase: ``entities in BIOES, 3 types (LOC, ORG, PER)``."""
        what = {"words": "word boundaries", "words+pos": "words with tags", "labels": "one label a word"}
        said = what.get(self.task, self.task) + ("" if self.scheme == "bare" else f" in {self.scheme}")
        if not self.types:
            return said
        unit = "type" if self.task == "entities" else "label"
        return f"{said}, {len(self.types)} {unit}{'s' * (len(self.types) != 1)} ({_some(self.types)})"


def detect(labels: Sequence[str], *, scheme: str | None = None, where: str = "config.json") -> LabelSet:
    """Interpret a head's labels: their task, their scheme, and which tags may follow each other.

    Untyped ``B``/``I`` or BMES means word boundaries; typed with ``O``, entities; typed without ``O``, words with tags;
    anything else, one label per word, or entities if ``O`` is among them. When every type has both tags, BIO and IOB1
    look the same: BIO is assumed.

    Args:
        labels: Names by index in the head's output.
        scheme: Overrides the detected scheme; ``bare`` takes any names as one label per word.
        where: The file that the labels come from, for messages.

    Raises:
        LabelError: If the names have no meaning (``LABEL_0``), are not distinct, or do not fit the given scheme.
    """
    names = tuple(labels)
    _check_distinct(names, where)
    asked = None if scheme is None else _scheme_named(scheme)
    if asked == "bare":
        return _bare(names, task="labels")
    _check_named(names, where)
    tags = _untyped_tags(names) or _typed_tags(names)
    if tags is None:
        if asked is not None:
            raise LabelError(_misfit(names, asked, where=where))
        return _bare(names, task="entities" if "O" in map(str.upper, names) else "labels")
    found = asked or _scheme_of(tags, names)
    _check_fit(tags, names, found, where=where)
    return _label_set(names, tags, found)


class _Tag(NamedTuple):
    """A label split into role and type; the role is B, I, E, S, O, or P for a padding label."""

    role: str
    type: str | None

    @property
    def in_unit(self) -> bool:
        return self.role not in "OP"


def _untyped_tags(names: tuple[str, ...]) -> list[_Tag] | None:
    """The tags of a set without types (``B I``, ``B M E S``, ``B I O``), else ``None``."""
    tags = [_outside_tag(name) or _Tag(_ROLES.get(name.upper(), ""), None) for name in names]
    roles = {tag.role for tag in tags} - {"P"}
    if "" in roles or not (roles >= {"B", "I"} or roles >= {"B", "E", "S"} or roles == {"I", "O"}):
        return None
    if "O" not in roles:
        return tags
    return [_Tag(tag.role, UNTYPED_TYPE if tag.in_unit else None) for tag in tags]


def _typed_tags(names: tuple[str, ...]) -> list[_Tag] | None:
    """The tags of a set with types (``B-PER``, ``i_per``, ``O``), else ``None``."""
    tags = []
    for name in names:
        tag = _outside_tag(name) or (_Tag("P", None) if name == "X" else None)
        match = None if tag else _TYPED.fullmatch(name)
        if tag is None and match is None:
            return None
        tags.append(tag or _Tag(_ROLES[match[1].upper()], match[2]))  # type: ignore[index]
    return tags if any(tag.in_unit for tag in tags) else None


def _outside_tag(name: str) -> _Tag | None:
    if name.upper() in _PADDING:
        return _Tag("P", None)
    return _Tag("O", None) if name in ("O", "o") else None


def _scheme_of(tags: Sequence[_Tag], names: Sequence[str]) -> str:
    """The scheme that fits the tags; if several do, the most common one."""
    roles = {tag.role for tag in tags}
    if all(tag.type is None for tag in tags):
        return "BMES" if roles & {"E", "S"} else "BI"
    if "S" in roles or ("B" in roles and "E" in roles):
        letters = {name[0].upper() for name, tag in zip(names, tags, strict=True) if tag.in_unit}
        return "BILOU" if letters & {"L", "U"} and not letters & {"E", "S"} else "BIOES"
    having = {role: {tag.type for tag in tags if tag.role == role} for role in "BIE"}
    if "E" in roles:
        return "IOE1" if having["I"] - having["E"] else "IOE2"
    return "IOB1" if having["I"] - having["B"] else "BIO"


def _label_set(names: tuple[str, ...], tags: Sequence[_Tag], scheme: str) -> LabelSet:
    types = tuple(dict.fromkeys(tag.type for tag in tags if tag.type is not None))
    index = {None: 0} | {name: i for i, name in enumerate(types)}
    task: Task = "entities" if any(tag.role == "O" for tag in tags) else "words+pos" if types else "words"
    type_ids = np.array([index[tag.type] if tag.in_unit else -1 for tag in tags], np.int32)
    roles = np.array([tag.role for tag in tags])
    allowed = _transitions(roles, type_ids, scheme)
    if task != "entities":  # every piece is in a word, so padding is never a tag
        allowed[:, :-1] &= roles != "P"
    return _freeze(names, scheme, task, types, allowed=allowed, roles=roles, type_ids=type_ids)


def _bare(names: tuple[str, ...], *, task: Task) -> LabelSet:
    """A set of plain labels: anything may follow anything."""
    out = np.array([name in ("O", "o", "_") or name.upper() in _PADDING for name in names])
    types = tuple(name for name, outside in zip(names, out.tolist(), strict=True) if not outside)
    type_ids = np.where(out, -1, np.cumsum(~out) - 1).astype(np.int32)
    allowed = np.ones((len(names) + 1, len(names) + 1), bool)
    return _freeze(names, "bare", task, types, allowed=allowed, roles=np.where(out, "O", "I"), type_ids=type_ids)


def _freeze(
    names: tuple[str, ...],
    scheme: str,
    task: Task,
    types: tuple[str, ...],
    *,
    allowed: BoolArray,
    roles: NDArray[np.str_],
    type_ids: NDArray[np.int32],
) -> LabelSet:
    outside = np.isin(roles, ("O", "P"))
    begins, ends = np.isin(roles, ("B", "S")), np.isin(roles, ("E", "S"))
    arrays = (allowed, begins, ends, ~outside, outside, type_ids)
    for array in arrays:
        array.flags.writeable = False
    return LabelSet(names, scheme, task, types, *arrays)


def _transitions(roles: NDArray[np.str_], type_ids: NDArray[np.int32], scheme: str) -> BoolArray:
    """May the column's tag follow the row's? ``[labels + 1, labels + 1]``, the last index is outside the text."""
    roles, types = np.append(roles, "O"), np.append(type_ids, -1)
    same: BoolArray = (types[:, None] == types) & (types >= 0)
    having = {role: np.isin(types, types[roles == role]) & (types >= 0) for role in "BIES"}
    anything = np.ones_like(same)
    if scheme == "IOB1":  # B- only separates a unit from one of its own type
        return np.where((roles == "B") & having["I"], same, anything)
    if scheme == "IOE1":
        return np.where(((roles == "E") & having["I"])[:, None], same, anything)
    if scheme == "IOE2":
        return np.where(((roles == "I") & having["E"])[:, None], same, anything)
    can_go_on = np.isin(roles, ("B", "I"))
    goes_on = np.isin(roles, ("I", "E")) & having["B"]
    must_go_on = ((roles == "B") & having["S"]) | ((roles == "I") & having["E"])
    return np.where(goes_on, same & can_go_on[:, None], anything & ~must_go_on[:, None])


def _check_distinct(names: tuple[str, ...], where: str) -> None:
    if not names:
        raise LabelError(f"{where}: no labels; a head needs one name for each output. Pass them with --labels")
    if len(names) > MOST_TAGS:
        raise LabelError(f"{where}: {len(names):,} labels for a tag of each piece; expected at most {MOST_TAGS:,}")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise LabelError(
            f"{where}: label {_some(twice)} appears more than once among {len(names)} labels; expected distinct names. "
            "Pass them in the order of the outputs with --labels"
        )


def _check_named(names: tuple[str, ...], where: str) -> None:
    if any(_NAMELESS.fullmatch(name) for name in names):
        raise LabelError(
            f"{where}: the labels are {_some(names)}, which have no meaning; expected names such as B-PER, or B and I. "
            "Pass them in this order with --labels, or --scheme bare to take each as one label a word"
        )


def _scheme_named(scheme: str) -> str:
    by_name = {name.upper(): name for name in SCHEMES} | _ALIASES
    if scheme.upper() not in by_name:
        raise LabelError(f"--scheme: {scheme!r} is not a scheme; expected one of {', '.join((*SCHEMES, *_ALIASES))}")
    return by_name[scheme.upper()]


def _check_fit(tags: Sequence[_Tag], names: tuple[str, ...], scheme: str, *, where: str) -> None:
    untyped = all(tag.type is None for tag in tags)
    roles = "OP" + _ROLES_OF_SCHEME[scheme]
    strays = [name for name, tag in zip(names, tags, strict=True) if tag.role not in roles]
    if strays or untyped != (scheme in _WORD_SCHEMES):
        raise LabelError(_misfit(strays or names, scheme, where=where))


def _misfit(names: Sequence[str], scheme: str, *, where: str) -> str:
    letters = {"BMES": "BMES", "BILOU": "BILU"}.get(scheme, _ROLES_OF_SCHEME[scheme])
    expected = " ".join(letters) if scheme in _WORD_SCHEMES else "O " + " ".join(f"{letter}-X" for letter in letters)
    return (
        f"{where}: {_some(names)} does not fit scheme {scheme}; expected labels such as {expected}. "
        "Leave --scheme out to see what is detected, or pass --labels in the order of the outputs"
    )


def _some(names: Iterable[str], *, limit: int = 4) -> str:
    names = list(names)
    return ", ".join(names[:limit]) + (f", ... {len(names) - limit} more" if len(names) > limit else "")
