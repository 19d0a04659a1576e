"""Finds the model folder of a source: a folder, a hub id at a revision, or a bundled model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from lexel.checkpoint.bundle import ENDING, is_bundle, open_bundle
from lexel.checkpoint.files import BIN_FILES, DESCRIPTION_FILES, SAFETENSORS_FILES, SENTENCE_FILES, TOKENIZER_FILES
from lexel.checkpoint.gate import Gate, open_gate
from lexel.checkpoint.hub import snapshot
from lexel.checkpoint.weights import weight_file
from lexel.disk import refused
from lexel.errors import CheckpointError, PolicyError
from lexel.near import nearest_name

BUNDLED = "zh"
"""The default bundled model."""

BUNDLED_SCRIPTS: Mapping[str, str] = {"zh": "Hani", "en": "Latn", "zh-fast": "Hani"}
"""The bundled models by name, with the script that each reads (ISO 15924)."""

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """A model folder on this machine, and its origin.

    Attributes:
        folder: The folder.
        repo_id: Its hub id; ``None`` for a folder or the bundled model.
        commit: The commit of the revision.
        pin: The source for exactly this commit, ``owner/name@commit``.
    """

    folder: Path
    repo_id: str | None = None
    commit: str | None = None
    pin: str | None = None


def fetch(
    source: str | os.PathLike[str] | None = None,
    *,
    revision: str | None = None,
    show_progress: bool = False,
    is_own: bool = False,
) -> Source:
    """Find a model folder, and download it if it is on the hub and not in the cache.

    The project's policy and lock are checked in steps: the name before any download, the card before the weights are
    downloaded, and all files at the end.

    An existing folder has priority over a hub id with the same name; the names of ``BUNDLED_SCRIPTS`` are bundled
    models (``./zh`` is a folder). The hub library's own settings apply: ``HF_HUB_OFFLINE``, ``HF_TOKEN``,
    ``HF_ENDPOINT``, ``HF_HOME``; if ``LEXEL_CACHE`` is set, downloads go there instead. Without a network, a cached
    revision is used.

    Args:
        source: A folder, a file that ``lexel bundle`` wrote, a hub id (``owner/name``, or ``owner/name@revision``), or
            ``None`` for the bundled model.
        revision: A branch, tag or commit, for a hub id without one; by default its main branch.
        show_progress: Show the hub library's progress bars on stderr.
        is_own: Skip policy and lock, because this process has just made the folder, or only describes it.

    Raises:
        PolicyError: If the policy or the lock refuses it.
        CheckpointError: If it is neither a folder nor an id, cannot be downloaded, or has no model.
    """
    gate = None if is_own else open_gate()
    if source is None or source in BUNDLED_SCRIPTS:
        _refuse_revision(revision, "the bundled model")
        name = BUNDLED if source is None else str(source)
        return _admitted(Source(_bundled(name)), name, gate)
    name = os.fspath(source)
    folder = Path(os.path.expanduser(name))
    if name and _is_folder(folder):
        _refuse_revision(revision, f"the folder {name}")
        return _admitted(Source(_checked(_around_graphs(folder))), name, gate)
    if is_bundle(folder):
        _refuse_revision(revision, f"the bundle {name}")
        return _admitted(Source(_checked(open_bundle(folder))), name, gate)
    if folder.suffix == ENDING:
        raise CheckpointError(f"{name}: no such bundle; expected the path of a file that lexel bundle wrote")
    repo_id, named = split_revision(name)
    if isinstance(source, os.PathLike) or not _REPO_ID.fullmatch(repo_id) or os.path.isfile(folder):
        raise CheckpointError(_not_a_source(name, folder))
    if named is not None and revision is not None:
        raise CheckpointError(f"{name}: names its revision, and {revision!r} was given as well; pass one of the two")
    try:
        return _from_hub(repo_id, revision if named is None else named, gate, show_progress=show_progress)
    except CheckpointError as error:
        if isinstance(error, PolicyError):
            raise
        if meant := _near_folder(folder):
            raise CheckpointError(f"{_did_you_mean(name, meant)} As a hub id: {error}") from error
        if "/" in repo_id:
            raise
        near = nearest_name(repo_id, bundled_names())
        included = f"Did you mean {near!r}, which is bundled?" if near else f"Bundled: {', '.join(bundled_names())}"
        raise CheckpointError(f"{error}. {included}") from error


def split_revision(source: str) -> tuple[str, str | None]:
    """The hub id and the revision of ``owner/name@revision``; the revision may be missing."""
    repo_id, at, revision = source.partition("@")
    return (repo_id, revision) if at and revision else (source, None)


def bundled_folder(name: str = BUNDLED) -> Path:
    """The folder of a bundled model in the installed package."""
    return Path(str(files("lexel") / "models" / name))


def bundled_names() -> tuple[str, ...]:
    """The bundled models in this installation."""
    return tuple(name for name in BUNDLED_SCRIPTS if (bundled_folder(name) / "config.json").is_file())


def bundled_name(folder: Path) -> str | None:
    """The name of the bundled model in a folder; ``None`` if it is another model."""
    return next((name for name in BUNDLED_SCRIPTS if folder == bundled_folder(name)), None)


def _admitted(source: Source, name: str, gate: Gate | None) -> Source:
    if gate is not None:
        gate.admit(name, source.folder)
    return source


def _bundled(name: str) -> Path:
    if name not in bundled_names():
        there = ", ".join(bundled_names()) or "no bundled model"
        raise CheckpointError(
            f"{name}: a bundled model that is not in this installation; found {there}. Name another model, or pass "
            f"./{name} for a folder of that name"
        )
    return bundled_folder(name)


def _refuse_revision(revision: str | None, what: str) -> None:
    if revision is not None:
        raise CheckpointError(f"{what} has no revisions, {revision!r} was given; pass a revision with a hub id only")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # an impossible file name, or an unreadable folder
        return False


def _hidden(path: Path) -> str | None:
    """Why nobody can tell whether a path is there, if its folder may not be looked into."""
    try:
        os.lstat(path)
    except PermissionError as error:
        return f"{refused(error)}; expected a model folder that you may read"
    except (OSError, ValueError):  # it is not there; or no file can have such a name
        pass
    return None


def _near_folder(folder: Path) -> str | None:
    """A model folder next to the named one, if its name is similar."""
    try:
        beside = [place.name for place in folder.parent.iterdir() if (place / "config.json").is_file()]
    except OSError:  # its parent folder does not exist either
        return None
    near = nearest_name(folder.name, sorted(beside))
    return None if near is None else str(folder.with_name(near))


def _not_a_source(name: str, folder: Path) -> str:
    if os.path.isfile(folder):
        return f"{name}: is a file; expected the model folder it lies in, {str(folder.parent)!r}"
    if meant := _near_folder(folder):
        return _did_you_mean(name, meant)
    if hidden := _hidden(folder):
        return f"{name}: {hidden}"
    return f"{name}: no such folder, and not a hub id of the form owner/name or owner/name@revision"


def _did_you_mean(name: str, meant: str) -> str:
    return f"{name}: no such folder; did you mean {meant!r}?"


def _around_graphs(folder: Path) -> Path:
    """The exported model folder for its subfolder ``onnx``; any other folder unchanged."""
    holds_graphs = folder.name == "onnx" and not (folder / "config.json").exists() and any(folder.glob("model*.onnx"))
    return folder.parent if holds_graphs else folder


def _checked(folder: Path) -> Path:
    if hidden := _hidden(folder / "config.json"):
        raise CheckpointError(f"{folder}: {hidden}")
    if not os.path.lexists(folder / "config.json"):
        raise CheckpointError(
            f"{folder}: no config.json; expected a model folder (config.json, weights, tokenizer files)"
        )
    return folder


# The hub -------------------------------------------------------------------------------------------------------------


def _from_hub(repo_id: str, revision: str | None, gate: Gate | None, *, show_progress: bool) -> Source:
    """Download the files that Lexel reads: safetensors if the repository has them, else ``pytorch_model.bin``."""
    described = [*DESCRIPTION_FILES, *TOKENIZER_FILES, *SENTENCE_FILES]
    at = f"{repo_id}@{revision}" if revision else repo_id
    if gate is not None:
        gate.admit_name(at, repo_id, revision)
        place = fetch_description(repo_id, revision)
        gate.admit_description(at, place.folder, repo_id=repo_id, revision=revision, commit=place.commit)
    folder = snapshot(repo_id, revision, [*described, *SAFETENSORS_FILES], show_progress=show_progress)
    if weight_file(folder) is None and (folder / "config.json").is_file():
        folder = snapshot(repo_id, revision, [*described, *BIN_FILES], show_progress=show_progress)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{repo_id}: the repository has no config.json; expected a model of the BERT family")
    commit = _commit_of(folder)
    if gate is not None:
        gate.admit(at, folder, repo_id=repo_id, revision=revision, commit=commit)
    return Source(folder, repo_id, commit, pin=f"{repo_id}@{commit}" if commit else None)


def fetch_description(repo_id: str, revision: str | None, *, with_tokenizer: bool = False) -> Source:
    """The files of a hub model that describe it, without its weights.

    Args:
        repo_id: The hub id.
        revision: A branch, tag or commit.
        with_tokenizer: Whether to also fetch the tokenizer's files.

    Raises:
        CheckpointError: If they cannot be downloaded.
    """
    patterns = [*DESCRIPTION_FILES, *(TOKENIZER_FILES if with_tokenizer else ())]
    folder = snapshot(repo_id, revision, patterns, show_progress=False)
    commit = _commit_of(folder)
    return Source(folder, repo_id, commit, pin=f"{repo_id}@{commit}" if commit else None)


def _commit_of(folder: Path) -> str | None:
    return folder.name if _COMMIT.fullmatch(folder.name) else None
