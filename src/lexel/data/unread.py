"""Warns of annotation under keys of other tools that a reader does not read, so that no label is dropped silently."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

_KEYS = {
    "label": "doccano or CLUENER",
    "labels": "doccano",
    "spans": "Prodigy",
    "ner_tags": "Hugging Face datasets",
    "tokens": "Hugging Face datasets",
    "annotations": "Label Studio",
    "completions": "Label Studio",
}
"""Keys of JSON records, and the tools that write annotation under them."""

_TAG = re.compile(r"[BIESLUMW]-\w.*")

_logger = logging.getLogger("lexel")


class Unread:
    """Warns once for each key with annotation that is not read.

    Attributes:
        name: The file's name in log messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: set[str] = set()

    def look_at_record(self, record: Mapping[str, Any], keys: Iterable[str]) -> None:
        """Warn of annotation in a JSON record.

        Args:
            record: The record.
            keys: Its keys that are unknown to the reader.
        """
        for key in keys:
            if key in _KEYS and key not in self._known and isinstance(record[key], list | dict) and record[key]:
                self._known.add(key)
                _logger.warning(
                    "%s: annotation under %r (as by %s) is not read; expected entities as "
                    "'entities': [[start, end, label], ...], words as 'words': [[start, end], ...]",
                    self.name,
                    key,
                    _KEYS[key],
                )

    def look_at_misc(self, misc: Mapping[str, str], *, entity_key: str) -> None:
        """Warn of entity tags in CoNLL-U's MISC under a key that is not read."""
        for key, value in misc.items():
            if key != entity_key and key not in self._known and _TAG.fullmatch(value):
                self._known.add(key)
                _logger.warning(
                    "%s: entity tags under %r in MISC are not read; expected %r; name the key with --entity-key %s",
                    self.name,
                    key,
                    entity_key,
                    key,
                )
