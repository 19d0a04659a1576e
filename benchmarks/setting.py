"""How large a benchmark is: the full one, and one so small that a test can run it."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.models import BASE, TINY, Folders, Shape


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is read, and how often.

    Whatever decides a bar on a rate is measured ``repetitions`` times; memory, growth and what is only drawn
    ``fewer_repetitions`` times.

    Attributes:
        repetitions: How often a rate is measured that a bar is about.
        fewer_repetitions: How often everything else is measured; odd, so that a median is a measured value.
        shape: The BERT that is measured.
        sentences: Sentences that sorting and packing readers are compared on: many, so that little padding is left.
        fewer_sentences: Sentences that the BERT reads elsewhere, and those who take texts as they come.
        bundled_sentences: Sentences the bundled model reads, and the part without an encoder.
        small_sentences: Sentences that other small models read, and the short texts around the long one.
        long_chars: Characters of the long one.
        lengths: Characters of a text, for the rate by length.
        length_chars: Characters that everyone reads at each of these lengths.
        budgets: Slots of a batch, for the rate by budget.
        counts: Numbers of sentences over which rate and memory must be flat.
        trial_sentences: Sentences on which a peer's batch size is chosen.
        pipeline_batches: The batch sizes that transformers' pipelines may choose from.
        driver_batches: Those of ckip-transformers' driver.
        library_batches: Those of sentence-transformers.
        exported_batches: Those of the exported graph.
        product_repeats: How often the ceiling's product is computed in one go.
    """

    repetitions: int
    fewer_repetitions: int
    shape: Shape
    sentences: int
    fewer_sentences: int
    bundled_sentences: int
    small_sentences: int
    long_chars: int
    lengths: tuple[int, ...]
    length_chars: int
    budgets: tuple[int, ...]
    counts: tuple[int, ...]
    trial_sentences: int
    pipeline_batches: tuple[int, ...]
    driver_batches: tuple[int, ...]
    library_batches: tuple[int, ...]
    exported_batches: tuple[int, ...]
    product_repeats: int


FULL = Sizes(
    repetitions=5,
    fewer_repetitions=3,
    shape=BASE,
    sentences=300,
    fewer_sentences=150,
    bundled_sentences=3_000,
    small_sentences=1_000,
    long_chars=5_000,
    lengths=(8, 32, 125, 500, 2_000),
    length_chars=4_000,
    budgets=(128, 512, 1_024, 2_048, 8_192),
    counts=(1_000, 10_000, 100_000),
    trial_sentences=48,
    pipeline_batches=(1, 8, 32),
    driver_batches=(8, 32, 256),
    library_batches=(8, 32, 128),
    exported_batches=(8, 16, 32),
    product_repeats=20,
)
"""24 minutes on two cores that do one TFLOP/s in bf16, reckoned from kept results; most of them are the peers'."""

QUICK = Sizes(
    repetitions=1,
    fewer_repetitions=1,
    shape=TINY,
    sentences=20,
    fewer_sentences=10,
    bundled_sentences=40,
    small_sentences=20,
    long_chars=1_000,
    lengths=(8, 600),
    length_chars=600,
    budgets=(128, 512),
    counts=(40, 80),
    trial_sentences=4,
    pipeline_batches=(8,),
    driver_batches=(8,),
    library_batches=(8,),
    exported_batches=(8,),
    product_repeats=1,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """What every part is given: sizes, model folders, and the threads that everyone gets."""

    sizes: Sizes
    folders: Folders
    threads: int
