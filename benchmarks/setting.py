"""How large a benchmark is: the full one, and one so small that a test can run it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.models import BASE, TINY, Folders, Shape


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is read, and how often.

    Attributes:
        repetitions: How often everything is measured.
        shape: The BERT that is measured.
        sentences: Sentences it reads.
        bundled_sentences: Sentences the bundled model reads beside jieba, and the part without an encoder.
        short_texts: Short texts around the long one.
        long_chars: Characters of the long one.
        counts: Numbers of sentences over which rate and memory must be flat.
        trial_sentences: Sentences on which a peer's batch size is chosen.
        product_repeats: How often the ceiling's product is computed in one go.
    """

    repetitions: int
    shape: Shape
    sentences: int
    bundled_sentences: int
    short_texts: int
    long_chars: int
    counts: tuple[int, ...]
    trial_sentences: int
    product_repeats: int


FULL = Sizes(
    repetitions=5,
    shape=BASE,
    sentences=300,
    bundled_sentences=3_000,
    short_texts=2_000,
    long_chars=5_000,
    counts=(1_000, 10_000, 100_000),
    trial_sentences=60,
    product_repeats=20,
)
QUICK = Sizes(
    repetitions=1,
    shape=TINY,
    sentences=20,
    bundled_sentences=40,
    short_texts=20,
    long_chars=1_000,
    counts=(40, 80),
    trial_sentences=8,
    product_repeats=1,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part is given: sizes, model folders, and the threads that everyone gets."""

    sizes: Sizes
    folders: Folders
    threads: int
