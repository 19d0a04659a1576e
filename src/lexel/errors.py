"""The errors Lexel raises, as a tree by what the caller can do.

    LexelError
    ├── CheckpointError      a model folder or hub id cannot be used: choose or repair the checkpoint
    │   ├── WeightError      a tensor is missing, unused, misshapen or unreadable
    │   └── PolicyError      the policy or the lock refuses the model: choose another, or write an exception
    ├── DataError            a line of input cannot be read, or a document cannot be written: always ``path:line``
    ├── OptionError          options that are out of range or do not go together: change them (also a ValueError)
    ├── LabelError           labels, schemes and heads do not fit together: pass or map labels
    ├── EngineError          this machine cannot run the request: choose another engine or precision
    ├── MissingExtra         an optional library is not installed (also an ImportError)
    └── Overloaded           no room at present: try again later

Every message has the form *where: what was found; what was expected; what to do*. It is one line of at most
``LONGEST_MESSAGE`` characters, and what it quotes from files cannot reach a terminal as a control character.
"""

from __future__ import annotations

from typing import Self

LONGEST_MESSAGE = 500
_END = 200
"""Number of characters kept at the end of a message that is too long: they say what to do."""


def one_line(text: str) -> str:
    """A text as one printable line of at most ``LONGEST_MESSAGE`` characters; ``...`` marks what was cut out."""
    if len(text) > LONGEST_MESSAGE:
        text = f"{text[: LONGEST_MESSAGE - _END]} ... {text[-_END:]}"
    line = " ".join(text.split()) if any(sign in text for sign in "\r\n\t") else text
    if not line.isprintable():
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= LONGEST_MESSAGE else f"{line[: LONGEST_MESSAGE - _END - 5]} ... {line[-_END:]}"


class LexelError(Exception):
    """Any error that Lexel raises on purpose."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class CheckpointError(LexelError):
    """A model folder or hub id that cannot be used."""


class WeightError(CheckpointError):
    """A tensor that is missing, unused, misshapen or unreadable."""


class PolicyError(CheckpointError):
    """A model that the project's policy or lock file refuses, or a policy or lock file that cannot be read."""


class DataError(LexelError):
    """Input that cannot be read or a document that a format cannot hold; the message begins with ``path:line``.

    Attributes:
        file: Name of the file with the record that cannot be read, if it is known.
        number: The record's line, row or number there, from 1.
        record: The record itself.
    """

    file: str | None = None
    number: int | None = None
    record: str | None = None

    def at(self, file: str, number: int, record: str | None) -> Self:
        """The same error, with the place of the record added."""
        self.file, self.number, self.record = file, number, record
        return self


class OptionError(LexelError, ValueError):
    """Options that are out of their range, unknown, or do not go together."""


class LabelError(LexelError):
    """Labels, schemes and heads that do not fit together."""


class EngineError(LexelError):
    """An engine, device or precision that this machine cannot run."""


class MissingExtra(LexelError, ImportError):  # noqa: N818 (the missing thing names it)
    """An optional library that is not installed; the message holds the line that installs it."""


class Overloaded(LexelError):  # noqa: N818
    """No room for more work at present."""
