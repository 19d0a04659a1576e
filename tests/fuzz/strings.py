"""Random strings through every kind of tokenizer and the bundled model: what must hold of every result.

    python -m tests.fuzz.strings --count 200000 --state strings.json

Words and entities are sorted, disjoint, not empty, and slice the text; words tile it. The strings follow from the seed
and the number of the batch alone, so a run that was stopped goes on where its state file says, and a failure names the
batch that repeats it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lexel.tasks.tag import Tagger
from tests.flow.test_any_text import FRAGMENTS, KINDS, check

BATCH = 500
"""Strings that are read together."""

RANGES = ((0x20, 0x7F), (0x4E00, 0xA000), (0xFF01, 0xFF5F), (0x300, 0x370), (0x1F1E6, 0x1F200), (0x1F300, 0x1F700))
"""Where half of the characters come from; the others come from anywhere, lone surrogates included."""

READERS: dict[str, Callable[[Path], Tagger]] = {
    **{kind: KINDS[kind] for kind in ("characters", "word pieces", "bytes", "unigrams")},
    "bundled": lambda _: Tagger.load(threads=1),
}


def strings(seed: int, batch: int) -> Iterator[str]:
    """The strings of one batch."""
    choose = random.Random(f"{seed}:{batch}")
    for _ in range(BATCH):
        parts = [
            choose.choice(FRAGMENTS) if choose.random() < 0.3 else _char(choose) for _ in range(choose.randint(0, 24))
        ]
        yield "".join(parts)


def _char(choose: random.Random) -> str:
    low, high = choose.choice(RANGES) if choose.random() < 0.5 else (0, 0x110000)
    return chr(choose.randrange(low, high))


def run(kind: str, tagger: Tagger, *, seed: int, count: int, done: dict[str, int], state: Path) -> None:
    """Read ``count`` strings, less those that the state says are done."""
    started = time.monotonic()
    tags, labels = tagger.layers["pos"].head.labels, tagger.layers["entities"].label_set.types
    for batch in range(done.get(kind, 0) // BATCH, -(-count // BATCH)):
        texts = list(strings(seed, batch))
        try:
            documents = list(tagger.stream(texts))
            assert len(documents) == len(texts)
            for document, text in zip(documents, texts, strict=True):
                check(document, text, tags=tags, labels=labels)
        except BaseException:
            print(f"{kind}: batch {batch} of seed {seed} fails", file=sys.stderr)
            raise
        done[kind] = (batch + 1) * BATCH
        state.write_text(json.dumps(done), encoding="utf-8")
    print(f"{kind}: {done.get(kind, 0):,} strings, no fault, {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200_000, help="strings for each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(READERS))
    parser.add_argument("--state", type=Path, default=Path("strings.json"), help="where progress is kept")
    asked = parser.parse_args()
    done = json.loads(asked.state.read_text(encoding="utf-8")) if asked.state.exists() else {}
    for kind in asked.kinds.split(","):
        with tempfile.TemporaryDirectory() as folder:
            run(kind, READERS[kind](Path(folder)), seed=asked.seed, count=asked.count, done=done, state=asked.state)


if __name__ == "__main__":
    main()
