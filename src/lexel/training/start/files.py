"""Reads the files of a run; problems are raised one by one in training, or collected in a dry run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lexel.text.tokenizer import Tokenizer
from lexel.training.config.options import DataFile, TrainingOptions
from lexel.training.data.features import Features, read_features
from lexel.training.data.text_examples import TextFeatures, Windower, read_text_features
from lexel.training.distributed import ProcessGroup
from lexel.training.start.problems import Problems

ROLES = ("train", "validation", "test")

FilesRead = Mapping[str, Sequence[tuple[DataFile, Any]]]
"""By role, the files that could be read, each with its columns or sequences."""


class DataReader:
    """Reads the files of a run.

    Args:
        options: The options of the run.
        tokenizer: The tokenizer of the model.
        cache: The folder for columns.
        fingerprint: A checksum of the tokenizer.
        problems: Collects the problems of files, or raises the first.
    """

    def __init__(
        self, options: TrainingOptions, tokenizer: Tokenizer, *, cache: Path, fingerprint: str, problems: Problems
    ) -> None:
        self._options, self._tokenizer, self._problems = options, tokenizer, problems
        self._cache, self._fingerprint = cache, fingerprint

    def read_columns(self, process_group: ProcessGroup) -> FilesRead:
        """Read files of documents; the main process writes their columns, and the others load them."""
        read = self._read(self._columns) if process_group.is_main else None
        process_group.barrier()
        return self._read(self._columns) if read is None else read

    def _columns(self, file: DataFile, role: str) -> Features:
        return read_features(
            file,
            self._tokenizer,
            cache=self._cache,
            fingerprint=self._fingerprint,
            repair=self._options.repair,
        )

    def read_texts(self, windower: Windower) -> FilesRead:
        """Read files of classified texts or questions."""
        ((_, asked),) = self._options.heads.items()
        is_taught = self._options.teacher is not None
        without_classes = () if not is_taught else ROLES if asked.task == "embed" else ("train",)

        def read(file: DataFile, role: str) -> TextFeatures:
            return read_text_features(file, windower, task=asked.task, labelled=role not in without_classes)

        return self._read(read)

    def _read(self, read: Callable[[DataFile, str], Any]) -> FilesRead:
        found: dict[str, list[tuple[DataFile, Any]]] = {role: [] for role in ROLES}
        for role in ROLES:
            for file in getattr(self._options, role):
                with self._problems.caught():
                    found[role].append((file, read(file, role)))
        if len(found["train"]) < len(self._options.train):
            self._problems.stop()
        return found


def with_paths(read: FilesRead) -> dict[str, list[tuple[Any, str]]]:
    """The columns or sequences of each file with its path, by role."""
    return {role: [(features, file.path) for file, features in found] for role, found in read.items()}
