"""Does the model cut a sentence alike in both scripts? Sentences of each script against their conversion to the other.

    python recipes/zh/agreement.py --corpora DIR [--model FOLDER] [--sentences 100]

Prints, for the first sentences of a split, how many words of the one form are words of the other form too (F1 of the
two readings), and the share of sentences that are cut the same throughout.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import opencc
import prepare

import lexel

CONVERSIONS = {"zh_gsdsimp": "s2t", "zh_gsd": "t2s"}


def agreement(nlp: lexel.Tagger, texts: Sequence[str], conversion: str) -> tuple[float, float, int]:
    """F1 of the words of two readings, share of sentences cut the same, and how many sentences were compared.

    A sentence whose conversion changes its length, or changes nothing, is left out.
    """
    convert = opencc.OpenCC(conversion).convert
    pairs = [(text, other) for text in texts if len(other := convert(text)) == len(text) and other != text]
    first, second = ([_spans(doc) for doc in nlp.stream(side)] for side in zip(*pairs, strict=True))
    both = sum(len(a & b) for a, b in zip(first, second, strict=True))
    total = sum(len(a) + len(b) for a, b in zip(first, second, strict=True))
    return 2 * both / total, sum(a == b for a, b in zip(first, second, strict=True)) / len(pairs), len(pairs)


def _spans(document: lexel.Document) -> set[tuple[int, int]]:
    return {(word.start, word.end) for word in document.words}


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True)
    parser.add_argument("--model", help="the bundled one if not given")
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    nlp = lexel.load(options.model)
    for name, conversion in CONVERSIONS.items():
        texts = [record["text"] for record in prepare.read_labelled(options.corpora, name, options.split)]
        f1, same, n = agreement(nlp, texts[: options.sentences], conversion)
        scores = f"words {100 * f1:.2f} F1, sentences {100 * same:.1f} %"
        print(f"{name} {options.split}, {n} sentences, {conversion}: {scores}")


if __name__ == "__main__":
    main()
