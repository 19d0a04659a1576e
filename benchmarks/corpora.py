"""``lexel corpus run`` with two workers beside ``lexel tag`` on one file, in turns; and the time to the first shard.

    python -m benchmarks.corpora [--records 20000] [--rounds 3]

Times are of whole commands, with loading. Both write all records; the corpus also syncs its shards.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tags, firsts, wholes = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_input(folder / "in.jsonl", options.records)
        for _ in range(options.rounds):
            tags.append(tag(folder / "in.jsonl", folder))
            first, whole = corpus(folder / "in.jsonl", folder)
            firsts.append(first)
            wholes.append(whole)
    rates = [[options.records / seconds for seconds in times] for times in (tags, wholes)]
    for what, found in zip(("lexel tag", "lexel corpus run, 2 workers"), rates, strict=True):
        print(f"{what}: {statistics.median(found):,.0f} records/s ({min(found):,.0f} to {max(found):,.0f})")
    print(f"corpus / tag: {statistics.median(rates[1]) / statistics.median(rates[0]):.2f}")
    print(f"start to first shard: {statistics.median(firsts):.2f} s ({min(firsts):.2f} to {max(firsts):.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
