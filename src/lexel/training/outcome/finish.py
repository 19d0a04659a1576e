"""Finishes the folder: writes it under another name, checks and describes it, and moves it into place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lexel.cards import write_card
from lexel.checkpoint import TRAINED
from lexel.disk import follow_umask, reason, sync, write_json
from lexel.errors import CheckpointError
from lexel.provenance import Material, Step, base_material, write_provenance
from lexel.training import checkpoints
from lexel.training.data.rows import Examples, RowBuilder
from lexel.training.model.model import MultiHead
from lexel.training.outcome.check import check_saved
from lexel.training.outcome.evaluation import evaluate_folder
from lexel.training.outcome.plots import plot
from lexel.training.outcome.record import training_record, without_folders
from lexel.training.outcome.save import write_model
from lexel.training.start.setup import Setup

UNFINISHED = "finished.partial"
"""The folder inside the output folder where the result is put together."""

FEATURES = "features"
"""The folder of the files' columns during training."""

WEIGHTS = "model.safetensors"
"""The file that is moved into place last: a folder that has it is complete."""

TELLING_SIZE = 1_000_000
"""Smaller models get no speed in their card: it would mostly measure Python's overhead."""


def write_folder(
    folder: Path,
    model: MultiHead,
    setup: Setup,
    *,
    examples: Examples,
    builder: RowBuilder,
    run: Mapping[str, Any],
    n_trained: int,
    threads: int,
) -> tuple[str, ...]:
    """Write the model with its records and card.

    Args:
        folder: The output folder.
        model: The model with the weights to be saved, in float32.
        setup: The setup of the run.
        examples: The examples for comparing the saved folder with the model.
        builder: Makes batches of them.
        run: The results of the run, for ``training.json``.
        n_trained: Number of trained parameters.
        threads: Number of threads for the evaluation.

    Raises:
        CheckpointError: If the disk refuses, or the folder gives other scores than the model.
    """
    partial = folder / UNFINISHED
    shutil.rmtree(partial, ignore_errors=True)
    numbers = sum(parameter.numel() for parameter in model.parameters())
    with _disk_errors(partial):
        partial.mkdir()
        about = _About(setup, run, {"parameters": numbers, "trainable_parameters": n_trained})
        write_model(partial, model, setup, made=about.made())
        check_saved(partial, model, setup, examples, builder)
        about.write(partial, name=str(folder), threads=threads)
        write_provenance(partial, about.step())
        # The answers for the card in the recipe are among the options in training.json.
        card = write_card(partial, measure=numbers >= TELLING_SIZE)
        follow_umask(partial)
        for path in sorted(partial.iterdir(), key=lambda path: path.name == WEIGHTS):
            _put(path, folder / path.name)
        partial.rmdir()
        sync([folder])
    return card.asked


def _put(path: Path, place: Path) -> None:
    """Move a file or folder into place, and replace a folder that a killed run put there."""
    if place.is_dir():
        shutil.rmtree(place)
    path.replace(place)


def clear(folder: Path, *, keep: int) -> None:
    """Remove temporary files of training, except the checkpoints to keep."""
    checkpoints.remove_old(folder, keep=keep)
    if not keep:
        shutil.rmtree(folder / checkpoints.FOLDER, ignore_errors=True)
    shutil.rmtree(folder / FEATURES, ignore_errors=True)


class _About:
    """The records of a run."""

    def __init__(self, setup: Setup, run: Mapping[str, Any], parameters: Mapping[str, int]) -> None:
        self._setup, self._run, self._parameters = setup, run, parameters

    def record(self) -> dict[str, Any]:
        """``training.json``."""
        return dict(without_folders(training_record(self._setup, run=self._run, parameters=self._parameters)))

    def made(self) -> dict[str, Any]:
        """The entry of ``lexel.json`` on how the model was made."""
        data = {f"{file['name']}, {file['role']}": file["sha256"] for file in self.record()["data"]}
        return {"by": TRAINED, "seed": self._setup.options.seed, "steps": self._run["steps"], "data": data}

    def step(self) -> Step:
        """How the model was made, and from what."""
        record, setup = self.record(), self._setup
        models = [
            base_material(checkpoint, kind=kind)
            for kind, checkpoint in (("base", setup.base), ("teacher", setup.teacher))
            if checkpoint is not None
        ]
        data = [
            Material(
                "data",
                f"{file['name']}, {file['role']}",
                {str(file["path"]): file["sha256"]},
                licence=file["licence"],
            )
            for file in record["data"]
        ]
        parameters = {"command": record["command"], "options": record["options"]}
        details = {"seed": setup.options.seed, "steps": self._run["steps"]}
        return Step("distill" if setup.teacher else "train", parameters, [*models, *data], details=details)

    def write(self, folder: Path, *, name: str, threads: int) -> None:
        """Write the reports on the run's data, its record and its plot."""
        reports, notes = evaluate_folder(folder, self._setup, name=name, threads=threads)
        self._setup.notes.extend(notes)
        if reports:
            write_json(folder / "evaluation.json", {"format": 1, "reports": without_folders(reports)})
        write_json(folder / "training.json", self.record())
        (folder / "training.svg").write_text(plot(self._run["table"]), encoding="utf-8")


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Report a full or failing disk in one line."""
    try:
        yield
    except (OSError, SafetensorError) as cause:
        shutil.rmtree(folder, ignore_errors=True)
        raise CheckpointError(
            f"{folder.parent}: the model was not written ({reason(cause)}); its checkpoints are unchanged. Free some "
            "disk space and run the same command again"
        ) from cause
