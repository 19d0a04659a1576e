"""SIGKILL at random moments of ``lexel corpus run``, then the same command again: no record is lost or doubled.

    python -m tests.corpora.kill_corpus --kills 50

A worker, the driver or the whole process group is killed in turn. After each kill every file under a final name is
compared with an undisturbed run; when a job has come to its end, all its records are, one by one, and
``lexel corpus verify`` has to agree. Prints the counts. Exit status 1 if anything was lost, doubled or torn.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

LEXEL = [sys.executable, "-c", "import sys; from lexel.cli.main import run; sys.exit(run())"]
TEXTS = ("傅達仁今將執行安樂死，卻突然爆出自己20年前遭緯來體育台封殺。", "王小明在臺北市。", "他在北京大学读书。")
TARGETS = ("worker", "driver", "group")
STEPS = "- length: {least: 2}\n- tag\n"


class Killed:
    """Runs a job to its end again and again, and kills it on the way.

    Attributes:
        found: What happened, and how often.
        problems: What went wrong.
    """

    def __init__(
        self, folder: Path, *, records: int, steps: str = STEPS, shard_records: int = 100, seed: int = 42
    ) -> None:
        self.found: Counter[str] = Counter()
        self.problems: list[str] = []
        self._random = random.Random(seed)
        self._folder = folder
        self._source, recipe = folder / "in.jsonl", folder / "steps.yaml"
        lines = (
            json.dumps({"id": str(n), "text": TEXTS[n % len(TEXTS)] * (1 + n % 3), "n": n}) for n in range(records)
        )
        self._source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        recipe.write_text(steps, encoding="utf-8")
        self._command = [*LEXEL, "corpus", "run", "-q", str(self._source), "--workers", "2", "--steps", str(recipe)]
        self._command += ["--shard-records", str(shard_records)]
        began = time.monotonic()
        self._run(folder / "whole").communicate()
        self.whole_s = time.monotonic() - began
        self._expected = contents(folder / "whole" / "data")
        self.shards = len(self._expected)

    def kill(self, times: int) -> None:
        """Kill so many times; each job is brought to its end."""
        out, kills = self._folder / "out", 0
        while kills < times:
            shutil.rmtree(out, ignore_errors=True)
            for run in range(1000):
                target = TARGETS[kills % len(TARGETS)] if kills < times else None
                ended, has_killed = self._run_and_kill(out, target)
                kills += has_killed
                self._check_files(out)
                if ended:
                    self.found["runs that a job took"] += run + 1
                    break
            self._check_whole(out)

    def _run(self, out: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self._command, "--out", str(out)], stderr=subprocess.PIPE, start_new_session=True)

    def _run_and_kill(self, out: Path, target: str | None) -> tuple[bool, bool]:
        """Whether the run came to its end, and whether something was killed in it."""
        process = self._run(out)
        has_killed = False
        if target is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(self._random.uniform(0.05, 0.6 * self.whole_s))
            has_killed = process.poll() is None and self._strike(process, target)
        said = process.communicate()[1].decode()
        status = process.returncode
        survivors = list(workers_of(process.pid))
        if has_killed:
            self.found[f"killed: {target}"] += 1
        if status == 0:
            return True, has_killed
        if status != -signal.SIGKILL:
            self.problems.append(f"status {status} after {target} was killed: {said}")
            return True, has_killed
        if survivors:
            self.problems.append(f"workers outlived their driver: {survivors}")
        return False, has_killed

    def _strike(self, process: subprocess.Popen[bytes], target: str) -> bool:
        if target == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif target == "driver":
            process.kill()
            for _ in range(100):  # the workers notice, and end
                if not list(workers_of(process.pid)):
                    break
                time.sleep(0.05)
        else:
            workers = list(workers_of(process.pid))
            if not workers:
                process.kill()
                return True
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(workers), signal.SIGKILL)
        return True

    def _check_files(self, out: Path) -> None:
        """Whatever has a final name is whole and right."""
        for name, data in contents(out / "data").items():
            if data != self._expected.get(name):
                self.problems.append(f"{name}: torn, or another one")
        for path in (out / "shards").glob("part-*.json"):
            json.loads(path.read_text(encoding="utf-8"))
            self.found["shard records looked at after a kill"] += 1
        self.found["unfinished files left by a kill"] += len(list(out.rglob("*.part")))

    def _check_whole(self, out: Path) -> None:
        self.found["jobs brought to their end"] += 1
        if contents(out / "data") != self._expected:
            self.problems.append("the output differs from that of an undisturbed run")
        given = [json.loads(line)["n"] for line in self._source.read_text(encoding="utf-8").splitlines()]
        got = [json.loads(line)["n"] for data in contents(out / "data").values() for line in data.decode().splitlines()]
        self.found["records in"] += len(given)
        self.found["records out"] += len(got)
        self.found["records lost"] += len(set(given) - set(got))
        self.found["records doubled"] += len(got) - len(set(got))
        if got != given:
            self.problems.append("records were lost, doubled or out of order")
        if list(out.rglob("*.part")):
            self.problems.append("unfinished files are left at the end")
        verified = subprocess.run([*LEXEL, "corpus", "verify", str(out)], capture_output=True, text=True, check=False)
        if verified.returncode:
            self.problems.append(f"verify: {verified.stdout} {verified.stderr}")


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder that have their final names."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("part-*"))}


def workers_of(driver: int) -> Iterator[int]:
    """The worker processes of a driver's session that are alive."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, ValueError):
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (entry / "cmdline").read_bytes()
            if int(session) == driver and state != "Z" and b"spawn_main" in command:
                yield int(entry.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--records", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killed = Killed(Path(folder), records=options.records, seed=options.seed)
        killed.kill(options.kills)
    print(f"{options.kills} kills; {options.records:,} records in {killed.shards} shards, {killed.whole_s:.1f} s whole")
    for what, count in sorted(killed.found.items()):
        print(f"  {what}: {count:,}")
    for problem in killed.problems:
        print(f"  PROBLEM: {problem}")
    return int(bool(killed.problems))


if __name__ == "__main__":
    sys.exit(main())
