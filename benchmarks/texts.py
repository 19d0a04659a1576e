"""The sentences that everything reads: real ones, always the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import chain, cycle, islice
from pathlib import Path

DATA = Path(__file__).parents[1] / "tests" / "data"
FILES = ("zh_gsd.jsonl", "zh_gsdsimp.jsonl")
SEED = 20261120


@cache
def all_sentences() -> tuple[str, ...]:
    """Chinese sentences of the test data, in both scripts, in a fixed order without an order of subjects."""
    lines = [line for name in FILES for line in (DATA / name).read_text(encoding="utf-8").splitlines()]
    texts = [json.loads(line)["text"] for line in lines]
    random.Random(SEED).shuffle(texts)
    return tuple(texts)


def sentences(n: int) -> Iterator[str]:
    """The first ``n`` sentences; they begin again where there are no more. Nothing is copied."""
    return islice(cycle(all_sentences()), n)


@cache
def all_english_sentences() -> tuple[str, ...]:
    """English sentences of the test data, in their order."""
    lines = (DATA / "en_ewt.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


def english_sentences(n: int) -> Iterator[str]:
    """The first ``n`` English sentences; they begin again where there are no more."""
    return islice(cycle(all_english_sentences()), n)


def mixed_sentences(n: int) -> Iterator[str]:
    """The first ``n`` of Chinese and English sentences in turns."""
    return islice(chain.from_iterable(zip(cycle(all_sentences()), cycle(all_english_sentences()), strict=False)), n)


SCRIPTS = {"simplified": "zh_gsdsimp.jsonl", "traditional": "zh_gsd.jsonl"}


@cache
def all_of_script(script: str) -> tuple[str, ...]:
    """Chinese sentences of one script, in a fixed order without an order of subjects."""
    lines = (DATA / SCRIPTS[script]).read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    random.Random(SEED).shuffle(texts)
    return tuple(texts)


def sentences_of_script(n: int, *, script: str) -> Iterator[str]:
    """The first ``n`` Chinese sentences of one script; they begin again where there are no more."""
    return islice(cycle(all_of_script(script)), n)


SENTENCES: Mapping[str, Callable[[int], Iterator[str]]] = {
    "chinese": sentences,
    "english": english_sentences,
    "mixed": mixed_sentences,
    **{script: partial(sentences_of_script, script=script) for script in SCRIPTS},
}
"""What a process can be told to read."""


def long_text(n_chars: int) -> str:
    """One text of exactly ``n_chars`` characters, of sentences in a row."""
    return "".join(sentences(2 + n_chars // 10))[:n_chars]


def texts_of_length(length: int, *, n_chars: int) -> list[str]:
    """Texts of exactly ``length`` characters, ``n_chars`` in all; sentences in a row, cut."""
    whole = long_text(n_chars)
    return [whole[start : start + length] for start in range(0, n_chars - length + 1, length)]
