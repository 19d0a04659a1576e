"""Stilted phrases that pages and help texts must not have; ``python -m tests.docs.plain_words`` lists where they are.

The word list of ``CONTRIBUTING.md``, "Writing". Its own table, which shows the phrases, is left out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("*.md", "docs/*.md", "docs/design/*.md", "docs/migrate/*.md", "docs/users/*.md", "src/lexel/cli/options/*.py")
PHRASES = (
    r"fits no memory",
    r"of the moment",
    r"said aloud",
    r"(?:that|and|it|either) is said\b",
    r"is said too",
    r"is said, ",
    r"if (?:nothing is said|you say nothing)",
    r"goes? on where",
    r"is no number",
    r"held against",
    r"at hand\b",
    r"comes? out otherwise",
    r"are told apart",
    r"from anybody",
    r"(?:^|[.!?] )(?:Read|Taken|Public) are ",
    r"transformers has not\b",
    r"what stands (?:there|on it)",
    r"as (?:it stands|they stand)\b",
    r"stands? beside",
    r"passed over",
    r"for ever\b",
    r"a line each",
)
_PHRASE = re.compile("|".join(PHRASES), re.IGNORECASE)


def found_in(text: str) -> Iterator[tuple[int, str]]:
    """The number of each line with such a phrase, and the phrase."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _PHRASE.search(line):
            yield number, found[0].strip()


def stilted() -> list[str]:
    """Every place with such a phrase, as ``path:line: phrase``."""
    places = []
    for path in sorted({path for pattern in PLACES for path in ROOT.glob(pattern)}):
        text = path.read_text(encoding="utf-8")
        if path.name == "CONTRIBUTING.md":
            text = re.sub(r"^\|.*", "", text, flags=re.MULTILINE)
        places += [f"{path.relative_to(ROOT)}:{number}: {phrase!r}" for number, phrase in found_in(text)]
    return places


if __name__ == "__main__":
    sys.exit("\n".join(stilted()) or 0)
