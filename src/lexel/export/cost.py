"""What a quantised graph costs: scores before and after, decisions that come out otherwise, size and speed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from lexel.checkpoint import Checkpoint, open_checkpoint
from lexel.document import Document
from lexel.engines.base import Rows, Scores
from lexel.engines.choose import EngineOptions
from lexel.engines.openvino import inputs_of
from lexel.evaluation.results import Mistake, Results
from lexel.evaluation.run import evaluate
from lexel.metrics.scores import Estimate
from lexel.tasks.base import Flow, gather_blocks
from lexel.tasks.loading import start_flow
from lexel.tasks.tag import Tagger

_ROUNDS = 3
_EXAMPLES = 10
_TIMED_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class LayerCost:
    """F1 of a layer before and after, each with its interval."""

    before: Estimate
    after: Estimate

    @property
    def points(self) -> float:
        """Points of F1 that were lost."""
        return 100 * (self.before.value - self.after.value)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a quantised folder costs, and gains.

    Attributes:
        layers: F1 by layer on gold documents; empty without any.
        flips: By output, decisions of a thousand that come out otherwise; of ``hidden.N``, a thousand times the mean
            cosine distance of its vectors.
        examples: Words, tags and entities that are read otherwise than before, in context.
        n_bytes: Size of the graph's weights.
        n_bytes_before: Size of the weights it was made of.
        chars_per_second: Of text to results, quantised, in the same run as the next.
        chars_per_second_before: The same in the best other precision.
    """

    layers: Mapping[str, LayerCost]
    flips: Mapping[str, float]
    examples: Sequence[Mistake] = field(repr=False)
    n_bytes: int
    n_bytes_before: int
    chars_per_second: float
    chars_per_second_before: float

    def is_within(self, max_drop: float, max_flips: float) -> bool:
        """Whether it is allowed: by points of F1 where there is gold, else by flips."""
        if self.layers:
            return all(layer.points <= max_drop for layer in self.layers.values())
        return all(flips <= max_flips for flips in self.flips.values())

    def in_words(self) -> str:
        """The losses in one line."""
        if self.layers:
            return ", ".join(f"{name} {layer.points:+.2f} points" for name, layer in self.layers.items())
        return ", ".join(f"{flips:.1f} of 1,000 {name}" for name, flips in self.flips.items())

    def record(self) -> dict[str, Any]:
        """For ``lexel.json``, without the examples."""
        values = asdict(replace(self, examples=()))
        del values["examples"]
        return values


class Scorer:
    """Compares a quantised graph with the checkpoint that it was made of.

    Args:
        checkpoint: What was quantised.
        gold: Labelled documents, if there are any that the checkpoint has a head for.
        texts: Text to compare decisions on.
    """

    def __init__(self, checkpoint: Checkpoint, gold: Sequence[Document], *, texts: Sequence[str]) -> None:
        self._checkpoint = checkpoint
        self._gold = gold
        self._texts = texts
        self._tagger = Tagger.load(checkpoint) if gold else None
        self._before = None if self._tagger is None else evaluate(self._tagger, gold)
        self._flow = _flow(checkpoint, "auto")
        self._outputs = read_outputs(self._flow, texts)

    @property
    def has_gold(self) -> bool:
        """Whether scores are compared, and not decisions."""
        return self._before is not None

    def worst(self, compiled: Any) -> float:
        """How good a compiled graph is: 1 less the largest share lost, of a layer's F1 or of the decisions."""
        engine = CompiledEngine(compiled)
        if self._before is None:
            flow = Flow("compiled", self._checkpoint, engine, outputs=self._flow.outputs)
            return 1 - max(flips_between(self._outputs, read_outputs(flow, self._texts)).values()) / 1000
        tagger = Tagger.load(self._checkpoint, precision="float32")
        for flow in tagger.flows:
            flow.engine = engine
        return 1 - max(layer.points for layer in layer_costs(self._before, evaluate(tagger, self._gold)).values()) / 100

    def cost(self, folder: Path) -> Cost:
        """What a written folder costs."""
        quantised = open_checkpoint(folder)
        flow = _flow(quantised, "int8")
        layers: dict[str, LayerCost] = {}
        examples: list[Mistake] = []
        if self._before is not None and self._tagger is not None:
            tagger = Tagger.load(quantised, precision="int8")
            layers = layer_costs(self._before, evaluate(tagger, self._gold))
            as_before = list(self._tagger.stream(document.text for document in self._gold))
            examples = evaluate(tagger, as_before).mistakes[:_EXAMPLES]
        before, after = speeds(self._flow, flow, self._texts)
        return Cost(
            layers=layers,
            flips=flips_between(self._outputs, read_outputs(flow, self._texts)),
            examples=examples,
            n_bytes=(folder / "openvino-int8.bin").stat().st_size,
            n_bytes_before=(folder / "model.safetensors").stat().st_size,
            chars_per_second=after,
            chars_per_second_before=before,
        )


class CompiledEngine:
    """An engine over a graph that is compiled already, its outputs named."""

    name, precision, device, threads = "openvino", "int8", "CPU", 1

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self._place = {name: i for i, output in enumerate(compiled.outputs) for name in output.get_names()}

    def run(self, batches: Iterable[Rows], outputs: Sequence[str]) -> Iterator[Scores]:
        """See ``lexel.engines.base.Engine.run``."""
        for rows in batches:
            self._request.infer(inputs_of(rows))
            yield {
                name: self._request.get_output_tensor(self._place[name]).data[: len(rows.picks)].copy()
                for name in outputs
            }


def outputs_of(checkpoint: Checkpoint) -> tuple[str, ...]:
    """What a quantised graph computes: every head, and the last layer."""
    return (*checkpoint.heads, f"hidden.{checkpoint.config.n_layers}")


def _flow(checkpoint: Checkpoint, precision: str) -> Flow:
    outputs = [name for name in outputs_of(checkpoint) if not _is_wide(checkpoint, name)]
    return start_flow(checkpoint, outputs, EngineOptions(engine="openvino", precision=precision))


def _is_wide(checkpoint: Checkpoint, output: str) -> bool:
    """Whether an output has a score for every piece of the vocabulary."""
    return output in checkpoint.heads and checkpoint.heads[output].task == "fill"


def read_outputs(flow: Flow, texts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """A flow's outputs at every piece of the texts, ``[pieces, width]`` each."""
    readings = [block.readings[flow.name] for block in flow.read(gather_blocks(texts))]
    return {name: np.concatenate([reading.scores[name] for reading in readings]) for name in flow.outputs}


def flips_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """By output, decisions of a thousand that differ; of hidden states, 1,000 x the mean cosine distance."""
    return {
        name: 1000 * (_distance(scores, after[name]) if name.startswith("hidden.") else _flips(scores, after[name]))
        for name, scores in before.items()
    }


def _flips(before: Any, after: Any) -> float:
    return float(np.mean(before.argmax(-1) != after.argmax(-1))) if len(before) else 0.0


def _distance(before: Any, after: Any) -> float:
    norms = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    return float(1 - np.mean(np.sum(before * after, axis=-1) / np.maximum(norms, 1e-12))) if len(before) else 0.0


def layer_costs(before: Results, after: Results) -> dict[str, LayerCost]:
    """F1 of the layers that were scored: words, words with their tags, strict entities."""
    scores: dict[str, LayerCost] = {}
    if before.words is not None and after.words is not None:
        scores["words"] = LayerCost(before.words.words.f1, after.words.words.f1)
    if before.pos is not None and after.pos is not None:
        scores["pos"] = LayerCost(before.pos.words_and_tags.f1, after.pos.words_and_tags.f1)
    if before.entities is not None and after.entities is not None:
        scores["entities"] = LayerCost(before.entities.strict.micro.f1, after.entities.strict.micro.f1)
    return scores


def speeds(before: Flow, after: Flow, texts: Sequence[str]) -> tuple[float, float]:
    """Characters a second of two flows: medians of a few rounds, taken in turns."""
    sample = list(islice(texts, 2000))
    while sum(map(len, sample)) > _TIMED_CHARS:
        sample = sample[: len(sample) // 2]
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        for flow, seconds in zip((before, after), rates, strict=True):
            began = perf_counter()
            read_outputs(flow, sample)
            seconds.append(sum(map(len, sample)) / (perf_counter() - began))
    return float(np.median(rates[0])), float(np.median(rates[1]))
