"""``python -m benchmarks.floor [RESULT.json ...]``: the floor that no full run may fall below, kept in ``floor.json``.

A floor is for the figure of a bar, on one kind of processor: the median of the results that are given, less a margin.
Only ratios to a peer of the same run, and shares, have one; absolute rates move with the machine's other work. A floor
only ever rises, unless it is told to be lowered.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import Kind, Record, RecordError, newest_full, read_record
from benchmarks.report import Bar, Part, shown

FILE = Path(__file__).with_name("floor.json")
MARGIN = 0.07
RELATIVE = ("x", " %")
"""The units of figures that have a floor."""


class FloorError(ValueError):
    """A floor file that cannot be used."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What a figure may not fall below; or, with ``at_most``, not rise above."""

    value: float
    at_most: bool = False

    def holds(self, measured: float) -> bool:
        """Whether a figure is on the right side."""
        return measured <= self.value if self.at_most else measured >= self.value

    def is_harder_than(self, other: Floor) -> bool:
        """Whether less would pass here than there."""
        return other.holds(self.value) and self.value != other.value


Floors = dict[str, Floor]
"""By figure."""


@dataclass(frozen=True, slots=True)
class FloorFile:
    """All floors.

    Attributes:
        margin: How far a floor lies from what was measured, as a share of it.
        kinds: The floors of each kind of processor.
    """

    margin: float
    kinds: Mapping[Kind, Floors]


def main() -> None:
    """Set floors from results, and say which moved."""
    options = _arguments().parse_args()
    try:
        records = [read_record(path) for path in options.results] or [newest_full(())]
        before = read_floors(options.file) if options.file.exists() else FloorFile(MARGIN, {})
        after = raised(before, records, is_lowering=options.lower, margin=options.margin)
    except (FloorError, RecordError) as error:
        sys.exit(str(error))
    write_floors(options.file, after)
    for line in _moved(before, after):
        print(line)
    print(options.file)


def fallen(parts: Iterable[Part], floors: Floors) -> list[str]:
    """One line for each figure that is on the wrong side of its floor."""
    return [
        f"{bar.figure}: {shown(bar.value)}{bar.unit}, {'above' if floor.at_most else 'below'} the floor of "
        f"{shown(floor.value)}{bar.unit}"
        for bar in _relative(parts)
        if bar.value is not None and (floor := floors.get(bar.figure)) and not floor.holds(bar.value)
    ]


def raised(
    file: FloorFile, records: Sequence[Record], *, is_lowering: bool = False, margin: float | None = None
) -> FloorFile:
    """Floors from results: those that are harder than before, or with ``is_lowering`` all.

    Raises:
        FloorError: If a result is of a quick run.
    """
    margin = file.margin if margin is None else margin
    kinds = {kind: dict(floors) for kind, floors in file.kinds.items()}
    by_kind: dict[Kind, list[Record]] = defaultdict(list)
    for record in records:
        if record.is_quick:
            raise FloorError(f"{record.path}: a quick run, which says nothing; expected a full one")
        by_kind[record.kind].append(record)
    for kind, some in by_kind.items():
        floors = kinds.setdefault(kind, {})
        for figure, floor in _measured(some, margin).items():
            if is_lowering or figure not in floors or floor.is_harder_than(floors[figure]):
                floors[figure] = floor
    return FloorFile(margin, kinds)


def _measured(records: Iterable[Record], margin: float) -> Floors:
    """The floors that these results alone would give."""
    bars: dict[str, list[Bar]] = defaultdict(list)
    for record in records:
        for bar in _relative(record.parts.values()):
            bars[bar.figure].append(bar)
    found = {}
    for figure, same in bars.items():
        values = [bar.value for bar in same if bar.value is not None]
        if values:
            at_most = same[-1].at_most
            by = 1 + margin if at_most else 1 - margin
            found[figure] = Floor(float(f"{statistics.median(values) * by:.4g}"), at_most)
    return found


def _relative(parts: Iterable[Part]) -> Iterator[Bar]:
    return (bar for part in parts for bar in part.bars if bar.unit in RELATIVE)


def _moved(before: FloorFile, after: FloorFile) -> Iterator[str]:
    for kind, floors in after.kinds.items():
        for figure, floor in floors.items():
            old = before.kinds.get(kind, {}).get(figure)
            if old != floor:
                yield f"{figure}: {'none' if old is None else shown(old.value)} -> {shown(floor.value)}"


# The file ------------------------------------------------------------------------------------------------------------


def read_floors(path: Path = FILE) -> FloorFile:
    """Read the floors.

    Raises:
        FloorError: If the file is damaged.
    """
    where = ""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        margin = _number(values["margin"], below=1)
        kinds: dict[Kind, Floors] = {}
        for i, one in enumerate(values["kinds"]):
            where = f"kinds[{i}]: "
            kind = Kind(one["processor"], tuple(one["flags"]), one["cores"])
            kinds[kind] = {}
            for figure, floor in one["floors"].items():
                where = f"kinds[{i}], {figure!r}: "
                kinds[kind][figure] = Floor(_number(floor["value"]), bool(floor["at_most"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FloorError(
            f"{path}: {where}{type(error).__name__}: {error}; expected what `python -m benchmarks.floor` writes. "
            "Take the file from version control, or remove it and set the floors anew"
        ) from error
    return FloorFile(margin, kinds)


def write_floors(path: Path, file: FloorFile) -> None:
    """Write the floors."""
    kinds = [
        {
            "processor": kind.processor,
            "flags": list(kind.flags),
            "cores": kind.cores,
            "floors": {figure: {"value": f.value, "at_most": f.at_most} for figure, f in floors.items()},
        }
        for kind, floors in file.kinds.items()
    ]
    path.write_text(json.dumps({"margin": file.margin, "kinds": kinds}, indent=1) + "\n", encoding="utf-8")


def _number(value: Any, *, below: float = math.inf) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < below:
        raise ValueError(f"{value!r} is not a number above 0" + (f" and below {below}" if below < math.inf else ""))
    return float(value)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__.partition(":")[2])
    parser.add_argument(
        "results", nargs="*", type=Path, metavar="RESULT", help="results of full runs (default: the newest)"
    )
    parser.add_argument("--lower", action="store_true", help="also lower floors")
    parser.add_argument(
        "--margin", type=_share, help=f"how far below what was measured (default: {MARGIN}, or the file's)"
    )
    parser.add_argument("--file", type=Path, default=FILE, help=f"where the floors are kept (default: {FILE.name})")
    return parser


def _share(text: str) -> float:
    try:
        return _number(float(text), below=1)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    main()
