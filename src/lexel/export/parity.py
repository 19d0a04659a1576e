"""Compares an exported graph with an engine: both read the same text, the graph with its own runtime."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.checkpoint.sentence_transformers import SentenceModules
from lexel.engines.choose import EngineOptions, start_engine
from lexel.engines.packing import Sequences, build_rows, pack
from lexel.errors import EngineError
from lexel.export.calibration import read_calibration, sample_text
from lexel.export.standard import Target, input_names, outputs_of
from lexel.tasks.embed import Embedder
from lexel.tasks.loading import start_flow
from lexel.text.tokenizer import Tokenizer, load_tokenizer

MOST_APART = 1e-4
"""Allowed difference of a float32 graph from the engine, for numbers up to 1; proportional for larger ones."""

_N_TEXTS = 48
_BATCH = 8

Arrays = Mapping[str, NDArray[Any]]

Run = Callable[[Arrays], Arrays]
"""Runs a graph on padded rows: maps its inputs by name, int64, to its outputs by name."""


def exact_engine() -> EngineOptions:
    """The engine that graphs are compared with: OpenVINO in float32, or without it NumPy in float64, which is slow."""
    if find_spec("openvino") is None:
        return EngineOptions(engine="numpy")
    return EngineOptions(engine="openvino", precision="float32")


@dataclass(frozen=True, slots=True)
class Parity:
    """The difference between a graph and the engine.

    Attributes:
        largest: The largest absolute difference.
        scale: The largest absolute value.
        changed: Changed decisions per thousand; for vectors, 1,000 times one minus the mean cosine.
        n_texts: Number of texts.
    """

    largest: float
    scale: float
    changed: float
    n_texts: int

    def check(self, where: Path, *, is_exact: bool, max_flips: float) -> None:
        """Refuse a graph that differs too much from the engine.

        Raises:
            EngineError: If it differs too much.
        """
        bound = MOST_APART * max(1.0, self.scale)
        if is_exact and not self.largest <= bound:
            raise EngineError(f"{where}: differs from the model by {self.largest:.2g}; expected at most {bound:.2g}")
        if not is_exact and not self.changed <= max_flips:
            raise EngineError(
                f"{where}: {self.changed:.1f} of 1,000 decisions differ from the model's; expected at most "
                f"{max_flips:g} (--max-flips). Nothing was written; export float32, or allow more"
            )


class Reference:
    """The engine's outputs on the calibration text, for comparing graphs with them.

    Args:
        checkpoint: The model.
        target: The outputs of the graphs.
        modules: The contents of its sentence-transformers files, if it has them.
    """

    def __init__(self, checkpoint: Checkpoint, target: Target, *, modules: SentenceModules | None = None) -> None:
        self._checkpoint, self.target, self._modules = checkpoint, target, modules
        self._texts, self._ids = _sample(checkpoint, target)

    def compare(self, run: Run) -> Parity:
        """Run a graph, and compare."""
        found, expected = self._run(run), self._expected
        apart = max(float(np.abs(found[name] - expected[name]).max()) for name in expected)
        scale = max(float(np.abs(array).max()) for array in expected.values())
        changed = max(_changed(name, found[name], expected[name]) for name in expected)
        return Parity(apart, scale, changed, len(self._texts))

    def _run(self, run: Run) -> Arrays:
        """The graph's outputs for the pieces, or per text, of all texts, concatenated."""
        inputs = input_names(self._checkpoint)
        parts: dict[str, list[Any]] = defaultdict(list)
        for start in range(0, len(self._ids), _BATCH):
            some = self._ids[start : start + _BATCH]
            mask = (np.arange(max(map(len, some))) < np.array([[len(ids)] for ids in some])).astype(np.int64)
            padded = np.full(mask.shape, self._checkpoint.config.pad_id, np.int64)
            padded[mask == 1] = np.concatenate(some)
            given = {"input_ids": padded, "attention_mask": mask, "token_type_ids": np.zeros_like(mask)}
            for name, array in run({name: given[name] for name in inputs}).items():
                parts[name].append(array if self._is_by_text(name) else array[mask == 1])
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}

    def _is_by_text(self, output: str) -> bool:
        head = self.target.head
        return output == "sentence_embedding" or (head is not None and head.task == "classify")

    @cached_property
    def _expected(self) -> Arrays:
        checkpoint, head = self._checkpoint, self.target.head
        wanted = outputs_of(checkpoint, self.target)
        if self.target.plan is not None:
            last = next(name for name in reversed(wanted) if name.startswith("hidden."))
            return {"last_hidden_state": self._compute([last]), "sentence_embedding": self._vectors()}
        if self.target.joint:
            return {name: self._compute([name]) for name in wanted}
        scores = self._compute(wanted)
        if head is None:
            return {"last_hidden_state": scores}
        if head.task == "answer":
            return {"start_logits": scores[:, 0], "end_logits": scores[:, 1]}
        return {"logits": scores}

    def _compute(self, outputs: Sequence[str]) -> NDArray[Any]:
        """One output of the engine for every piece, or for a classifier, for the first piece of each text."""
        config = self._checkpoint.config
        ids = np.concatenate(self._ids).astype(np.int32)
        bounds = np.cumsum([0, *map(len, self._ids)])
        picked = np.ones(len(ids), np.bool_)
        if self._is_by_text(outputs[0]):
            picked[:] = False
            picked[bounds[:-1]] = True
        sequences = Sequences(ids, np.zeros_like(ids), picked, bounds)
        placed = pack(np.diff(bounds), max_length=config.max_positions)
        batches = [build_rows(sequences, placement, pad=config.pad_id) for placement in placed]
        engine = start_engine(self._checkpoint, exact_engine(), heads=outputs)
        scores = [part[outputs[0]] for part in engine.run((rows for rows, _ in batches), outputs)]
        order = np.argsort(np.concatenate([asked for _, asked in batches]))
        return np.concatenate(scores)[order]

    def _vectors(self) -> NDArray[Any]:
        assert self.target.plan is not None
        plan = replace(self.target.plan, prompt="")
        flow = start_flow(self._checkpoint, plan.outputs, exact_engine())
        return Embedder(flow, plan, modules=self._modules).encode(self._texts)


def _changed(name: str, found: NDArray[Any], expected: NDArray[Any]) -> float:
    if name in ("last_hidden_state", "sentence_embedding") or expected.ndim == 1 or expected.shape[1] == 1:
        products = (found * expected).sum(axis=-1) if expected.ndim > 1 else found * expected
        lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(expected, axis=-1) if expected.ndim > 1 else None
        cosine = products / np.maximum(lengths, 1e-12) if lengths is not None else _cosine(found, expected)
        return float(1000 * (1 - np.mean(cosine)))
    return float(1000 * np.mean(found.argmax(axis=-1) != expected.argmax(axis=-1)))


def _cosine(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-12))


def _sample(checkpoint: Checkpoint, target: Target) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Texts that fit into the model's window, and their pieces with the special ones."""
    config = checkpoint.config
    tokenizer = load_tokenizer(checkpoint.source.folder, pieces=checkpoint.pieces, model_type=config.model_type)
    known = read_calibration(checkpoint, None, is_needed=False) or sample_text()
    texts = known[:: max(1, len(known) // _N_TEXTS)][:_N_TEXTS]
    if target.plan is not None and target.plan.lower_case:
        texts = [text.lower() for text in texts]
    limits = (config.max_positions, None if target.plan is None else target.plan.max_length, tokenizer.max_length)
    longest = min(limit for limit in limits if limit is not None)
    return _fitted(texts, tokenizer, longest)


def _fitted(texts: Sequence[str], tokenizer: Tokenizer, longest: int) -> tuple[list[str], list[NDArray[np.int64]]]:
    """Texts, cut in half until they fit."""
    special, fitted, ids = tokenizer.special, [], []
    for text in texts:
        found = tokenizer.encode([text]).ids
        while len(found) > longest - len(special.prefix) - len(special.suffix):
            text = text[: len(text) // 2]
            found = tokenizer.encode([text]).ids
        fitted.append(text)
        ids.append(np.array([*special.prefix, *found.tolist(), *special.suffix], np.int64))
    return fitted, ids
