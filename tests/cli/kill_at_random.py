"""SIGKILL at random moments of ``lexel tag --out``: the old file or the whole new one, never part of one.

    python -m tests.cli.kill_at_random --times 30
    python -m tests.cli.kill_at_random --times 10 --resume

Prints how many runs were killed before, while and after the new file was written, and what was found. Exit status 1
if a file was torn, the command did not work afterwards, or an unfinished file was left after that.

With ``--resume``, ``lexel tag --resume --workers 2`` is killed (its driver and its whole process group in turn) and run
again until it ends. Then the output must be that of an undisturbed run, and nothing else may lie beside it.
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


def resume(times: int, *, lines: int) -> int:
    """Kill runs that resume so many times; prints what was found, and gives the exit status."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        source, out, whole = Path(folder, "in.txt"), Path(folder, "out.jsonl"), Path(folder, "whole.jsonl")
        source.write_text(LINES * (lines // 2), encoding="utf-8")
        command = [*COMMAND, "--resume", "--workers", "2", str(source), "--out"]
        began = time.monotonic()
        subprocess.run([*command, str(whole)], check=True, stderr=subprocess.DEVNULL)
        whole_s, expected = time.monotonic() - began, whole.read_bytes()
        whole.unlink()
        kills = 0
        while kills < times:
            kept = len(list(Path(f"{out}.parts", "shards").glob("part-*.json")))
            process = subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                process.wait(random.uniform(0.3, 1.0) * whole_s)
            except subprocess.TimeoutExpired:
                kills += 1
                found[f"killed, with {kept} parts of earlier runs"] += 1
                if kills % 2:
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.returncode == 0 or kills == times:
                found["outputs"] += _finish(command, folder, out, expected, found)
    print(f"{times} kills; {lines:,} lines, {whole_s:.1f} s whole")
    for what, count in sorted(found.items()):
        print(f"  {what}: {count}")
    return int(found["WRONG"] + found["LEFT BESIDE"] > 0)


def _finish(command: list[str], folder: str, out: Path, expected: bytes, found: Counter[str]) -> int:
    """Run to the end, compare, and remove the output."""
    if not out.exists() or Path(f"{out}.parts").exists():
        subprocess.run([*command, str(out)], check=True, stderr=subprocess.DEVNULL)
    found["the same bytes as an undisturbed run" if out.read_bytes() == expected else "WRONG"] += 1
    found["LEFT BESIDE"] += len(set(os.listdir(folder)) - {"in.txt", "out.jsonl"})
    out.unlink()
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--lines", type=int, default=12_000)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    random.seed(options.seed)
    if options.resume:
        return resume(options.times, lines=options.lines)
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
