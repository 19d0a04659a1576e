"""Results that were kept as JSON, read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine
from benchmarks.measure import Series
from benchmarks.report import RESULTS, Bar, Part, Row


class RecordError(ValueError):
    """A file that is not what a full run keeps."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What figures may be compared on: a processor, its features that count, and how many threads everyone had."""

    processor: str
    flags: tuple[str, ...]
    cores: int

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} core{'s' * (self.cores > 1)} ({' '.join(self.flags)})"


@dataclass(frozen=True, slots=True)
class Record:
    """What one run found.

    Attributes:
        path: Its file.
        date: When it ended, as ISO 8601.
        machine: What it ran on.
        settings: The arguments and sizes of the run.
        seconds: How long it took.
        parts: Its parts, by the names that the command line has for them.
    """

    path: Path
    date: str
    machine: Machine
    settings: Mapping[str, Any]
    seconds: float
    parts: Mapping[str, Part]

    @property
    def kind(self) -> Kind:
        """What its figures may be compared on."""
        return kind_of(self.machine, threads=self.settings["threads"])

    @property
    def is_quick(self) -> bool:
        """Whether it ran in small, so that its figures say nothing."""
        return bool(self.settings["quick"])


def kind_of(machine: Machine, *, threads: int) -> Kind:
    """The kind of a machine on which everyone had so many threads."""
    return Kind(machine.processor, tuple(machine.flags), threads)


def read_record(path: Path) -> Record:
    """Read what ``save_report`` wrote.

    Raises:
        RecordError: If it is something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        settings = values["settings"]
        parts = dict(zip(settings["parts"], map(_part, values["parts"]), strict=True))
        machine = Machine(**values["machine"] | {"flags": tuple(values["machine"]["flags"])})
        record = Record(path, values["date"], machine, settings, values["seconds"], parts)
        _ = record.kind, record.is_quick
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{path}: {type(error).__name__}: {error}; expected what `python -m benchmarks --save` keeps. "
            "Give a file of benchmarks/results/ that it made"
        ) from error
    return record


def newest_full(parts: Iterable[str]) -> Record:
    """The newest kept result that has all these parts, in full size.

    Raises:
        RecordError: If there is none.
    """
    wanted = list(parts)
    for path in sorted(RESULTS.glob("*.json"), reverse=True):
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
        of_parts = settings.get("parts", ())  # a GPU's results have none
        if of_parts and not settings["quick"] and set(wanted) <= set(of_parts):
            return read_record(path)
    raise RecordError(
        f"{RESULTS}: no full result with all of {', '.join(wanted)}; make one with `python -m benchmarks --save`"
    )


def _part(values: Mapping[str, Any]) -> Part:
    rows = [Row(**row | {"series": Series(tuple(row["series"]["values"]))}) for row in values["rows"]]
    bars = [Bar(**{name: value for name, value in bar.items() if name != "is_met"}) for bar in values["bars"]]
    return Part(values["name"], rows, bars, values["notes"])
