"""Access to the hub through its library: downloads files, lists files, and reads parts of files."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lexel.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository: its size, and its SHA-256 if the hub knows it."""

    size: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The contents of a repository at a revision.

    Attributes:
        commit: The commit of the revision.
        files: Its files by name.
        changed: The time of its last change.
    """

    commit: str
    files: Mapping[str, RemoteFile]
    changed: datetime | None = None


def list_files(repo_id: str, revision: str | None) -> Listing:
    """The contents of a repository, without a download.

    Raises:
        CheckpointError: If the hub cannot be reached, or sends an unexpected answer.
    """
    from huggingface_hub import HfApi

    _bound_waiting()
    with _one_line(repo_id, revision):
        found = HfApi().model_info(repo_id, revision=revision, files_metadata=True)
    files = {}
    for sibling in found.siblings or ():
        lfs = sibling.lfs
        size = sibling.size if sibling.size is not None else (0 if lfs is None else lfs.size)
        files[sibling.rfilename] = RemoteFile(size or 0, None if lfs is None else lfs.sha256)
    if not found.sha:
        raise CheckpointError(f"{repo_id}: the hub gave no commit; expected one. Try again later")
    return Listing(found.sha, files, found.last_modified)


def read_range(repo_id: str, commit: str, name: str, *, start: int, n_bytes: int) -> bytes:
    """A range of bytes of a file, without downloading the rest.

    Raises:
        CheckpointError: If the hub cannot be reached, or sends other bytes.
    """
    from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, exported lazily

    _bound_waiting()
    url = hf_hub_url(repo_id, name, revision=commit)
    headers = {**build_hf_headers(), "range": f"bytes={start}-{start + n_bytes - 1}"}
    data = b""
    with _one_line(repo_id, commit), get_session().stream("GET", url, headers=headers) as response:
        hf_raise_for_status(response)
        skipped = 0 if response.status_code == 206 else start  # a server without range support sends the whole file
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) >= skipped + n_bytes:
                break
    data = data[skipped : skipped + n_bytes]
    if len(data) != n_bytes:
        raise CheckpointError(
            f"{repo_id}: the hub gave {len(data):,} bytes of {name} from byte {start:,}; expected {n_bytes:,}. "
            "Try again later"
        )
    return data


def count_open_threads(repo_id: str) -> int | None:
    """Number of open discussions and pull requests of a repository; ``None`` if unknown."""
    from huggingface_hub import HfApi

    _bound_waiting()
    try:
        with _one_line(repo_id, None):
            return sum(1 for _ in HfApi().get_repo_discussions(repo_id, discussion_status="open"))
    except (CheckpointError, KeyError, TypeError, ValueError):
        return None


def snapshot(repo_id: str, revision: str | None, patterns: list[str], *, show_progress: bool) -> Path:
    """The cache folder of a repository with the files that match some patterns, downloaded if necessary.

    Raises:
        CheckpointError: If they cannot be downloaded.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import tqdm

    class Silent(tqdm):
        """A progress bar that shows nothing."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})  # type: ignore[no-untyped-call]

    cache = os.environ.get("LEXEL_CACHE")
    _bound_waiting()
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


def _bound_waiting() -> None:
    """Set a time limit for all requests of the hub library, since some have none."""
    from huggingface_hub import constants, get_session

    session = get_session()
    if not any(hook is _bound for hook in session.event_hooks["request"]):
        hooks = session.event_hooks
        session.event_hooks = {**hooks, "request": [*hooks["request"], _bound]}
    _bound.seconds = constants.HF_HUB_DOWNLOAD_TIMEOUT  # type: ignore[attr-defined]


def _bound(request: Any) -> None:
    limits = request.extensions.get("timeout") or dict.fromkeys(("connect", "read", "write", "pool"))
    seconds = _bound.seconds  # type: ignore[attr-defined]
    request.extensions["timeout"] = {name: seconds if limit is None else limit for name, limit in limits.items()}


class NotOnHubError(CheckpointError):
    """A repository that the hub does not have or does not show: its name is wrong, or it is gone, private or gated."""


@contextmanager
def _one_line(repo_id: str, revision: str | None) -> Iterator[None]:
    """Turn errors of the hub into one line, and silence the hub library."""
    from huggingface_hub import errors

    at = f"{repo_id}@{revision}" if revision else repo_id
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    except errors.RevisionNotFoundError as cause:
        said = f"no revision {revision!r}; expected a branch, tag or commit of the repository"
        raise CheckpointError(f"{repo_id}: {said}. Look at https://huggingface.co/{repo_id}/commits") from cause
    except errors.GatedRepoError as cause:
        said = f"is gated: its owner lets in only who has asked. Ask at https://huggingface.co/{repo_id}"
        raise NotOnHubError(f"{repo_id}: {said}, then log in with `hf auth login` or set HF_TOKEN") from cause
    except errors.RepositoryNotFoundError as cause:
        said = "no such repository on the hub, or a private one. Check the spelling; for a private one set HF_TOKEN"
        raise NotOnHubError(f"{repo_id}: {said}") from cause
    except errors.LocalEntryNotFoundError as cause:
        raise CheckpointError(f"{at}: {_unreachable(cause)}") from cause
    except errors.HfHubHTTPError as cause:
        status = cause.response.status_code
        said = f"the hub answered {status}; expected the repository's files. "
        todo = "Check HF_TOKEN and what it may read" if status in (401, 403) else "Try again later"
        raise CheckpointError(f"{at}: {said}{todo}") from cause
    except errors.HFValidationError as cause:
        raise NotOnHubError(f"{repo_id}: not a hub id ({cause}); expected owner/name") from cause
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as cause:
        raise CheckpointError(
            f"{at}: the hub sent an unexpected answer ({_first_line(cause)}); expected the "
            "repository's files. Check HF_ENDPOINT, or try again later"
        ) from cause
    except (errors.HTTPError, OSError) as cause:  # type: ignore[attr-defined]  # the hub library's HTTP client's own
        said = getattr(cause, "strerror", None) or _first_line(cause)
        raise CheckpointError(f"{at}: download failed ({said}). Check network and disk, then try again") from cause
    finally:
        logger.setLevel(level)


def _unreachable(error: Exception) -> str:
    """The reason why files are neither cached nor downloadable."""
    cause = error.__cause__
    advice = "Connect once to download it, or pass a folder"
    if cause is None or type(cause).__name__ == "OfflineModeIsEnabled":
        return f"not in the cache, or not complete, and HF_HUB_OFFLINE forbids the network. {advice}"
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if status in (401, 403):
        return f"the hub answered {status}; expected the repository's files. Check HF_TOKEN and what it may read"
    reason = f"answered {status}" if status else f"cannot be reached ({_first_line(cause)})"
    return f"not in the cache, or not complete, and the hub {reason}. {advice}"


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
