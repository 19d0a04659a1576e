"""Counts in how many paragraphs of open text each word stands, for ``lexel.jieba_like.analyse``.

    pip install "lexel[script]"
    python recipes/keywords/make.py --corpora DIR --out src/lexel/jieba_like/counts.txt.gz

``DIR`` holds ``raw/<name>.txt[.xz]``, a paragraph a line, of the sources below; their licences are in
``recipes/zh/sources.yaml``. The bundled model finds the words. Both scripts are counted together, and each word is
written in both. Prints how many paragraphs and words there are.
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from opencc import OpenCC

import lexel

SOURCES = (
    "wikipedia_shards",
    "wikipedia_itn",
    "drcd",
    "cmrc2018",
    "xquad_zh",
    "ntrex128",
    "tico19_zh",
    "readr_election_talks",
    "kdconv",
)
LEAST = 3
"""Paragraphs that a word must stand in."""

_WORD = re.compile("[\u3400-\u9fff]+|[A-Za-z]{2,}")


def paragraphs(folder: Path) -> Iterator[str]:
    """The paragraphs of all sources."""
    for name in SOURCES:
        plain = folder / "raw" / f"{name}.txt"
        with (
            open(plain, encoding="utf-8")
            if plain.exists()
            else lzma.open(f"{plain}.xz", "rt", encoding="utf-8") as lines
        ):
            yield from filter(str.strip, lines)


def count(texts: Iterator[str]) -> tuple[int, Counter[str]]:
    """The number of paragraphs, and in how many each word stands, in simplified characters."""
    simplified = OpenCC("t2s").convert
    known: dict[str, str] = {}
    counts, n_read = Counter[str](), 0
    for document in lexel.load().stream(texts):
        n_read += 1
        words = {word for word in document.words.texts if _WORD.fullmatch(word)}
        counts.update({known.setdefault(word, simplified(word).lower()) for word in words})
    return n_read, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    n, counts = count(paragraphs(given.corpora))
    traditional = OpenCC("s2t").convert
    both = {form: k for word, k in counts.items() if k >= LEAST for form in (traditional(word), word)}
    lines = [
        f"# {n} paragraphs",
        *(f"{word}\t{k}" for word, k in sorted(both.items(), key=lambda one: (-one[1], one[0]))),
    ]
    given.out.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n", 9, mtime=0))
    print(f"{n:,} paragraphs, {len(both):,} words, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
