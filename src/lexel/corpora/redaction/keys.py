"""The key of a job's pseudonyms, from a file or a variable. A plan stores its fingerprint only, never the key."""

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
    """Computes keyed digests of texts, which cannot be computed or guessed without the key."""

    def __init__(self, secret: bytes) -> None:
        """Make a key from a secret.

        Raises:
            OptionError: If it is too short.
        """
        if len(secret) < LEAST_BYTES:
            raise OptionError(f"the key has {len(secret)} bytes; expected {LEAST_BYTES} or more: openssl rand -hex 32")
        self._secret = secret

    @property
    def fingerprint(self) -> str:
        """The fingerprint for a plan, to recognise the same key."""
        return self.digest("fingerprint", "")[:16]

    def digest(self, kind: str, text: str) -> str:
        """The digest of a text: 64 hexadecimal digits; equal for spellings that differ only in width and case."""
        same = unicodedata.normalize("NFKC", text).casefold()
        message = f"{kind}\0{same}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def mark(self, text: str) -> bytes:
        """The mark of a text in audit files: 12 bytes; fast, since a leak check computes many."""
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), key=self._secret[:64], digest_size=12, person=b"lexel-audit"
        ).digest()


def read_key(path: str | None) -> Key | None:
    """The key from a file, else from the variable ``LEXEL_REDACT_KEY``; ``None`` without either.

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
