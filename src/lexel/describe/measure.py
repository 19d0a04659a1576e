"""Measures a model's speed on this machine, and computes the price of a million characters and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from lexel.checkpoint import Checkpoint
from lexel.describe.languages import SAMPLES
from lexel.engines.choose import describe as describe_engine
from lexel.names import TAGGING
from lexel.tasks.answer import Answerer
from lexel.tasks.classify import Classifier
from lexel.tasks.embed import Embedder
from lexel.tasks.tag import Tagger
from lexel.text.tokenizer import load_tokenizer

SECONDS = 3.0
_SINGLE = 15


@dataclass(frozen=True, slots=True)
class Speed:
    """The measured speed.

    Attributes:
        engine: The engine.
        load_s: Seconds from loading to the first result.
        latency_s: Median seconds for a single text.
        chars_per_s: Characters per second, with many texts at once.
        pieces_per_s: The model's own tokens per second.
    """

    engine: str
    load_s: float
    latency_s: float
    chars_per_s: float
    pieces_per_s: float

    def price_of_million_chars(self, hour: float) -> float:
        """Price of a million characters at a price per machine-hour."""
        return hour * 1e6 / self.chars_per_s / 3600

    def price_of_million_pieces(self, hour: float) -> float:
        """Price of a million tokens at a price per machine-hour."""
        return hour * 1e6 / self.pieces_per_s / 3600


def measure(checkpoint: Checkpoint, texts: Sequence[str] = (), *, seconds: float = SECONDS, **loading: Any) -> Speed:
    """Measure a model on texts.

    Args:
        checkpoint: The model.
        texts: Your texts; by default sentences in several languages.
        seconds: Duration of the rate measurement.
        loading: Fields of ``EngineOptions``.
    """
    texts = list(texts) or [text for text in SAMPLES.values() for _ in range(8)]
    began = perf_counter()
    read, engine = _reader(checkpoint, loading)
    _exhaust(read(texts[:1]))
    loaded = perf_counter() - began
    _exhaust(read(texts))
    singles = [_seconds(read, texts[i % len(texts) :][:1]) for i in range(_SINGLE)]
    n_chars = spent = n_rounds = 0.0
    while spent < seconds:
        spent += _seconds(read, texts)
        n_chars += sum(map(len, texts))
        n_rounds += 1
    config = checkpoint.config
    tokenizer = load_tokenizer(checkpoint.source.folder, pieces=checkpoint.pieces, model_type=config.model_type)
    n_pieces = len(tokenizer.encode(texts)) * n_rounds
    return Speed(engine, loaded, median(singles), n_chars / spent, n_pieces / spent)


def _reader(checkpoint: Checkpoint, loading: dict[str, Any]) -> tuple[Callable[[Sequence[str]], Iterable[Any]], str]:
    tasks = {head.task for head in checkpoint.heads.values()}
    if tasks.intersection(TAGGING):
        tagger = Tagger.load(checkpoint, **loading)
        return tagger.stream, "; ".join(describe_engine(flow.engine) for flow in tagger.flows)
    if "classify" in tasks:
        classifier = Classifier.load(checkpoint, **loading)
        return classifier.stream, describe_engine(classifier.flow.engine)
    if "answer" in tasks:
        answerer = Answerer.load(checkpoint, **loading)
        return lambda texts: answerer.stream([(texts[0], text) for text in texts]), describe_engine(
            answerer.flow.engine
        )
    embedder = Embedder.load(checkpoint, **loading)
    return embedder.stream, describe_engine(embedder.flow.engine)


def _seconds(read: Callable[[Sequence[str]], Iterable[Any]], texts: Sequence[str]) -> float:
    began = perf_counter()
    _exhaust(read(texts))
    return perf_counter() - began


def _exhaust(results: Iterable[Any]) -> None:
    for _ in results:
        pass
