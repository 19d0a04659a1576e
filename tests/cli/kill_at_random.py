"""SIGKILL at random moments of ``lexel tag --out``: the old file or the whole new one, never part of one.

    python -m tests.cli.kill_at_random --times 30

Prints how many runs were killed before, while and after the new file was written, and what was found. Exit status 1
if a file was torn, the command did not work afterwards, or an unfinished file was left after that.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

COMMAND = [sys.executable, "-m", "lexel", "tag", "-q"]
LINES = "傅達仁今將執行安樂死，卻突然爆出自己20年前遭緯來體育台封殺。\n王小明在臺北市。\n"
BEFORE = "what was there before\n"


def run(source: Path, out: Path, *, kill_after_s: float | None = None) -> bool:
    """Tag a file; gives whether the command ended by itself."""
    with subprocess.Popen([*COMMAND, str(source), "--out", str(out)], stderr=subprocess.DEVNULL) as process:
        try:
            return process.wait(timeout=kill_after_s) == 0
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return False


def moments(times: int, *, ready_s: float, whole_s: float) -> list[float]:
    """When to kill: a tenth of the moments before the first result, the others evenly over the writing."""
    early = max(1, times // 10)
    return [random.uniform(0.1, ready_s) for _ in range(early)] + [
        random.uniform(ready_s, 1.02 * whole_s) for _ in range(times - early)
    ]


def unfinished(folder: str) -> set[str]:
    return {name for name in os.listdir(folder) if name.endswith(".part")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--lines", type=int, default=12_000)
    options = parser.parse_args()
    random.seed(options.seed)
    found: Counter[str] = Counter()
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.txt"), Path(folder, "out.jsonl")
        source.write_text(LINES * (options.lines // 2), encoding="utf-8")
        Path(folder, "one.txt").write_text(LINES, encoding="utf-8")
        began = time.monotonic()
        assert run(Path(folder, "one.txt"), Path(folder, "one.jsonl"))
        ready_s = time.monotonic() - began
        began = time.monotonic()
        assert run(source, out)
        whole_s = time.monotonic() - began
        expected = out.read_bytes()
        for after_s in moments(options.times, ready_s=ready_s, whole_s=whole_s):
            out.write_text(BEFORE, encoding="utf-8")
            ended = run(source, out, kill_after_s=after_s)
            parts = unfinished(folder) - seen
            seen |= parts
            content = out.read_bytes()
            is_whole, is_old = content == expected, content == BEFORE.encode()
            when = "ended before the kill" if ended else "killed while writing" if parts else "killed before or after"
            found[when] += 1
            found["new file, whole" if is_whole else "old file, as it was" if is_old else "TORN"] += 1
            found["unfinished files left aside (.part)"] += len(parts)
        works = run(source, out) and out.read_bytes() == expected
        left = unfinished(folder)
    print(f"{options.times} moments; ready after {ready_s:.1f} s, {options.lines:,} lines after {whole_s:.1f} s")
    for what, count in sorted(found.items()):
        print(f"  {what}: {count}")
    print(f"  the same command afterwards: {'whole' if works else 'FAILED'}")
    print(f"  unfinished files left after that: {len(left)}")
    return int(found["TORN"] > 0 or not works or bool(left))


if __name__ == "__main__":
    sys.exit(main())
