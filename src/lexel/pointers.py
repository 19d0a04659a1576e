"""The forms of a head that scores spans: for each label, every pair of a first and a last piece.

A span's score is the product of a query of its first piece and a key of its last, divided by the root of their size
(GlobalPointer: Su 2022, https://arxiv.org/abs/2208.03054). With rotary positions the score depends on the distance of
the two pieces. In the efficient form all labels share queries and keys, and each label adds a bias of its own for the
first and for the last piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from lexel.errors import CheckpointError, LabelError

PointerKind = Literal["global-pointer", "efficient-global-pointer"]
Layout = Literal["halves", "pairs"]

DEFAULT_SIZE = 64
LARGEST_SIZE = 4096


@dataclass(frozen=True, slots=True)
class PointerForm:
    """How a head for spans is built.

    Attributes:
        kind: ``global-pointer``, or ``efficient-global-pointer`` with shared queries and keys.
        size: Numbers of a query and of a key.
        rotary: Whether they are turned by their positions.
        layout: How the efficient form stores queries and keys: as two halves with the bias of a label's first piece
            before that of its last (bert4torch), or in turns with the biases the other way round (Su).
    """

    kind: PointerKind = "global-pointer"
    size: int = DEFAULT_SIZE
    rotary: bool = True
    layout: Layout = "halves"

    def width(self, n_labels: int) -> int:
        """Number of outputs of the head for a piece.

        The full form gives ``[labels, query and key, size]``. The efficient form gives a query, a key, and for each
        label the biases of a first piece, then for each label those of a last piece.
        """
        return 2 * self.size * n_labels if self.kind == "global-pointer" else 2 * self.size + 2 * n_labels

    @property
    def record(self) -> dict[str, Any]:
        """The entry of ``lexel.json`` for it."""
        values = asdict(self)
        if self.kind == "global-pointer":
            del values["layout"]
        return values


def check_span_labels(labels: Sequence[str], where: str) -> None:
    """Check that every label names a kind of span.

    Raises:
        LabelError: If there are none, one appears twice, or one means "outside".
    """
    from lexel.labels import detect  # needs numpy, which options must not import

    found = detect(labels, scheme="bare", where=where)
    if outside := [label for label in labels if label not in found.types]:
        raise LabelError(f"{where}: {outside[0]!r} is not a span label; expected labels such as PER")


def read_pointer(entry: Any, where: str) -> PointerForm:
    """The form that an entry of ``lexel.json`` describes; missing keys have the default.

    Raises:
        CheckpointError: If it is not such an entry.
    """
    if entry is None:
        return PointerForm()
    known = tuple(asdict(PointerForm()))
    if not isinstance(entry, Mapping) or not entry.keys() <= set(known):
        raise CheckpointError(f"{where} is {entry!r:.80}; expected an object of {', '.join(known)}")
    form = PointerForm(**entry)
    for name, value, choices in (("kind", form.kind, get_args(PointerKind)), ("layout", form.layout, get_args(Layout))):
        if value not in choices:
            raise CheckpointError(f"{where}: {name} is {value!r}; expected one of {', '.join(choices)}")
    if type(form.size) is not int or not 1 <= form.size <= LARGEST_SIZE:
        raise CheckpointError(f"{where}: size is {form.size!r}; expected a number from 1 to {LARGEST_SIZE:,}")
    if not isinstance(form.rotary, bool):
        raise CheckpointError(f"{where}: rotary is {form.rotary!r}; expected true or false")
    if form.rotary and form.size % 2:
        raise CheckpointError(f"{where}: size is {form.size} with rotary positions; expected an even number")
    return form
