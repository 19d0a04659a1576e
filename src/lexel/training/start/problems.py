"""Problems of the data and the heads: raised one by one in training, collected in a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lexel.errors import DataError, LabelError, OptionError


class Problems:
    """Collects problems, or raises the first one.

    Args:
        collects: Whether to continue after a problem.

    Attributes:
        found: The messages so far.
    """

    def __init__(self, *, collects: bool = False) -> None:
        self._collects = collects
        self.found: list[str] = []

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Run a block; its DataError, LabelError or OptionError is collected or raised."""
        try:
            yield
        except (DataError, LabelError, OptionError) as error:
            if not self._collects:
                raise
            self.found.append(str(error))

    def stop(self) -> None:
        """Raise all collected problems, if there are any.

        Raises:
            DataError: With all messages.
        """
        if self.found:
            raise DataError("; ".join(self.found))
