"""Locations of inputs: local paths, and URLs of object stores (``s3://bucket/key``), which are read through fsspec.

Keys, endpoints and regions come from the environment, as for the store's own tools (``AWS_ACCESS_KEY_ID``,
``AWS_ENDPOINT_URL``, ...).
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, cast

from lexel.disk import open_regular, reason, sha256_of
from lexel.errors import DataError, LexelError, MissingExtra, OptionError

_READ_AHEAD = 8 << 20
_INSTALLS = {"s3": '"lexel[s3]"', "s3a": '"lexel[s3]"', "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


class Facts(NamedTuple):
    """A file's size and modification time, known before it is read."""

    bytes: int
    modified_ns: int


def is_url(place: str) -> bool:
    """Whether a location is the URL of an object store."""
    return "://" in place


def connect(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it; listings are not cached.

    Raises:
        MissingExtra: If the library that reads such URLs is not installed.
        OptionError: If no library reads them.
    """
    scheme = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtra(f'{scheme}:// needs fsspec: pip install "lexel[s3]"') from error
    try:
        own = {"auto_mkdir": True} if scheme in ("file", "local") else {}
        filesystem, path = url_to_fs(url, use_listings_cache=False, **own)
    except ImportError as error:
        install = _INSTALLS.get(scheme)
        advice = f"pip install {install}" if install else str(error)
        raise MissingExtra(f"{url}: {scheme}:// needs a library that is not installed: {advice}") from error
    except ValueError as error:
        raise OptionError(f"{url}: {error}; expected a path, or a URL such as s3://bucket/folder") from error
    return filesystem, str(path)


@contextmanager
def store_errors(url: str, *, expected: str) -> Iterator[None]:
    """Report errors of an object store in one line. A missing file stays a ``FileNotFoundError``.

    Raises:
        DataError: With the URL and the reason.
    """
    try:
        yield
    except (LexelError, FileNotFoundError, FileExistsError, MemoryError):
        raise
    except Exception as error:  # each library behind fsspec has its own errors
        if "PreconditionFailed" in repr(error.__cause__):
            raise FileExistsError(url) from error
        raise DataError(f"{url}: the store refused ({reason(error)}); expected {expected}") from error


def expand(places: Sequence[str]) -> list[str]:
    """Absolute paths and URLs; a URL with ``*``, ``?`` or ``[`` is replaced by all matches, in order.

    Raises:
        DataError: If a pattern matches nothing.
    """
    found: list[str] = []
    for place in places:
        if not is_url(place):
            found.append(os.path.abspath(place))
        elif not glob.has_magic(place):
            found.append(place)
        else:
            filesystem, pattern = connect(place)
            with store_errors(place, expected="a bucket that can be listed"):
                matches = [str(filesystem.unstrip_protocol(path)) for path in sorted(filesystem.glob(pattern))]
            if not matches:
                raise DataError(f"{place}: matches nothing; expected the inputs of a job. Check the bucket and the key")
            found += matches
    return found


def facts_of(place: str) -> Facts:
    """Size and modification time of a file.

    Raises:
        OSError: If they cannot be read.
        DataError: If the object store returns an error.
    """
    if not is_url(place):
        status = os.stat(place)
        return Facts(status.st_size, status.st_mtime_ns)
    filesystem, path = connect(place)
    with store_errors(place, expected="a file to read"):
        return Facts(int(filesystem.size(path)), int(filesystem.modified(path).timestamp() * 1e9))


def open_place(place: str) -> BinaryIO:
    """Open a file to read its bytes at any position.

    Raises:
        OSError: If it cannot be opened.
        DataError: If the object store returns an error.
    """
    if not is_url(place):
        return open_regular(place)
    filesystem, path = connect(place)
    with store_errors(place, expected="a file to read"):
        return cast(BinaryIO, filesystem.open(path, "rb", cache_type="readahead", block_size=_READ_AHEAD))


def exists(place: str) -> bool:
    """Whether a file exists.

    Raises:
        OSError: If this cannot be determined, because its folder is not accessible.
        DataError: If the object store returns an error.
    """
    try:
        facts_of(place)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def checksum_of(place: str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: If it cannot be read.
    """
    if not is_url(place):
        return sha256_of(place)
    try:
        with store_errors(place, expected="a file to read"), open_place(place) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise DataError(f"{place}: is missing; expected a file to read") from error
