"""Bundles: archives with a model, its lock and the list of packages, for machines without a network.

    my-model/config.json ...     the model
    lexel.lock                   the checksums of its files
    requirements.txt             Lexel and its dependencies, with the versions on the machine that made it

A bundle is loaded by its path like a folder: it is unpacked into the cache once, and compared with its lock each time.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING

from lexel.checkpoint.files import files_read
from lexel.checkpoint.hub_cache import cache_folder
from lexel.disk import Part, new_file_like, new_folder_like, reason, sha256_of
from lexel.errors import CheckpointError, PolicyError
from lexel.trust import lock as locks
from lexel.trust.lock import Lock, LockedModel

if TYPE_CHECKING:
    import tarfile  # takes some milliseconds, and few models are bundles

ENDING = ".tar"
REQUIREMENTS = "requirements.txt"
_MOST_FILES = 200
_BLOCK_BYTES = 1 << 20


def write_bundle(folder: Path, entry: LockedModel, out: Path, *, name: str) -> None:
    """Write a bundle of a model; the same model gives the same bytes.

    Args:
        folder: The model.
        entry: Its entry for a lock file.
        out: The archive; it must not exist.
        name: The name of its folder in the archive.

    Raises:
        CheckpointError: If ``out`` exists, or the disk refuses.
    """
    import tarfile

    if out.exists():
        raise CheckpointError(f"{out}: already exists; nothing was overwritten. Choose another name")
    inner = LockedModel(name, None, None, entry.files, entry.licence, entry.heads, entry.tokenizer, entry.probe)
    try:
        with Part(out, new_file_like(out)) as part:
            with open(part.descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                _add(archive, locks.FILE, locks.text_of([inner]).encode("utf-8"))
                _add(archive, REQUIREMENTS, "".join(f"{line}\n" for line in requirements()).encode("utf-8"))
                for name_of_file in sorted(entry.files):
                    with open(folder / name_of_file, "rb") as data:
                        size = (folder / name_of_file).stat().st_size
                        archive.addfile(_header(f"{name}/{name_of_file}", size), data)
            part.path.rename(out)
    except OSError as error:
        raise CheckpointError(f"{out}: not written ({reason(error)}); nothing was left") from error


def requirements() -> list[str]:
    """Lexel and its installed dependencies with their versions."""
    found: dict[str, str] = {}
    waiting = ["lexel"]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = version(name)
        waiting += [_name_of(line) for line in package.requires or () if "extra ==" not in line]
    return [f"{name}=={found[name]}" for name in sorted(found)]


def _name_of(requirement: str) -> str:
    end = next((i for i, char in enumerate(requirement) if not (char.isalnum() or char in "-_.")), len(requirement))
    return requirement[:end]


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    archive.addfile(_header(name, len(data)), io.BytesIO(data))


def _header(name: str, size: int) -> tarfile.TarInfo:
    import tarfile

    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o644
    return header


def is_bundle(path: Path) -> bool:
    """Whether a path names a bundle: a file that ends in ``.tar``."""
    return path.suffix == ENDING and path.is_file()


def open_bundle(path: Path) -> Path:
    """The folder of the model in a bundle, unpacked and compared with the lock in it.

    Raises:
        CheckpointError: If the file is not a bundle.
        PolicyError: If its files do not match its lock.
    """
    place = cache_folder() / "lexel-bundles" / sha256_of(path)
    if not place.is_dir():
        _unpack(path, place)
    lock = locks.read_lock(place / locks.FILE)
    entry = _only(lock, path)
    folder = place / entry.model
    if found := locks.difference(entry, folder, files_read(folder), is_whole=True):
        raise PolicyError(f"{path}: {found}; expected what its lock holds. Copy the bundle again, or remove {place}")
    return folder


def _only(lock: Lock, path: Path) -> LockedModel:
    if len(lock.models) != 1 or "/" in lock.models[0].model or lock.models[0].model in ("", ".", ".."):
        raise CheckpointError(f"{path}: its lock holds {len(lock.models)} models; expected the one of its folder")
    return lock.models[0]


def _unpack(path: Path, place: Path) -> None:
    """Unpack a bundle: only regular files with plain names."""
    import tarfile

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with Part(place, new_folder_like(place)) as part, tarfile.open(path, "r:") as archive:
            os.close(part.descriptor)
            members = archive.getmembers()
            _check(members, path)
            for member in members:
                _extract(archive, member, part.path / member.name)
            part.path.rename(place)
    except (tarfile.TarError, EOFError) as error:
        raise CheckpointError(f"{path}: no bundle ({error}); expected one that lexel bundle wrote") from error
    except OSError as error:
        if not place.is_dir():  # else another process was faster
            raise CheckpointError(f"{path}: cannot be unpacked into {place} ({reason(error)})") from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    if source is not None:
        with open(to, "xb") as file:
            shutil.copyfileobj(source, file, _BLOCK_BYTES)


def _check(members: Iterable[tarfile.TarInfo], path: Path) -> None:
    names = [member.name for member in members]
    for member in members:
        parts = member.name.split("/")
        is_plain = all(part not in ("", ".", "..") and part.isprintable() for part in parts) and "\\" not in member.name
        if not member.isreg() or not is_plain or len(parts) > 3 or os.path.isabs(member.name):
            raise CheckpointError(f"{path}: {member.name[:100]!r} is not a plain file; expected a bundle")
    if len(names) > _MOST_FILES or len(set(names)) < len(names) or locks.FILE not in names:
        raise CheckpointError(f"{path}: {len(names)} files without {locks.FILE}; expected one that lexel bundle wrote")
