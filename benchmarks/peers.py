"""The peers on the measured BERT, each at the setting that a trial found best; chosen once in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial

from benchmarks.machine import precisions
from benchmarks.measure import fastest
from benchmarks.readers import Reader, ckip_reader, exported_reader, transformers_reader
from benchmarks.setting import Setting
from benchmarks.texts import sentences

PIPELINE = "transformers pipeline"
CKIP = "ckip-transformers driver"
DTYPES = {"float32": "float32", "bf16": "bfloat16"}
"""What torch calls a precision."""
_FEW = 8


@dataclass(frozen=True, slots=True)
class Peer:
    """Somebody else's reader.

    Attributes:
        read: What is measured.
        choice: Its setting, in words.
        note: How that was chosen.
    """

    read: Reader
    choice: str
    note: str


def choose(
    who: str, makers: Mapping[str, Callable[[], Reader]], texts: Sequence[str], *, compiles: bool = False
) -> Peer:
    """A peer at its fastest setting.

    Args:
        who: Its name.
        makers: Its settings.
        texts: What the trial reads.
        compiles: Whether it compiles for the shapes that it sees, and is to see all of them before the trial.
    """
    choice, read = fastest(makers, texts, who=who, warm_up=texts if compiles else texts[:_FEW])
    among = f"the best of {len(makers)} settings on {len(texts)} texts"
    return Peer(read, choice, f"{who}: {choice}, {among}")


def by_batch(make: Callable[..., Reader], batches: Sequence[int]) -> dict[str, Callable[..., Reader]]:
    """Settings that differ in the batch size."""
    return {f"batches of {batch}": partial(make, batch=batch) for batch in batches}


def by_batch_and_precision(make: Callable[..., Reader], batches: Sequence[int]) -> dict[str, Callable[..., Reader]]:
    """Settings that differ in the batch size and the precision, each that the processor computes."""
    return {
        f"{batch}, {precision}": partial(maker, dtype=DTYPES[precision])
        for batch, maker in by_batch(make, batches).items()
        for precision in precisions()
    }


@cache
def best_pipeline(setting: Setting, precision: str) -> Peer:
    """transformers' pipeline for token classification in one precision."""
    make = partial(transformers_reader, setting.folders.bert, threads=setting.threads, dtype=DTYPES[precision])
    return choose(pipeline_name(precision), by_batch(make, setting.sizes.pipeline_batches), _trial(setting))


def pipeline_name(precision: str) -> str:
    """How transformers' pipeline is called in a report."""
    return f"{PIPELINE}, {precision}"


@cache
def best_driver(setting: Setting) -> Peer:
    """ckip-transformers' driver."""
    make = partial(ckip_reader, setting.folders.bert, threads=setting.threads)
    return choose(CKIP, by_batch(make, setting.sizes.driver_batches), _trial(setting))


@cache
def best_exported(setting: Setting, precision: str) -> Peer:
    """OpenVINO on the exported graph; few sentences would not show what sorting and streams are worth to it."""
    make = partial(exported_reader, setting.folders.bert, threads=setting.threads, precision=precision)
    makers = {
        f"{batches}, {streams} stream{'s' * (streams > 1)}": partial(maker, streams=streams)
        for batches, maker in by_batch(make, setting.sizes.exported_batches).items()
        for streams in sorted({1, setting.threads})
    }
    return choose(exported_name(precision), makers, list(sentences(setting.sizes.sentences)), compiles=True)


def exported_name(precision: str) -> str:
    """How the exported graph is called in a report."""
    return f"OpenVINO {precision}, exported graph, sorted"


def _trial(setting: Setting) -> list[str]:
    return list(sentences(setting.sizes.trial_sentences))
