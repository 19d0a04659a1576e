"""Classes of texts by a BERT of full size, beside transformers' text-classification pipeline."""

from __future__ import annotations

from functools import partial

from benchmarks.embedding import RATE
from benchmarks.machine import precisions
from benchmarks.peers import by_batch_and_precision, choose
from benchmarks.readers import Reader, lexel_classifier_reader, text_classification_reader
from benchmarks.report import Part, Row
from benchmarks.setting import Setting
from benchmarks.shares import over, rates_and_shares
from benchmarks.texts import sentences

PIPELINE = "transformers text-classification"


def measure_classification(setting: Setting) -> Part:
    """BERT with random weights and three classes: Lexel and the pipeline, in turns."""
    folder, threads = setting.folders.classifier, setting.threads
    make = partial(text_classification_reader, folder, threads=threads)
    trial = list(sentences(setting.sizes.trial_sentences))
    pipeline = choose(PIPELINE, by_batch_and_precision(make, setting.sizes.pipeline_batches), trial)
    readers: dict[str, Reader] = {
        f"Lexel {precision}": lexel_classifier_reader(folder, threads=threads, precision=precision)
        for precision in precisions()
    }
    readers[PIPELINE] = pipeline.read
    texts = list(sentences(setting.sizes.fewer_sentences))
    for name, read in readers.items():  # whoever compiles for shapes has then seen them
        read(texts if name.startswith("Lexel") else texts[:32])
    rates, shares = rates_and_shares(readers, texts, setting, what="classification")
    figure = "classification, bf16 over transformers' text-classification at its best batch size and precision"
    bars = [over(figure, 8, mine="Lexel bf16", theirs=PIPELINE, rates=rates, shares=shares, note=pipeline.choice)]
    rows = [Row(name, series, RATE, is_peer=name == PIPELINE) for name, series in rates.items()]
    return Part("Classification", rows, bars, [pipeline.note])
