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
from lexel.errors import DataError


@dataclass(frozen=True)
class Rewrite(Step):
    """Add the texts that a command returns, one line for each input line. Rewritten texts have no words and entities.

    The command is called once for each shard, without a shell. A text with line feeds is not rewritten.

    Attributes:
        command: The command with its arguments.
        original: Whether to keep the record itself.
        timeout_s: Time limit for a shard, in seconds.
    """

    name = "rewrite"

    command: str
    original: bool = True
    timeout_s: float = 3600.0

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""

        def apply(records: list[Record], shard: Shard) -> list[Record]:
            asked = [record for record in records if record.text.strip() and "\n" not in record.text]
            answers = {id(one): text for one, text in zip(asked, self._answers(asked), strict=True)}

            def change(record: Record) -> list[Document | None]:
                text = answers.get(id(record), record.text)
                return [None if text == record.text or not text.strip() else Document(text)]

            return copies_of(records, change, original=self.original)

        return apply

    def _answers(self, records: Sequence[Record]) -> list[str]:
        if not records:
            return []
        lines = "".join(f"{record.text}\n" for record in records)
        try:
            ran = subprocess.run(
                shlex.split(self.command),
                input=lines.encode(),
                capture_output=True,
                check=False,
                timeout=self.timeout_s,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DataError(f"{self.command}: {error}; expected a command that reads lines and writes lines") from error
        answers = ran.stdout.decode(errors="replace").split("\n")
        if ran.returncode or answers[-1] or len(answers) - 1 != len(records):
            said = ran.stderr.decode(errors="replace").strip().splitlines()[-1:] or [""]
            raise DataError(
                f"{self.command}: exit status {ran.returncode}, {len(answers) - 1} lines for {len(records)} texts; "
                f"expected a line for each. {said[0]}".rstrip()
            )
        return answers[:-1]
