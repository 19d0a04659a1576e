"""Tiny training runs, in this process or as processes of their own that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
from tests.builders import SPECIALS, write_vocab

DATA = Path(__file__).parents[1] / "data"
CONFIG = {
    "model_type": "bert",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
HEADS = {name: HeadOptions(task=name) for name in ("words", "pos", "entities")}


def sentences(path: Path, *, n: int = 40, name: str = "zh_gsdsimp", **changes: Any) -> Path:
    """The first records of a set in the tests' data; ``changes`` overrules keys of each."""
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()[:n]
    records = [json.loads(line) | changes for line in lines]
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def tokenizer(folder: Path, *data: Path) -> Path:
    """A folder with the characters of some files as vocabulary."""
    folder.mkdir(exist_ok=True)
    lines = [line for path in data for line in path.read_text(encoding="utf-8").splitlines()]
    chars = {char for line in lines for char in json.loads(line)["text"]}
    write_vocab(folder, [*SPECIALS, *sorted(char for char in chars if not char.isspace())])
    return folder


def options(folder: Path, **changes: Any) -> TrainingOptions:
    """Options of a run of a few steps on forty sentences, from random weights on characters."""
    train = changes.pop("train", None) or (DataFile(path=str(_made(folder / "train.jsonl"))),)
    values: dict[str, Any] = {
        "train": train,
        "heads": HEADS,
        "output_dir": str(folder / "out"),
        "pieces": "chars",
        "config": CONFIG,
        "bf16": False,
        "threads": 1,
        "max_steps": 8,
        "batch_pieces": 256,
        "learning_rate": 1e-3,
        "logging_steps": 2,
        "save_strategy": "no",
        "eval_strategy": "no",
    }
    if "model" not in changes and "tokenizer" not in changes:
        values["tokenizer"] = str(tokenizer(folder / "tokenizer", *(Path(file.path) for file in train)))
    if "model" in changes:
        for name in ("pieces", "config"):
            values.pop(name)
    return TrainingOptions(**values | changes)


def _made(path: Path) -> Path:
    return path if path.exists() else sentences(path)


SCRIPT = """
import json, os, pickle, signal, sys
from lexel.training import train
from lexel.training.loop.progress import NoProgress

class Killer(NoProgress):
    def on_step(self, step, loss, rate):
        if step == int(os.environ.get("KILL_AT", "0")):
            os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    train(pickle.load(open(sys.argv[1], "rb")), progress=Killer())
"""


def run_apart(options: TrainingOptions, folder: Path, *, processes: int = 1, kill_at: int = 0) -> int:
    """Train in processes of their own; gives the exit status."""
    import pickle

    script, pickled = folder / "run.py", folder / "options.pickle"
    script.write_text(SCRIPT, encoding="utf-8")
    pickled.write_bytes(pickle.dumps(options))
    launcher = (
        [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    )
    environment: Mapping[str, str] = os.environ | {"KILL_AT": str(kill_at), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, str(script), str(pickled)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    if done.returncode and not kill_at:
        raise AssertionError(done.stderr)
    return done.returncode


def weights(folder: Path) -> bytes:
    """The bytes of a finished folder's weights."""
    return (folder / "model.safetensors").read_bytes()
