"""Access control: API keys from a file, compared in constant time, read again on SIGHUP."""

from __future__ import annotations

import hmac
from hashlib import sha256
from pathlib import Path

from lexel.disk import refused
from lexel.errors import OptionError


class ApiKeys:
    """The keys of a file, one per line; blank lines and lines that begin with ``#`` are skipped.

    Only digests are kept in memory.

    Args:
        path: The file.

    Raises:
        OptionError: If it cannot be read, or holds no key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digests: tuple[bytes, ...] = ()
        self.reload()

    def reload(self) -> None:
        """Read the file again; after an error, the keys do not change."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(
                f"{self._path}: {refused(error, doing='read')}; expected a file of API keys, one per line"
            ) from error
        keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not keys:
            raise OptionError(f"{self._path}: no key in it; expected one per line")
        self._digests = tuple(_digest(key) for key in keys)

    def allows(self, key: str) -> bool:
        """Whether a key is in the file; it is compared with every key, in constant time."""
        digest = _digest(key)
        return sum([hmac.compare_digest(digest, known) for known in self._digests]) > 0


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def bearer(header: str | None) -> str:
    """The token of an ``Authorization: Bearer`` header, or ``""``."""
    kind, _, token = (header or "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""
