"""From what a caller names to a model folder: a folder, a hub id at a revision, or the bundled model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from lexel.checkpoint.weights import BIN, BIN_INDEX, SAFETENSORS, SAFETENSORS_INDEX, weight_file
from lexel.errors import CheckpointError

BUNDLED = "zh"
"""The bundled model that is taken where none is named."""

BUNDLED_SCRIPTS: Mapping[str, str] = {"zh": "Hani", "en": "Latn", "zh-fast": "Hani"}
"""The bundled models by name, with the script that each reads (ISO 15924)."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
DESCRIPTION_FILES = ("config.json", "lexel.json", "README.md", "LICENSE*", "NOTICE*")
SENTENCE_FILES = (
    "modules.json",
    "sentence_*_config.json",
    "config_sentence_transformers.json",
    "[0-9]_*/config.json",
    "[0-9]_*/model.safetensors",
    "[0-9]_*/pytorch_model.bin",
)
"""What a sentence-transformers folder has beside its encoder, see ``lexel.checkpoint.sentence_transformers``."""
SAFETENSORS_FILES = (SAFETENSORS, SAFETENSORS_INDEX, "model-*.safetensors")
BIN_FILES = (BIN, BIN_INDEX, "pytorch_model-*.bin")

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """A model folder on this machine, and where it is from.

    Attributes:
        folder: The folder.
        repo_id: Its hub id; ``None`` for a folder or the bundled model.
        commit: The commit that the revision stood for.
        pin: The source that always gives this commit, ``owner/name@commit``.
    """

    folder: Path
    repo_id: str | None = None
    commit: str | None = None
    pin: str | None = None


def fetch(
    source: str | os.PathLike[str] | None = None, *, revision: str | None = None, show_progress: bool = False
) -> Source:
    """Find a model folder, downloading it if it is on the hub and not in the cache.

    A folder that exists is taken before a hub id of the same name; the names of ``BUNDLED_SCRIPTS`` are bundled models
    (``./zh`` is a folder). The hub library's own settings hold: ``HF_HUB_OFFLINE``, ``HF_TOKEN``, ``HF_ENDPOINT``,
    ``HF_HOME``; with ``LEXEL_CACHE`` set, downloads are kept there instead. Without network a cached revision is used
    as it is.

    Args:
        source: A folder, a hub id (``owner/name``, or ``owner/name@revision``), or nothing for the bundled model.
        revision: A branch, tag or commit of a hub id that names none; its main branch if not given.
        show_progress: Show the hub library's progress bars on stderr.

    Raises:
        CheckpointError: If it is neither a folder nor an id, cannot be had from the hub, or holds no model.
    """
    if source is None or source in BUNDLED_SCRIPTS:
        _refuse_revision(revision, "the bundled model")
        return Source(_bundled(BUNDLED if source is None else str(source)))
    name = os.fspath(source)
    folder = Path(os.path.expanduser(name))
    if name and _is_folder(folder):
        _refuse_revision(revision, f"the folder {name}")
        return Source(_checked(folder))
    repo_id, named = split_revision(name)
    if isinstance(source, os.PathLike) or not _REPO_ID.fullmatch(repo_id) or os.path.isfile(folder):
        raise CheckpointError(_not_a_source(name, folder))
    if named is not None and revision is not None:
        raise CheckpointError(f"{name}: names its revision, and {revision!r} was given as well; pass one of the two")
    return _from_hub(repo_id, revision if named is None else named, show_progress=show_progress)


def split_revision(source: str) -> tuple[str, str | None]:
    """The hub id and the revision of ``owner/name@revision``; an id alone names none."""
    repo_id, at, revision = source.partition("@")
    return (repo_id, revision) if at and revision else (source, None)


def bundled_folder(name: str = BUNDLED) -> Path:
    """Where a bundled model lies in the installed package."""
    return Path(str(files("lexel") / "models" / name))


def bundled_names() -> tuple[str, ...]:
    """The bundled models that this installation has."""
    return tuple(name for name in BUNDLED_SCRIPTS if (bundled_folder(name) / "config.json").is_file())


def bundled_name(folder: Path) -> str | None:
    """The name of the bundled model that lies in a folder; ``None`` if it is another model's."""
    return next((name for name in BUNDLED_SCRIPTS if folder == bundled_folder(name)), None)


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
    except OSError:  # a name that no file can have, or a folder that may not be looked into
        return False


def _not_a_source(name: str, folder: Path) -> str:
    if os.path.isfile(folder):
        return f"{name}: is a file; expected the model folder it lies in, {str(folder.parent)!r}"
    return f"{name}: no such folder, and not a hub id of the form owner/name or owner/name@revision"


def _checked(folder: Path) -> Path:
    if not os.path.lexists(folder / "config.json"):
        raise CheckpointError(
            f"{folder}: no config.json; expected a model folder (config.json, weights, tokenizer files)"
        )
    return folder


# The hub -------------------------------------------------------------------------------------------------------------


def _from_hub(repo_id: str, revision: str | None, *, show_progress: bool) -> Source:
    """Download the files that Lexel reads: safetensors if the repository has them, else ``pytorch_model.bin``."""
    described = [*DESCRIPTION_FILES, *TOKENIZER_FILES, *SENTENCE_FILES]
    folder = _snapshot(repo_id, revision, [*described, *SAFETENSORS_FILES], show_progress=show_progress)
    if weight_file(folder) is None and (folder / "config.json").is_file():
        folder = _snapshot(repo_id, revision, [*described, *BIN_FILES], show_progress=show_progress)
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{repo_id}: the repository has no config.json; expected a model of the BERT family")
    commit = folder.name if _COMMIT.fullmatch(folder.name) else None
    return Source(folder, repo_id, commit, pin=f"{repo_id}@{commit}" if commit else None)


def _snapshot(repo_id: str, revision: str | None, patterns: list[str], *, show_progress: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import tqdm

    class Silent(tqdm):
        """A progress bar that shows nothing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})  # type: ignore[no-untyped-call]

    cache = os.environ.get("LEXEL_CACHE")
    with _one_line(repo_id, revision):
        return Path(
            snapshot_download(
                repo_id,
                revision=revision,
                allow_patterns=patterns,
                cache_dir=Path(cache).expanduser() / "hub" if cache else None,
                tqdm_class=None if show_progress else Silent,
            )
        )


@contextmanager
def _one_line(repo_id: str, revision: str | None) -> Iterator[None]:
    """Say in one line what went wrong between here and the hub."""
    from huggingface_hub import errors

    at = f"{repo_id}@{revision}" if revision else repo_id
    try:
        yield
    except errors.RevisionNotFoundError as cause:
        said = f"no revision {revision!r}; expected a branch, tag or commit of the repository"
        raise CheckpointError(f"{repo_id}: {said}. Look at https://huggingface.co/{repo_id}/commits") from cause
    except errors.GatedRepoError as cause:
        said = f"is gated: its owner lets in only who has asked. Ask at https://huggingface.co/{repo_id}"
        raise CheckpointError(f"{repo_id}: {said}, then log in with `hf auth login` or set HF_TOKEN") from cause
    except errors.RepositoryNotFoundError as cause:
        said = "no such repository on the hub, or a private one. Check the spelling; for a private one set HF_TOKEN"
        raise CheckpointError(f"{repo_id}: {said}") from cause
    except errors.LocalEntryNotFoundError as cause:
        raise CheckpointError(f"{at}: {_unreachable(cause)}") from cause
    except errors.HfHubHTTPError as cause:
        status = cause.response.status_code
        said = f"the hub answered {status}; expected the repository's files. "
        todo = "Check HF_TOKEN and what it may read" if status in (401, 403) else "Try again later"
        raise CheckpointError(f"{at}: {said}{todo}") from cause
    except errors.HFValidationError as cause:
        raise CheckpointError(f"{repo_id}: not a hub id ({cause}); expected owner/name") from cause
    except (errors.HTTPError, OSError) as cause:  # type: ignore[attr-defined]  # the hub library's HTTP client's own
        raise CheckpointError(
            f"{at}: download failed ({_first_line(cause)}). Check network and disk, then try again"
        ) from cause


def _unreachable(error: Exception) -> str:
    """Why nothing was found here and nothing could be fetched."""
    cause = error.__cause__
    advice = "Connect once to download it, or pass a folder"
    if cause is None or type(cause).__name__ == "OfflineModeIsEnabled":
        return f"not in the cache, or not whole, and HF_HUB_OFFLINE forbids the network. {advice}"
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the hub answered {status}; expected the repository's files. Check HF_TOKEN and what it may read"
    reason = f"answered {status}" if status else f"cannot be reached ({_first_line(cause)})"
    return f"not in the cache, or not whole, and the hub {reason}. {advice}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
