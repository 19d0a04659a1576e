"""The labels that a program expects from a model, and the error if a model has others.

    expects=["PER", "LOC", "ORG"]
    expects="labels.json"      {"labels": ["PER", "LOC", "ORG"], "map": {"PERSON": "PER", "GPE": "LOC"}}

Labels are those in results: entity types and tags without ``B-`` and ``I-``. A map renames the model's labels; it can
merge two into one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lexel.errors import LabelError, OptionError
from lexel.jsonfile import read_object
from lexel.labels import detect

Expects = str | os.PathLike[str] | Sequence[str]
"""Labels, labels in one string separated by commas, or the path of a mapping file."""

ENDING = ".json"
_MOST_SHOWN = 12


class LabelledHead(Protocol):
    """The parts of a head that a contract needs."""

    @property
    def name(self) -> str: ...

    @property
    def task(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def scheme(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Contract:
    """The labels that a program expects.

    Attributes:
        labels: All of them.
        renames: The program's names for labels of the model, if they differ.
        where: The source of the contract, for messages.
    """

    labels: frozenset[str]
    renames: Mapping[str, str] = field(default_factory=dict)
    where: str = "your program"

    def check(self, heads: Sequence[LabelledHead], *, model: str) -> None:
        """Check that a model has exactly these labels.

        Raises:
            LabelError: If it lacks some, or has others; the message shows both sets.
        """
        head = judged_head(heads)
        if head is None:
            raise LabelError(f"{model}: has no labels; {self.where} expects {_some(self.labels)}. Choose another model")
        own = labels_of_head(head)
        unknown = sorted(self.renames.keys() - set(own))
        given = {self.renames.get(label, label) for label in own}
        if unknown or given != self.labels:
            said = [
                f"without {_some(missing)}" if (missing := self.labels - given) else "",
                f"beyond them {_some(more)}" if (more := given - self.labels) else "",
                f"the map names {_some(unknown)}, which it does not have" if unknown else "",
            ]
            raise LabelError(
                f"{model}: head {head.name} gives {_some(own)}; {self.where} expects {_some(self.labels)}: "
                f"{', '.join(part for part in said if part)}. Map them in a file "
                '({"labels": [...], "map": {"PERSON": "PER"}}), or choose another model'
            )


def read_contract(expects: Expects) -> Contract:
    """Read the argument of a caller or an option.

    Raises:
        OptionError: If it names no label, or is not a valid mapping file.
    """
    if isinstance(expects, os.PathLike) or (isinstance(expects, str) and expects.endswith(ENDING)):
        return _read_file(Path(expects))
    names = expects.split(",") if isinstance(expects, str) else list(expects)
    labels = [name.strip() if isinstance(name, str) else "" for name in names]
    if not all(labels) or not labels:
        raise OptionError(f"expects: {expects!r}; expected labels such as PER,LOC,ORG, or a mapping file (.json)")
    return Contract(frozenset(labels))


def _read_file(path: Path) -> Contract:
    values = read_object(path)
    labels, renames = values.get("labels"), values.get("map", {})
    if set(values) - {"labels", "map"} or not isinstance(labels, list) or not labels or not isinstance(renames, dict):
        raise OptionError(
            f'{path}: expected {{"labels": ["PER", ...], "map": {{"PERSON": "PER", ...}}}}, and nothing else'
        )
    if not all(isinstance(name, str) and name for name in (*labels, *renames.values())):
        raise OptionError(f"{path}: a label is not a string; expected names")
    return Contract(frozenset(labels), renames, str(path))


def judged_head(heads: Sequence[LabelledHead]) -> LabelledHead | None:
    """The head that a contract applies to: entities before classes before tags."""
    order = ("entities", "spans", "classify", "words+pos", "pos", "labels")
    found = [head for task in order for head in heads if head.task == task]
    return found[0] if found else None


def labels_of_head(head: LabelledHead) -> tuple[str, ...]:
    """The labels in a head's results, in order."""
    if head.task in ("classify", "spans"):
        return head.labels
    return detect(head.labels, scheme=head.scheme, where=f"head {head.name}").types if head.labels else ()


def _some(labels: Iterable[str]) -> str:
    names = sorted(labels)
    more = f" ... {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    return ", ".join(names[:_MOST_SHOWN]) + more
