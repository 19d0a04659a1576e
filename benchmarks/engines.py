"""Characters a second by engine and precision: a BERT of full size, and one so small that numpy can carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.machine import has_int8, precisions
from benchmarks.measure import Series, in_turns, rate
from benchmarks.models import Shape
from benchmarks.peers import (
    PIPELINE,
    Peer,
    best_exported,
    best_pipeline,
    by_batch_and_precision,
    choose,
    exported_name,
    pipeline_name,
)
from benchmarks.readers import Reader, lexel_reader, transformers_reader
from benchmarks.report import Part, Row
from benchmarks.setting import Setting
from benchmarks.texts import sentences

RATE = "chars/s"
REFERENCE = "Lexel numpy float64"
ENGINES = {"openvino": "OpenVINO", "torch": "torch"}


def measure_engines(setting: Setting) -> Part:
    """Every engine in every precision that it has here, beside peers, in turns."""
    folders, sizes = setting.folders, setting.sizes
    int8, small_int8 = (folders.int8, folders.small_int8) if has_int8() else (None, None)
    peers = {exported_name(precision): best_exported(setting, precision) for precision in precisions()}
    pipelines = {pipeline_name(precision): best_pipeline(setting, precision) for precision in precisions()}
    small = _small_pipeline(setting)
    contests = [
        _Contest(folders.shape, sizes.fewer_sentences, _ours(setting, folders.bert, int8), peers | pipelines),
        _Contest(
            folders.small_shape,
            sizes.small_sentences,
            _ours(setting, folders.small, small_int8),
            {PIPELINE: small},
            reference=lexel_reader(folders.small, threads=setting.threads, engine="numpy"),
            n_for_reference=sizes.fewer_sentences,
        ),
    ]
    rows = [row for contest in contests for row in contest.rows(repetitions=sizes.fewer_repetitions)]
    note = f"{REFERENCE}: the first {sizes.fewer_sentences:,} of the sentences"
    notes = [*(pipeline.note for pipeline in pipelines.values()), small.note, note]
    return Part("Engines and precisions", rows, [], notes)


@dataclass(frozen=True, slots=True)
class _Contest:
    """Everyone on one shape; the reference engine, if it takes part, on fewer sentences."""

    shape: Shape
    n_sentences: int
    ours: Mapping[str, Reader]
    peers: Mapping[str, Peer]
    reference: Reader | None = None
    n_for_reference: int = 0

    def rows(self, *, repetitions: int) -> list[Row]:
        texts = list(sentences(self.n_sentences))
        readers = {**self.ours, **{name: peer.read for name, peer in self.peers.items()}}
        for name, read in readers.items():  # whoever compiles for shapes has then seen them
            read(texts[:8] if name.startswith(PIPELINE) else texts)
        contestants = {name: partial(rate, read, texts) for name, read in readers.items()}
        if self.reference is not None:
            contestants[REFERENCE] = partial(rate, self.reference, texts[: self.n_for_reference])
        plot = f"{self.shape.name}; {self.n_sentences:,} sentences"
        found = in_turns(contestants, repetitions=repetitions, what=f"engines, {self.shape.name}")
        return [
            Row(f"{self.shape.name}: {name}", series, RATE, plot=plot, label=name, is_peer=name in self.peers)
            for name, series in Series.each(found).items()
        ]


def _ours(setting: Setting, folder: str, int8: str | None) -> dict[str, Reader]:
    """The engines for use, by name; int8 from a folder of its own."""
    make = partial(lexel_reader, threads=setting.threads, device="cpu")
    ours = {} if int8 is None else {"Lexel OpenVINO int8": make(int8, engine="openvino", precision="int8")}
    for engine, name in ENGINES.items():
        for precision in precisions():
            ours[f"Lexel {name} {precision}"] = make(folder, engine=engine, precision=precision)
    return ours


def _small_pipeline(setting: Setting) -> Peer:
    make = partial(transformers_reader, setting.folders.small, threads=setting.threads)
    trial = list(sentences(setting.sizes.trial_sentences))
    return choose(f"{PIPELINE}, small model", by_batch_and_precision(make, setting.sizes.pipeline_batches), trial)
