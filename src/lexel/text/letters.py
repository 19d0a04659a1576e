"""The scripts of a text's letters, by Unicode; for the scripts of Chinese, see ``lexel.text.script``."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

_SCRIPTS = {
    "ARABIC": "Arab",
    "CJK": "Hani",
    "CYRILLIC": "Cyrl",
    "DEVANAGARI": "Deva",
    "GREEK": "Grek",
    "HANGUL": "Hang",
    "HEBREW": "Hebr",
    "HIRAGANA": "Hira",
    "KATAKANA": "Kana",
    "LATIN": "Latn",
    "THAI": "Thai",
}


@lru_cache(maxsize=65_536)
def script_of(char: str) -> str | None:
    """The ISO 15924 code of a letter's script, by its Unicode name; ``None`` for other characters."""
    if not char.isalpha():
        return None
    return _SCRIPTS.get(re.split("[ -]", unicodedata.name(char, ""))[0])


def count_scripts(text: str) -> dict[str, int]:
    """Number of letters of each script in a text."""
    codes, counts = np.unique(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4"), return_counts=True)
    found: dict[str, int] = {}
    for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
        if script := script_of(chr(code)):
            found[script] = found.get(script, 0) + count
    return found


def main_script(words: Iterable[str]) -> str | None:
    """The script of most words, by the letters of each word; ``None`` if no word has letters.

    Japanese is written in ideographs and kana: if the kana are more than a tenth of both, the script is ``Jpan``.
    """
    counts: Counter[str] = Counter()
    for word in words:
        letters = Counter(filter(None, map(script_of, word)))
        if letters:
            counts[letters.most_common(1)[0][0]] += 1
    kana = counts.pop("Hira", 0) + counts.pop("Kana", 0)
    if 10 * kana > kana + counts["Hani"]:
        counts["Jpan"] = kana + counts.pop("Hani", 0)
    return counts.most_common(1)[0][0] if counts.total() else None
