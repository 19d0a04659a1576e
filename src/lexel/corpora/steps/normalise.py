"""``normalise``: normalises Unicode, and removes stray control characters and repeated spaces."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from lexel.corpora.steps.base import Apply, Machine, Step

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
"""Full-width forms of ASCII, and the ideographic space."""
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2060\ufeff\ufff9-\ufffb]")
_BLANKS = re.compile(r"[^\S\n]+")


@dataclass(frozen=True)
class Normalise(Step):
    """Normalise characters; if the text of a record changes, its annotation is removed.

    Attributes:
        form: A Unicode normal form, or ``none``.
        halfwidth: Convert full-width ASCII letters, digits and symbols to half-width, and nothing else.
        unseen: Remove control characters, zero-width spaces and byte order marks.
        blanks: Replace runs of spaces by one space, and strip the ends of lines.
    """

    name = "normalise"

    form: Literal["NFC", "NFKC", "none"] = "NFC"
    halfwidth: bool = False
    unseen: bool = True
    blanks: bool = True

    def start(self, machine: Machine) -> Apply:
        """See ``Step.start``."""
        return lambda records, shard: [record.with_text(self.normalised(record.text)) for record in records]

    def normalised(self, text: str) -> str:
        """The normalised text."""
        if self.form != "none":
            text = unicodedata.normalize(self.form, text)
        if self.halfwidth:
            text = text.translate(_WIDE)
        if self.unseen:
            text = _UNSEEN.sub("", text)
        if self.blanks:
            text = "\n".join(_BLANKS.sub(" ", line).strip() for line in text.split("\n")).strip("\n")
        return text
