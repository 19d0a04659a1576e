"""``rewrite``: adds training data with your own command, such as back-translation or a paraphraser."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from lexel.corpora.steps.base import Apply, Machine, Shard, Step
from lexel.corpora.steps.copies import copies_of
from lexel.data.records import Record
from lexel.document import Document
from lexel.errors import DataError, OptionError


@dataclass(frozen=True)
class Rewrite(Step):
    """Add the texts that a command returns, one line for each input line. Rewritten texts have no words and entities.

    The command is called once for each shard, without a shell. A text with line feeds or lone surrogates is not
    rewritten.

    Attributes:
        command: The command with its arguments.
        original: Whether to keep the record itself.
        timeout_s: Time limit for a shard, in seconds.
    """

    name = "rewrite"

    command: str
    original: bool = True
    timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            said = str(error)
        else:
            said = "" if words else "it is empty"
        if said:
            raise OptionError(f"command: {self.command!r} cannot be split into words ({said}); expected a command")

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            asked = [record for record in records if record.text.strip() and _is_line(record.text)]
            answers = {id(one): text for one, text in zip(asked, self._answers(asked), strict=True)}

            def change(record: Record) -> list[Document | None]:
                text = answers.get(id(record), record.text)
                return [None if text == record.text or not text.strip() else Document(text)]

            return copies_of(records, change, original=self.original)

        return apply

    def _answers(self, records: Sequence[Record]) -> list[str]:
        if not records:
            return []
        ran = self._run("".join(f"{record.text}\n" for record in records))
        lines = ran.stdout.split(b"\n")
        if ran.returncode or lines[-1] or len(lines) - 1 != len(records):
            said = ran.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise DataError(
                f"{self.command}: exit status {ran.returncode}, {len(lines) - 1} lines for {len(records)} texts; "
                f"expected a line for each. {said[0]}".rstrip()
            )
        return [self._decoded(line, number) for number, line in enumerate(lines[:-1], 1)]

    def _run(self, lines: str) -> subprocess.CompletedProcess[bytes]:
        command = shlex.split(self.command)
        try:
            return subprocess.run(
                command, input=lines.encode(), capture_output=True, check=False, timeout=self.timeout_s
            )
        except subprocess.TimeoutExpired as error:
            found, advice = f"took longer than {self.timeout_s:g} s", ". Set timeout_s to allow more time"
            cause: Exception = error
        except OSError as error:
            found = "no such command" if isinstance(error, FileNotFoundError) else f"cannot be run ({error.strerror})"
            advice, cause = "", error
        raise DataError(f"{self.command}: {found}; expected a command that reads and writes lines{advice}") from cause

    def _decoded(self, line: bytes, number: int) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError as error:
            found = f"line {number} of its output has byte 0x{line[error.start]:02x}"
            raise DataError(f"{self.command}: {found}; expected UTF-8") from error


def _is_line(text: str) -> bool:
    return "\n" not in text and not any("\ud800" <= char <= "\udfff" for char in text)
