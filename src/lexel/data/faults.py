"""Records that cannot be read: the first one is an error, or all of them are skipped and counted.

    faults = Faults("skip")
    documents = list(read_jsonl("dump.jsonl", faults=faults))
    print(faults.count, faults.first)

What is wrong with a whole file (a byte that is not UTF-8, a missing column) is an error in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, get_args

from lexel.errors import DataError, OptionError
from lexel.names import OnError

ON_ERROR: tuple[OnError, ...] = get_args(OnError)

T = TypeVar("T")


class Faults:
    """Decides what happens at a record that cannot be read; hand one to a reader, and look at it afterwards.

    Attributes:
        on_error: ``stop`` at the first such record, ``skip`` all of them, or ``repair`` those that can be repaired.
        count: How many records were skipped.
        first: What was wrong with the first of them.
        n_repaired: How many records were repaired.
    """

    def __init__(self, on_error: OnError = "stop") -> None:
        """Start with nothing skipped.

        Raises:
            OptionError: If there is no such rule.
        """
        if on_error not in ON_ERROR:
            raise OptionError(f"on_error is {on_error!r}; expected one of {', '.join(ON_ERROR)}")
        self.on_error = on_error
        self.count = 0
        self.first: str | None = None
        self.n_repaired = 0

    @property
    def repairs(self) -> bool:
        """Whether a record with an obvious reading is repaired."""
        return self.on_error == "repair"

    def take(self, error: DataError) -> None:
        """Count a record that cannot be read.

        Raises:
            DataError: The error itself, if reading stops at it.
        """
        if self.on_error == "stop":
            raise error
        self.count += 1
        if self.first is None:
            self.first = str(error)

    def attempt(self, read: Callable[[], T]) -> T | None:
        """What a function reads; ``None`` if it raises DataError and the record is skipped."""
        try:
            return read()
        except DataError as error:
            self.take(error)
            return None

    def lines(self) -> list[str]:
        """What was skipped and repaired, for people."""
        said = []
        if self.n_repaired:
            said.append(f"{self.n_repaired:,} record{'s' * (self.n_repaired != 1)} repaired (--on-error repair)")
        if self.count:
            how = f"--on-error {self.on_error}"
            said.append(f"{self.count:,} record{'s' * (self.count != 1)} skipped ({how}); the first: {self.first}")
        return said
