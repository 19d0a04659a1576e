"""``normalise``: one spelling for the same characters, no stray control characters, single blanks."""

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
    """Normalise characters; annotation of the input goes where the text changes.

    Attributes:
        form: A Unicode normal form, or ``none``.
        halfwidth: Make full-width letters, digits and signs of ASCII half-width, and leave all else as it is.
        unseen: Take out control characters, zero-width spaces and byte order marks.
        blanks: Make runs of blanks one blank, and strip the ends of lines.
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
        """A text as it should be."""
        if self.form != "none":
            text = unicodedata.normalize(self.form, text)
        if self.halfwidth:
            text = text.translate(_WIDE)
        if self.unseen:
            text = _UNSEEN.sub("", text)
        if self.blanks:
            text = "\n".join(_BLANKS.sub(" ", line).strip() for line in text.split("\n")).strip("\n")
        return text
