"""Stopped at any moment and started again, a run ends as if nothing had happened."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from lexel.errors import CheckpointError, EngineError, OptionError
from lexel.training import train
from lexel.training.checkpoints import restoring
from lexel.training.config.options import HeadOptions
from lexel.training.start.lock import exclusive_lock
from tests.training import runs

FULL = {
    "heads": runs.HEADS | {"fill": HeadOptions(task="fill")},
    "optim": "muon",
    "bf16": True,
    "ema_decay": 0.9,
    "save_strategy": "steps",
    "save_steps": 3,
    "unknown_piece_probability": 0.01,
}


def table(folder: Path) -> Any:
    made = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    return made["table"], made["best"], made["steps"], made["examples"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_ends_with_the_same_weights_and_table_bit_by_bit(tmp_path: Path, processes: int) -> None:
    dev = runs.DataFile(path=str(runs.sentences(tmp_path / "dev.jsonl", n=8)))
    changes = FULL | {"validation": (dev,), "eval_strategy": "steps", "eval_steps": 2}
    whole = runs.options(tmp_path, **changes, output_dir=str(tmp_path / "whole"))
    halted = runs.options(tmp_path, **changes, output_dir=str(tmp_path / "halted"))
    runs.run_apart(whole, tmp_path, processes=processes)
    assert runs.run_apart(halted, tmp_path, processes=processes, kill_at=5) != 0
    assert (tmp_path / "halted" / "checkpoints" / "step-3").is_dir()
    assert not (tmp_path / "halted" / "model.safetensors").exists()
    runs.run_apart(halted, tmp_path, processes=processes)
    assert runs.weights(tmp_path / "halted") == runs.weights(tmp_path / "whole")
    assert table(tmp_path / "halted") == table(tmp_path / "whole")


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(runs.options(tmp_path, seed=seed, output_dir=str(tmp_path / name)))
    assert runs.weights(tmp_path / "a") == runs.weights(tmp_path / "b")
    assert runs.weights(tmp_path / "a") != runs.weights(tmp_path / "c")


def test_a_checkpoint_of_other_options_is_refused_by_name(tmp_path: Path) -> None:
    runs.run_apart(runs.options(tmp_path, save_strategy="steps", save_steps=3), tmp_path, kill_at=5)
    with pytest.raises(OptionError, match=r"learning_rate was 0\.001, is 0\.01"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=3, learning_rate=0.01))


def test_a_checkpoint_of_another_number_of_threads_is_refused(tmp_path: Path) -> None:
    runs.run_apart(runs.options(tmp_path, save_strategy="steps", save_steps=3), tmp_path, kill_at=5)
    with pytest.raises(OptionError, match="threads was 1, is 2"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=3, threads=2))


def test_a_finished_folder_is_not_written_over(tmp_path: Path) -> None:
    train(runs.options(tmp_path))
    with pytest.raises(OptionError, match="has a finished model"):
        train(runs.options(tmp_path))


def test_a_run_killed_while_its_folder_is_put_together_is_finished_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "finished.partial").mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    train(runs.options(tmp_path))
    assert (folder / "model.safetensors").exists()
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"] == "bert"


def test_a_folder_that_another_run_is_training_into_is_refused(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / "out" / "features" / "lock"),
        pytest.raises(OptionError, match="out: another run is training into this folder"),
    ):
        train(runs.options(tmp_path))
    assert train(runs.options(tmp_path)).folder.joinpath("model.safetensors").exists()


def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with (
        pytest.raises(OptionError, match=r"lock: cannot be locked \(No locks available\); expected"),
        exclusive_lock(tmp_path / "lock"),
    ):
        pass


def test_a_full_gpu_is_said_and_the_checkpoint_is_not_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr("lexel.training.loop.fit.Stepper.step", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1_000, 2_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 0)
    with pytest.raises(EngineError, match=r"training does not fit: 1,000 of 2,000 bytes .* gradient_checkpointing"):
        train(runs.options(tmp_path))
    with pytest.raises(torch.OutOfMemoryError), restoring(tmp_path, 3):
        full()


def test_the_folder_has_its_card_before_it_counts_as_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lexel.training.outcome.finish.write_card", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(runs.options(tmp_path))
    assert not (tmp_path / "out" / "model.safetensors").exists()
    result = train(runs.options(tmp_path))
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "lexel tag -m out" in card
    assert "licence" in result.unanswered


def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("", encoding="utf-8")
    with pytest.raises(OptionError, match=r"has thesis\.txt, which training did not write"):
        train(runs.options(tmp_path))


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(
        OptionError, match=r"out: is a file; expected a folder to create. Choose another output folder \(-o"
    ):
        train(runs.options(tmp_path))


class Planted:
    """A pickle that touches a file when it is loaded by plain pickle."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._path}",)


@pytest.mark.parametrize("name", ["weights.pt", "process-0.pt"])
def test_a_pickle_planted_in_a_checkpoint_is_refused_by_name_and_not_run(tmp_path: Path, name: str) -> None:
    runs.run_apart(runs.options(tmp_path, save_strategy="steps", save_steps=3), tmp_path, kill_at=5)
    file, mark = tmp_path / "out" / "checkpoints" / "step-3" / name, tmp_path / "mark"
    torch.save({"master": Planted(mark)}, file)
    with pytest.raises(CheckpointError, match=rf"step-3/{name}: names (posix|os|nt)\.system, which is not run"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=3))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["weights.pt", "process-0.pt", "run.json"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path, name: str) -> None:
    runs.run_apart(runs.options(tmp_path, save_strategy="steps", save_steps=3), tmp_path, kill_at=5)
    (tmp_path / "out" / "checkpoints" / "step-3" / name).write_bytes(b"\x00\x01")
    with pytest.raises(CheckpointError, match=f"step-3/{name}: cannot be read"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=3))


@pytest.mark.parametrize("name", ["weights.pt", "process-0.pt", "run.json"])
def test_a_checkpoint_that_holds_something_else_is_refused_by_name(tmp_path: Path, name: str) -> None:
    runs.run_apart(runs.options(tmp_path, save_strategy="steps", save_steps=3), tmp_path, kill_at=5)
    place = tmp_path / "out" / "checkpoints" / "step-3" / name
    if name == "run.json":
        place.write_text('{"step": "three"}', encoding="utf-8")
    else:
        torch.save({"generators": [1, 2]}, place)
    with pytest.raises(CheckpointError, match=r"step-3.*Delete .*step-3"):
        train(runs.options(tmp_path, save_strategy="steps", save_steps=3))


def test_a_full_disk_leaves_earlier_checkpoints_and_the_run_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = runs.options(tmp_path, save_strategy="steps", save_steps=3)
    whole = train(runs.options(tmp_path, output_dir=str(tmp_path / "whole"))).folder
    save = torch.save

    def full(values: Any, path: Path) -> None:
        if "step-6" in str(path):
            raise OSError(28, "No space left on device")
        save(values, path)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full)
        with pytest.raises(CheckpointError, match=r"step-6: not written \(No space left on device\).*Free disk space"):
            train(options)
    assert [path.name for path in (tmp_path / "out" / "checkpoints").iterdir()] == ["step-3"]
    assert runs.weights(train(options).folder) == runs.weights(whole)


def test_a_full_disk_while_the_model_is_written_is_said_and_the_run_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    options = runs.options(tmp_path, save_strategy="steps", save_steps=3)
    with monkeypatch.context() as patched:
        patched.setattr("lexel.training.outcome.finish.write_model", full)
        with pytest.raises(CheckpointError, match=r"out: .*\(No space left on device\)"):
            train(options)
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert (train(options).folder / "model.safetensors").exists()


def test_of_two_processes_only_the_one_that_fails_says_why(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / "out" / "features" / "lock"),
        pytest.raises(AssertionError) as failed,  # run_apart's, with what the processes wrote
    ):
        runs.run_apart(runs.options(tmp_path), tmp_path, processes=2)
    said = str(failed.value)
    assert "another run is training into this folder" in said
    assert "another process of this run has ended; its message says why" in said
    last = [line for line in said.splitlines() if line.startswith("[rank1]: ")][-1]
    assert "EngineError" in last
