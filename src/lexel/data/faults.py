"""Handles records that cannot be read: stops at the first one, or skips and counts all of them.

    faults = Faults("skip")
    documents = list(read_jsonl("dump.jsonl", faults=faults))
    print(faults.count, faults.first)

A problem of the whole file (a byte that is not UTF-8, a missing column) is always an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args

from lexel.errors import DataError, OptionError
from lexel.names import OnErrorOrFile

ON_ERROR: tuple[OnErrorOrFile, ...] = get_args(OnErrorOrFile)

T = TypeVar("T")


class Faults:
    """Decides how to handle a record that cannot be read. Pass one to a reader, then read the counts.

    Attributes:
        on_error: ``stop`` at the first such record, ``skip`` all of them, ``repair`` those that can be repaired, or
            pass all of them to ``aside`` (``file``).
        count: How many records were skipped.
        first: The error of the first of them.
        n_repaired: How many records were repaired.
        n_blank: How many blank lines were skipped, in formats where they are not records.
    """

    def __init__(
        self, on_error: OnErrorOrFile = "stop", *, aside: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        """Start with zero counts.

        Args:
            on_error: The rule.
            aside: Receives each bad record with its place and its error, with the rule ``file``.

        Raises:
            OptionError: If the rule is unknown, or the rule is ``file`` and ``aside`` is missing.
        """
        if on_error not in ON_ERROR:
            raise OptionError(f"on_error is {on_error!r}; expected one of {', '.join(ON_ERROR)}")
        if on_error == "file" and aside is None:
            raise OptionError("on_error is 'file'; no file is written here; expected stop, skip or repair")
        self.on_error = on_error
        self._aside = aside
        self.count: int = 0
        self.first: str | None = None
        self.n_repaired = 0
        self.n_blank = 0

    @property
    def repairs(self) -> bool:
        """Whether to repair a record whose intended reading is obvious."""
        return self.on_error == "repair"

    def take(self, error: DataError) -> None:
        """Count a record that cannot be read.

        Raises:
            DataError: The error itself, if the rule is to stop.
        """
        if self.on_error == "stop":
            raise error
        self.count += 1
        if self.first is None:
            self.first = str(error)
        if self._aside is not None:
            self._aside({"file": error.file, "number": error.number, "reason": str(error), "record": error.record})

    def attempt(self, read: Callable[[], T]) -> T | None:
        """The result of a function; ``None`` if it raises DataError and the record is skipped."""
        try:
            return read()
        except DataError as error:
            self.take(error)
            return None

    def lines(self) -> list[str]:
        """Describes what was skipped and repaired, for display."""
        said = []
        if self.n_repaired:
            said.append(f"{self.n_repaired:,} record{'s' * (self.n_repaired != 1)} repaired (--on-error repair)")
        if self.count:
            how = f"--on-error {self.on_error}"
            said.append(f"{self.count:,} record{'s' * (self.count != 1)} skipped ({how}); the first: {self.first}")
        return said
