"""Corpora: rate beside ``lexel tag``, time to the first shard, memory over the size of the input, and of ``dedup``.

    python -m benchmarks.corpora rate [--records 20000] [--rounds 3]    # beside one and two lexel tag
    python -m benchmarks.corpora ray [--records 20000] [--rounds 3]     # processor time of shards, local and on Ray
    python -m benchmarks.corpora memory     # 10,000, 100,000 and 1,000,000 records through normalise
    python -m benchmarks.corpora dedup      # 1,000,000 short records, exact and near

Times are of whole commands, with loading. Both write all records; the corpus also syncs its shards. Memory is the sum
of the peaks (VmHWM) of the driver and its workers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from lexel.data import read_jsonl

DATA = Path(__file__).parents[1] / "tests" / "data"
LEXEL = [sys.executable, "-m", "lexel"]


def write_input(path: Path, records: int) -> None:
    """Sentences of the open Chinese sets again and again, each time with another number before them."""
    texts = [document.text for name in ("zh_gsd", "zh_gsdsimp") for document in read_jsonl(DATA / f"{name}.jsonl")]
    with open(path, "w", encoding="utf-8") as file:
        for n in range(records):
            file.write(json.dumps({"text": f"{n}、{texts[n % len(texts)]}"}, ensure_ascii=False) + "\n")


def tag(source: Path, folder: Path) -> float:
    began = time.monotonic()
    subprocess.run([*LEXEL, "tag", "-q", str(source), "--out", str(folder / "out.jsonl")], check=True)
    return time.monotonic() - began


def two_tags(source: Path, folder: Path) -> float:
    """Seconds of two processes at once, each with half of the records and one thread."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    commands = []
    for name, some in (("first", lines[::2]), ("second", lines[1::2])):
        half = folder / f"{name}.jsonl"
        half.write_text("".join(some), encoding="utf-8")
        commands.append([*LEXEL, "tag", "-q", "--threads", "1", str(half), "--out", str(folder / f"{name}-out.jsonl")])
    began = time.monotonic()
    running = [subprocess.Popen(command) for command in commands]
    if any([process.wait() for process in running]):
        raise SystemExit("lexel tag failed")
    return time.monotonic() - began


def corpus(source: Path, folder: Path) -> tuple[float, float]:
    """Seconds until the first shard is whole, and until the end."""
    out, steps = folder / "out", folder / "steps.yaml"
    shutil.rmtree(out, ignore_errors=True)
    steps.write_text("- tag\n", encoding="utf-8")
    command = [*LEXEL, "corpus", "run", "-q", str(source), "--out", str(out), "--steps", str(steps), "--workers", "2"]
    began, first = time.monotonic(), None
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            if first is None and list((out / "shards").glob("part-*.json")):
                first = time.monotonic() - began
            time.sleep(0.02)
    whole = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"lexel corpus run: exit status {process.returncode}")
    return first or whole, whole


def peak_of(command: list[str]) -> tuple[float, float]:
    """Seconds that a command takes, and the sum of the peaks of its processes in MiB."""
    peaks: dict[int, int] = {}
    began = time.monotonic()
    with subprocess.Popen(command, start_new_session=True) as process:
        while process.poll() is None:
            for status in Path("/proc").glob("[0-9]*/status"):
                with suppress(OSError, ValueError, IndexError):
                    pid = int(status.parent.name)
                    if os.getsid(pid) == process.pid:
                        peaks[pid] = max(peaks.get(pid, 0), int(status.read_text().split("VmHWM:")[1].split()[0]))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}")
    return time.monotonic() - began, sum(peaks.values()) / 1024


def run_of(folder: Path, name: str, recipe: str) -> list[str]:
    """The command that sends the folder's input through a recipe."""
    steps, out = folder / f"{name}.yaml", folder / name
    steps.write_text(recipe, encoding="utf-8")
    return [
        *LEXEL,
        "corpus",
        "run",
        "-q",
        str(folder / "in.jsonl"),
        "--out",
        str(out),
        "--steps",
        str(steps),
        "--workers",
        "2",
    ]


def measure_memory(folder: Path) -> None:
    for records in (10_000, 100_000, 1_000_000):
        write_input(folder / "in.jsonl", records)
        seconds, peak = peak_of(run_of(folder, f"memory-{records}", "- normalise\n"))
        print(f"normalise, {records:,} records: {peak:,.0f} MiB, {seconds:.1f} s", flush=True)


def measure_dedup(folder: Path) -> None:
    write_input(folder / "in.jsonl", 1_000_000)
    for how in ("exact", "near"):
        seconds, peak = peak_of(run_of(folder, how, f"- dedup: {{how: {how}}}\n"))
        print(f"dedup {how}, 1,000,000 records: {peak:,.0f} MiB, {seconds:.1f} s", flush=True)


def measure_rate(folder: Path, options: argparse.Namespace) -> None:
    tags, twos, firsts, wholes = [], [], [], []
    write_input(folder / "in.jsonl", options.records)
    for _ in range(options.rounds):
        tags.append(tag(folder / "in.jsonl", folder))
        twos.append(two_tags(folder / "in.jsonl", folder))
        first, whole = corpus(folder / "in.jsonl", folder)
        firsts.append(first)
        wholes.append(whole)
    names = "lexel tag, all cores", "two lexel tag at once, a thread each", "lexel corpus run, 2 workers"
    rates = [[options.records / seconds for seconds in times] for times in (tags, twos, wholes)]
    for what, found in zip(names, rates, strict=True):
        print(f"{what}: {statistics.median(found):,.0f} records/s ({min(found):,.0f} to {max(found):,.0f})")
    for what, found in zip(names[:2], rates[:2], strict=True):
        print(f"corpus over {what}: {statistics.median(rates[2]) / statistics.median(found):.2f}")
    print(f"start to first shard: {statistics.median(firsts):.2f} s ({min(firsts):.2f} to {max(firsts):.2f})")


def measure_ray(folder: Path, options: argparse.Namespace) -> None:
    """Processor time of a shard, by the median, so that the shards in which models are loaded do not count."""
    write_input(folder / "in.jsonl", options.records)
    found: dict[str, list[float]] = {"local": [], "Ray": []}
    for _ in range(options.rounds):
        for name, more in (("local", []), ("Ray", ["--ray", "local"])):
            shutil.rmtree(folder / name, ignore_errors=True)
            subprocess.run([*run_of(folder, name, "- tag\n"), *more], check=True)
            records = [json.loads(path.read_text()) for path in (folder / name / "shards").glob("part-*.json")]
            found[name].append(statistics.median(record["processor_seconds"] for record in records))
    for name, seconds in found.items():
        spread = f"{min(seconds):.3f} to {max(seconds):.3f}"
        print(f"{name}: {statistics.median(seconds):.3f} s of the processor a shard ({spread})")
    print(f"Ray over local: {statistics.median(found['Ray']) / statistics.median(found['local']):.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("rate", "ray", "memory", "dedup"), nargs="?", default="rate")
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if options.part == "rate":
            measure_rate(Path(name), options)
        elif options.part == "ray":
            measure_ray(Path(name), options)
        elif options.part == "memory":
            measure_memory(Path(name))
        else:
            measure_dedup(Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
