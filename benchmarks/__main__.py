"""``python -m benchmarks [PART ...]``: measure, and print what was found beside the bars and the floor.

A full run ends with exit status 1 if a figure fell below its floor; see ``benchmarks.floor``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
# The libraries read these when they are imported.

from benchmarks.account import measure_account
from benchmarks.budgets import measure_budgets
from benchmarks.classification import measure_classification
from benchmarks.embedding import measure_embedding
from benchmarks.engines import measure_engines
from benchmarks.families import measure_deberta, measure_modernbert
from benchmarks.fast import measure_fast
from benchmarks.floor import FloorError, Floors, fallen, read_floors
from benchmarks.growth import measure_growth
from benchmarks.host import measure_host
from benchmarks.lengths import measure_lengths
from benchmarks.lone import measure_lone
from benchmarks.machine import Machine, describe_machine
from benchmarks.measure import CLOCKS, console, use_clock
from benchmarks.memory import measure_memory
from benchmarks.mixture import measure_mixture
from benchmarks.models import Folders
from benchmarks.record import kind_of
from benchmarks.report import RESULTS, Part, print_report, save_report
from benchmarks.serving import measure_serving
from benchmarks.setting import FULL, QUICK, Setting
from benchmarks.startup import measure_startup
from benchmarks.throughput import measure_bundled, measure_throughput
from lexel.engines.choose import available_threads

PARTS: dict[str, Callable[[Setting], Part]] = {
    "throughput": measure_throughput,
    "account": measure_account,
    "bundled": measure_bundled,
    "fast": measure_fast,
    "embedding": measure_embedding,
    "classification": measure_classification,
    "startup": measure_startup,
    "memory": measure_memory,
    "host": measure_host,
    "mixture": measure_mixture,
    "growth": measure_growth,
    "engines": measure_engines,
    "lengths": measure_lengths,
    "lone": measure_lone,
    "budgets": measure_budgets,
}
"""What a run without names measures."""

ON_REQUEST: dict[str, Callable[[Setting], Part]] = {
    "serving": measure_serving,
    "modernbert": measure_modernbert,
    "deberta": measure_deberta,
}
"""What is measured only when it is named."""


def main() -> None:
    """Run the parts asked for, all by default."""
    options = _arguments().parse_args()
    sizes, names = (QUICK if options.quick else FULL), options.parts or list(PARTS)
    if options.repetitions:
        sizes = replace(sizes, repetitions=options.repetitions, fewer_repetitions=options.repetitions)
    use_clock(options.clock)
    begin, machine = time.monotonic(), describe_machine()
    floors = {} if options.quick else _floors(machine, threads=options.threads)
    with tempfile.TemporaryDirectory(prefix="lexel-bench-") as folder:
        parts = _measure(names, Setting(sizes, Folders(Path(folder), shape=sizes.shape), options.threads))
    seconds = time.monotonic() - begin
    print_report(machine, parts, seconds=seconds, floors={figure: floor.value for figure, floor in floors.items()})
    if options.save:
        settings = {"parts": names, "quick": options.quick, "threads": options.threads, "sizes": asdict(sizes)}
        settings["clock"] = options.clock
        path = save_report(machine, parts, folder=options.save, seconds=seconds, settings=settings)
        print(path, file=sys.stderr)
    if lines := fallen(parts, floors):
        sys.exit("\n".join(lines))


def _floors(machine: Machine, *, threads: int) -> Floors:
    """The floors of this kind of machine; a damaged file ends the run before anything is measured."""
    kind = kind_of(machine, threads=threads)
    try:
        floors = read_floors().kinds.get(kind, {})
    except FloorError as error:
        sys.exit(str(error))
    if not floors:
        console.print(f"no floor yet for {kind}; `python -m benchmarks.floor` sets one", highlight=False)
    return floors


def _measure(names: Sequence[str], setting: Setting) -> list[Part]:
    parts = []
    begin = time.monotonic()
    for i, name in enumerate(names, start=1):
        parts.append((PARTS | ON_REQUEST)[name](setting))
        minutes = (time.monotonic() - begin) / 60
        console.print(f"[dim]{name}: part {i} of {len(names)}, done after {minutes:.1f} minutes[/dim]")
    return parts


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition(":")[2])
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[[], *PARTS, *ON_REQUEST],
        metavar="PART",
        help=f"what to measure: {', '.join([*PARTS, *ON_REQUEST])} (default: all but {', '.join(ON_REQUEST)})",
    )
    parser.add_argument("--quick", action="store_true", help="one repetition of everything in small, to see it run")
    parser.add_argument(
        "--save",
        type=Path,
        nargs="?",
        const=RESULTS,
        metavar="FOLDER",
        help=f"keep the figures as JSON ({RESULTS.name}/)",
    )
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="processor: on a machine that does other work, with --threads 1 (default: wall)",
    )
    parser.add_argument(
        "--repetitions", type=int, metavar="N", help=f"how often each is measured (default: {FULL.repetitions})"
    )
    parser.add_argument("--threads", type=int, default=available_threads(), help="threads of everyone")
    return parser


if __name__ == "__main__":
    main()
