"""From a checkpoint to a model that an engine can run: the encoder of its family with its heads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lexel.checkpoint import Checkpoint, Weights
from lexel.encoder.families import albert, bert, distilbert
from lexel.encoder.heads import TAGGING, build_head
from lexel.encoder.layers import Brick, Encoder, Inputs
from lexel.encoder.ops import Ops

T = TypeVar("T")

FAMILIES: Mapping[str, Callable[..., Encoder[Any]]] = {
    "bert": bert.build,
    "roberta": bert.build,
    "electra": bert.build,
    "albert": albert.build,
    "distilbert": distilbert.build,
}


@dataclass(frozen=True, slots=True)
class Model(Generic[T]):
    """An encoder with its heads, holding an engine's tensors, and the weights that these were read from."""

    ops: Ops[T]
    encoder: Encoder[T]
    heads: Mapping[str, Brick[T]]
    weights: Weights

    def __call__(self, inputs: Inputs[T], picks: T, outputs: Sequence[str]) -> list[T]:
        """What was asked for, at the picked pieces only.

        Args:
            inputs: Packed rows, each tensor ``[rows, length]``.
            picks: Flat slots ``[picks]``, row * length + column.
            outputs: Names of heads, or ``hidden.N`` for the hidden states after layer N (0: the embeddings).

        Returns:
            One tensor an output: scores ``[picks, labels]`` or hidden states ``[picks, hidden]``.
        """
        states = self.encoder(inputs)
        last = self.ops.pick(states[-1], picks)
        results = []
        for name in outputs:
            if name.startswith("hidden."):
                results.append(self.ops.pick(states[int(name.removeprefix("hidden."))], picks))
            else:
                results.append(self.heads[name](last))
        return results


def build_model(ops: Ops[T], checkpoint: Checkpoint) -> Model[T]:
    """Read a checkpoint's encoder and tagging heads as an engine's tensors.

    Raises:
        WeightError: If a tensor is missing, of another shape, or asked for by nobody.
    """
    weights, config = checkpoint.open_weights(), checkpoint.config
    encoder = FAMILIES[config.family](ops, config, weights)
    heads = {
        name: build_head(ops, head, weights, hidden_size=config.hidden_size)
        for name, head in checkpoint.heads.items()
        if head.task in TAGGING
    }
    weights.check_used()
    return Model(ops, encoder, heads, weights)
