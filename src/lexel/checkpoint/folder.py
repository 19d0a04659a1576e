"""A new model folder that appears under its name only when it is whole and on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from lexel.checkpoint.files import DESCRIPTION_FILES, SENTENCE_FILES, TOKENIZER_FILES, TRANSITION_BIASES
from lexel.disk import Part, follow_umask, new_folder_like, sync
from lexel.errors import CheckpointError

_KEPT = (*DESCRIPTION_FILES, *TOKENIZER_FILES)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes ``out`` when the block ends well, and goes when it does not.

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
            f"{out}: not written ({cause.strerror or cause}); no partial output was left. "
            "Free some disk space and try again"
        ) from cause


def copy_description(folder: Path, to: Path) -> None:
    """Copy the files of a model folder that belong to a model, apart from its weights; code is left behind.

    What a sentence-transformers folder has behind its encoder goes with it, maps and their weights too.
    """
    _copy(folder, to, _KEPT)
    copy_sentence_files(folder, to)


def copy_sentence_files(folder: Path, to: Path) -> None:
    """Copy what a sentence-transformers folder has beside its encoder: how it pools, maps and weights, prompts."""
    _copy(folder, to, SENTENCE_FILES)


def copy_transition_biases(folder: Path, to: Path) -> None:
    """Copy the biases of a calibrated Viterbi, if the folder has them."""
    _copy(folder, to, (TRANSITION_BIASES,))


def copy_licences(folder: Path, to: Path) -> None:
    """Copy what a folder says of its licence."""
    _copy(folder, to, ("LICENSE*", "NOTICE*"))


def _copy(folder: Path, to: Path, patterns: Sequence[str]) -> None:
    for path in sorted((*folder.iterdir(), *folder.glob("[0-9]_*/*"))):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and any(fnmatchcase(name, pattern) for pattern in patterns):
            (to / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, to / name)
