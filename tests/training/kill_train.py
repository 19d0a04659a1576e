"""Kill ``train`` at random moments, resume it, and compare the weights bit by bit. Run it by hand:

    python -m tests.training.kill_train --kills 30 --seed 0

Each trial starts a run in a process of its own, kills it with SIGKILL at a random moment after it has taken its output
folder, and runs it again (perhaps killed again) until it ends. The counts are printed; the exit status is 1 if any
weights differ.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from lexel.training.config.options import TrainingOptions
from tests.training import runs

MOST_KILLS = 3
"""Kills of one run; then it may end."""


def start(options: TrainingOptions, folder: Path) -> subprocess.Popen[bytes]:
    """Start a run as a process."""
    script, pickled = folder / "run.py", folder / "options.pickle"
    script.write_text(runs.SCRIPT, encoding="utf-8")
    pickled.write_bytes(pickle.dumps(options))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, str(script), str(pickled)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for_lock(process: subprocess.Popen[bytes], out: Path) -> float:
    """Wait until a run has taken its output folder; gives the time."""
    (out / "features" / "lock").unlink(missing_ok=True)
    while process.poll() is None and not (out / "features" / "lock").exists():
        time.sleep(0.01)
    return time.perf_counter()


def finish(options: TrainingOptions, folder: Path) -> None:
    """Run to the end.

    Raises:
        AssertionError: If the run fails.
    """
    process = start(options, folder)
    _, errors = process.communicate()
    if process.returncode:
        raise AssertionError(errors.decode()[-2000:])


def state_of(out: Path) -> str:
    """Where a killed run was."""
    if (out / "model.safetensors").exists():
        return "finished"
    if (out / "finished.partial").exists():
        return "writing the model"
    if any((out / "checkpoints").glob("*.partial")):
        return "writing a checkpoint"
    steps = [path for path in (out / "checkpoints").glob("step-*") if path.is_dir()]
    return "after a checkpoint" if steps else "before the first checkpoint"


def main() -> None:
    """Kill and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw, counts = random.Random(asked.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = runs.options(
            folder, save_strategy="steps", save_steps=5, max_steps=150, ema_decay=0.9, output_dir=str(folder / "whole")
        )
        process = start(options, folder)
        began = wait_for_lock(process, folder / "whole")
        process.communicate()
        seconds = time.perf_counter() - began
        expected = runs.weights(folder / "whole")
        while counts["kills"] < asked.kills:
            out = folder / "out"
            own = replace(options, output_dir=str(out))
            for _ in range(MOST_KILLS):
                process = start(own, folder)
                wait_for_lock(process, out)
                try:
                    process.communicate(timeout=draw.uniform(0.0, 1.0) * seconds)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    counts["kills"] += 1
                    counts[f"killed {state_of(out)}"] += 1
                if (out / "model.safetensors").exists() or counts["kills"] >= asked.kills:
                    break
            if not (out / "model.safetensors").exists():
                finish(own, folder)
            counts["runs"] += 1
            counts["equal" if runs.weights(out) == expected else "different"] += 1
            shutil.rmtree(out)
    for what, count in counts.items():
        print(f"{what}: {count}", flush=True)
    sys.exit(counts["different"] > 0)


if __name__ == "__main__":
    main()
