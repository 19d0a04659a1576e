"""``python -m benchmarks``: measure, and print what was found beside the bars."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
# The libraries read these when they are imported.

from benchmarks.classification import measure_classification
from benchmarks.embedding import measure_embedding
from benchmarks.growth import measure_growth
from benchmarks.host import measure_host
from benchmarks.machine import describe_machine
from benchmarks.measure import console
from benchmarks.memory import measure_memory
from benchmarks.mixture import measure_mixture
from benchmarks.models import Folders
from benchmarks.report import RESULTS, Part, print_report, save_report
from benchmarks.setting import FULL, QUICK, Setting
from benchmarks.startup import measure_startup
from benchmarks.throughput import measure_bundled, measure_throughput
from lexel.engines.choose import available_threads

PARTS: Mapping[str, Callable[[Setting], Part]] = {
    "throughput": measure_throughput,
    "bundled": measure_bundled,
    "embedding": measure_embedding,
    "classification": measure_classification,
    "startup": measure_startup,
    "memory": measure_memory,
    "host": measure_host,
    "mixture": measure_mixture,
    "growth": measure_growth,
}


def main() -> None:
    """Run the parts asked for, all by default."""
    options = _arguments().parse_args()
    sizes = QUICK if options.quick else FULL
    begin, machine = time.monotonic(), describe_machine()
    with tempfile.TemporaryDirectory(prefix="lexel-bench-") as folder:
        setting = Setting(sizes, Folders(Path(folder), shape=sizes.shape), options.threads)
        parts = []
        for name in options.parts or PARTS:
            parts.append(PARTS[name](setting))
            console.print(f"[dim]{name}: done after {time.monotonic() - begin:.0f} s[/dim]")
    seconds = time.monotonic() - begin
    print_report(machine, parts, seconds=seconds)
    if options.save:
        settings = {"parts": options.parts or list(PARTS), "quick": options.quick, "threads": options.threads}
        path = save_report(machine, parts, folder=options.save, seconds=seconds, settings=settings)
        print(path, file=sys.stderr)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        choices=[[], *PARTS],
        metavar="PART",
        help=f"what to measure: {', '.join(PARTS)} (default: all)",
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
    parser.add_argument("--threads", type=int, default=available_threads(), help="threads of everyone")
    return parser


if __name__ == "__main__":
    main()
