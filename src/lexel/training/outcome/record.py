"""``training.json``: how a model was made, for its card and for users."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lexel.data import fold_of
from lexel.data.files import ending_of
from lexel.data.labelled import labelled_format
from lexel.errors import DataError
from lexel.training.config.options import DataFile, as_plain
from lexel.training.data.features import Features, shared_texts
from lexel.training.data.heads import label_counts
from lexel.training.outcome.save import base_of
from lexel.training.start.setup import Setup

FORMAT = 1
_LIBRARIES = ("lexel", "torch", "transformers", "tokenizers", "accelerate", "peft", "numpy")
ROLES = ("train", "validation", "test")


def training_record(setup: Setup, *, run: Mapping[str, Any], parameters: Mapping[str, int]) -> dict[str, Any]:
    """The content of ``training.json``.

    Args:
        setup: The setup of the run.
        run: The results of the run: ``table``, ``best``, ``steps``, ``seconds`` ...
        parameters: Number of parameters, and of trained ones.
    """
    config, options = setup.config, setup.options
    train = setup.files["train"]
    return {
        "format": FORMAT,
        "command": command(),
        "options": as_plain(options),
        "base": base_of(setup),
        "data": list(_data(setup)),
        "labels": {
            head.name: {
                "task": head.task,
                "scheme": None if head.label_set is None else head.label_set.scheme,
                "labels": _labels(head.labels, label_counts(head, train)),
            }
            for head in setup.heads
        },
        "model": {
            **parameters,
            "hidden_size": config.hidden_size,
            "num_hidden_layers": config.num_hidden_layers,
            "vocab_size": config.vocab_size,
        },
        **run,
        "dropped": 0,
        "overlap": {
            role: sum(shared_texts(features, train) for features in setup.files[role])
            for role in ("validation", "test")
            if setup.files[role]
        },
        "seed": options.seed,
        "warnings": setup.notes,
    }


def command() -> str:
    """The command line, or the calling program."""
    name = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"
    name = "lexel" if name == "__main__.py" else name  # python -m lexel
    return shlex.join([name, *map(_without_folder, sys.argv[1:])])


def without_folders(values: Any) -> Any:
    """JSON values that can be published: absolute paths lose their folders, which are private."""
    if isinstance(values, Mapping):
        return {key: without_folders(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [without_folders(value) for value in values]
    return " ".join(map(_without_folder, values.split(" "))) if isinstance(values, str) else values


def _without_folder(word: str) -> str:
    return Path(word).name if os.path.isabs(word) else word


def environment(*, threads: int, processes: int, precision: str) -> dict[str, Any]:
    """The machine that made a model."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "threads": threads,
        "processes": processes,
        "precision": precision,
        "versions": dict(_versions()),
    }


def _processor() -> str:
    """The processor's name, if the system provides it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    for library in _LIBRARIES:
        try:
            yield library, version(library)
        except PackageNotFoundError:
            continue


def _data(setup: Setup) -> Iterator[dict[str, Any]]:
    for role in ROLES:
        for file, features in zip(getattr(setup.options, role), setup.files[role], strict=True):
            yield {"role": role, **_file(file, features)}


def _file(file: DataFile, features: Features) -> dict[str, Any]:
    about = features.about
    path = Path(file.path)
    return {
        "name": file.name or path.stem.partition(".")[0],
        "path": path.name if path.is_absolute() else file.path,
        "sha256": about["sha256"],
        "format": format_name(file),
        "weight": file.weight,
        "documents": about["documents"],
        "chars": about["chars"],
        "words": about["words"] if about["with"]["words"] else None,
        "entities": about["entities"] if about["with"]["entities"] else None,
        "examples": about["documents"],
        "licence": file.licence,
        "languages": [],
        "scripts": about["scripts"],
        "longest_chars": about["longest_chars"],
    }


def _labels(labels: Sequence[str], counts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The data's labels with their counts, or else the head's own labels."""
    if not counts:
        return [{"label": label, "count": None, "example": None} for label in labels]
    ordered = sorted(counts.items(), key=lambda item: (-item[1].count, item[0]))
    return [{"label": label, "count": found.count, "example": found.example} for label, found in ordered]


def format_name(file: DataFile) -> str:
    """The name of a file's format: a format of documents, else by the ending."""
    if file.format:
        return file.format
    try:
        return labelled_format(file.path).name
    except DataError:
        return ending_of(file.path).removeprefix(".")


def fold_name(file: DataFile) -> str | None:
    """The rule by which a file's tags are folded."""
    return None if not file.fold else fold_of(file.fold).name
