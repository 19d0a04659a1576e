"""The key of a job's pseudonyms: from a file or a variable, never in a plan, and only its fingerprint written down."""

from __future__ import annotations

import hashlib
import hmac
import os
import unicodedata
from pathlib import Path

from lexel.disk import refused
from lexel.errors import DataError, OptionError

VARIABLE = "LEXEL_REDACT_KEY"
LEAST_BYTES = 16


class Key:
    """Makes numbers of texts that nobody can make, or turn back by trying, without the key."""

    def __init__(self, secret: bytes) -> None:
        """Take a secret.

        Raises:
            OptionError: If it is too short to be one.
        """
        if len(secret) < LEAST_BYTES:
            raise OptionError(f"the key has {len(secret)} bytes; expected {LEAST_BYTES} or more: openssl rand -hex 32")
        self._secret = secret

    @property
    def fingerprint(self) -> str:
        """What a plan holds, to know the same key again."""
        return self.digest("fingerprint", "")[:16]

    def digest(self, kind: str, text: str) -> str:
        """What stands for a text: 64 hexadecimal digits; the same for spellings that differ in width and case."""
        same = unicodedata.normalize("NFKC", text).casefold()
        message = f"{kind}\0{same}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def mark(self, text: str) -> bytes:
        """What stands for a text in audit files: 12 bytes; fast, since a leak check makes many."""
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), key=self._secret[:64], digest_size=12, person=b"lexel-audit"
        ).digest()


def read_key(path: str | None) -> Key | None:
    """The key of a file, else of the variable ``LEXEL_REDACT_KEY``; ``None`` without either.

    Raises:
        DataError: If the file cannot be read.
    """
    if path is not None:
        try:
            return Key(Path(path).read_bytes().strip())
        except OSError as error:
            raise DataError(f"{path}: {refused(error)}; expected a file with the key") from error
    secret = os.environ.get(VARIABLE)
    return None if secret is None else Key(secret.encode())
