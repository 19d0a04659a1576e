"""A new model folder that appears under its name only when it is complete and on disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from lexel.checkpoint.files import DESCRIPTION_FILES, SENTENCE_FILES, TOKENIZER_FILES, TRANSITION_BIASES
from lexel.disk import Part, follow_umask, new_folder_like, reason, sync
from lexel.errors import CheckpointError

_KEPT = (*DESCRIPTION_FILES, *TOKENIZER_FILES)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """An empty folder to write into; it becomes ``out`` if the block succeeds, and is removed if it fails.

    Raises:
        CheckpointError: If ``out`` exists, or the disk refuses.
    """
    if out.exists():
        raise CheckpointError(f"{out}: already exists; nothing was overwritten. Choose a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with Part(out, new_folder_like(out)) as part:
            os.close(part.descriptor)
            yield part.path
            follow_umask(part.path)
            sync(part.path.rglob("*"))
            part.path.rename(out)
        sync([out.parent])
    except OSError as cause:
        raise CheckpointError(
            f"{out}: not written ({reason(cause)}); no partial output was left. Free some disk space and try again"
        ) from cause


def copy_description(folder: Path, to: Path) -> None:
    """Copy the files of a model folder except its weights and any code.

    Further files of a sentence-transformers folder are copied too, including dense layers and their weights.
    """
    _copy(folder, to, _KEPT)
    copy_sentence_files(folder, to)


def copy_sentence_files(folder: Path, to: Path) -> None:
    """Copy the further files of a sentence-transformers folder: pooling, dense layers and weights, prompts."""
    _copy(folder, to, SENTENCE_FILES)


def copy_transition_biases(folder: Path, to: Path) -> None:
    """Copy the biases of a calibrated Viterbi, if the folder has them."""
    _copy(folder, to, (TRANSITION_BIASES,))


def copy_licences(folder: Path, to: Path) -> None:
    """Copy a folder's licence files."""
    _copy(folder, to, ("LICENSE*", "NOTICE*"))


def _copy(folder: Path, to: Path, patterns: Sequence[str]) -> None:
    for path in sorted((*folder.iterdir(), *folder.glob("[0-9]_*/*"))):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and any(fnmatchcase(name, pattern) for pattern in patterns):
            (to / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, to / name)
