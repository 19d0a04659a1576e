"""Checks the output of a job for leaks: identifiers and names that should have been redacted.

Identifiers are found by the same patterns as in ``redact``. Names are found by their keyed marks in the audit files: a
name that was redacted in one record may remain in another, where no model found it. Reports have places, never texts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lexel.corpora.recipe import read_steps
from lexel.corpora.redaction.keys import Key, read_key
from lexel.corpora.redaction.patterns import Patterns
from lexel.corpora.status import planned, whole_records
from lexel.corpora.steps.redact import Redact
from lexel.corpora.store import AUDIT, DATA, Store, open_store
from lexel.errors import DataError

LEAST_CHARS = 3
"""Minimum length of names: shorter ones are often also words, and would be found everywhere."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Something in the output that should not be there.

    Attributes:
        file: The file.
        row: Its row, from 1.
        field: The field; a field inside another one as ``a.b``.
        start: First character.
        end: One past the last.
        kind: Its label or kind of identifier.
        by: ``pattern``, or ``name`` if it was redacted elsewhere.
    """

    file: str
    row: int
    field: str
    start: int
    end: int
    kind: str
    by: str

    def __str__(self) -> str:
        what = "redacted elsewhere" if self.by == "name" else "has its form"
        return f"{self.file}:{self.row}: {self.field}[{self.start}:{self.end}]: {self.kind}, {what}"


@dataclass
class _Marks:
    """The marks of all names that were redacted in a job, by length."""

    key: Key
    kinds: dict[int, dict[bytes, str]] = field(default_factory=dict)

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        for size, known in self.kinds.items():
            for start in range(len(text) - size + 1):
                kind = known.get(self.key.mark(text[start : start + size]))
                if kind is not None:
                    yield start, start + size, kind


def find_leaks(folder: str, *, key_file: str | None = None, least_chars: int = LEAST_CHARS) -> Iterator[Leak]:
    """Read the output of a job again, and return the leaks.

    Args:
        folder: The folder of a job with a ``redact`` step.
        key_file: The key, for finding names; by default the key of the step, or ``LEXEL_REDACT_KEY``.
        least_chars: Minimum length of names to search for.

    Raises:
        DataError: If the job redacts nothing.
    """
    plan, store = planned(folder), open_store(folder)
    given = [{step["step"]: step["options"]} for step in plan.steps if step["step"] == Redact.name]
    if not given:
        raise DataError(f"{folder}: no step redacts; expected a job with redact among its steps")
    steps = [step for step in read_steps(given, where=folder) if isinstance(step, Redact)]
    kinds = {kind for step in steps for kind in step.patterns}
    regions = dict.fromkeys(region for step in steps for region in step.regions)
    patterns = Patterns(kinds, regions=tuple(regions))
    key = read_key(key_file or next((step.key_file for step in steps if step.key_file), None))
    marks = None if key is None else _marks_of(store, key, least_chars)
    for record in whole_records(store, plan):
        files = {file["name"].partition("/")[0]: file["name"] for file in record["files"]}
        new = {noted["replacement"] for noted in _rows(store, files.get(AUDIT))}
        for row, values in enumerate(_rows(store, files[DATA]), 1):
            for where, text in _texts(values, ""):
                for found in patterns.find(text):
                    if not any(text[found.start : found.end] in one for one in new):
                        yield Leak(files[DATA], row, where, found.start, found.end, found.kind, "pattern")
                for start, end, kind in () if marks is None else marks.find(text):
                    yield Leak(files[DATA], row, where, start, end, kind, "name")


def count_leaks(leaks: list[Leak]) -> dict[str, int]:
    """The number of leaks of each kind."""
    return dict(Counter(leak.kind for leak in leaks).most_common())


def _marks_of(store: Store, key: Key, least_chars: int) -> _Marks:
    marks = _Marks(key)
    for name in store.sizes(AUDIT):
        for noted in _rows(store, name):
            if "mark" in noted and noted["chars"] >= least_chars:
                marks.kinds.setdefault(noted["chars"], {})[bytes.fromhex(noted["mark"])] = noted["kind"]
    return marks


def _rows(store: Store, name: str | None) -> Iterator[dict[str, Any]]:
    if name is not None:
        yield from map(json.loads, store.read(name).splitlines())


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """Every string in a record, with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, where)
