"""From a checkpoint to a model that an engine can run: the encoder of its family with its heads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lexel.checkpoint import Checkpoint, Weights
from lexel.encoder.families import albert, bert, distilbert
from lexel.encoder.heads import build_head, computed_heads, tensor_patterns
from lexel.encoder.layers import Brick, Encoder, Inputs
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_adapters

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
    hidden_size: int

    def __call__(self, inputs: Inputs[T], picks: T, outputs: Sequence[str]) -> list[T]:
        """What was asked for, at the picked pieces only.

        Args:
            inputs: Packed rows, each tensor ``[rows, length]``.
            picks: Flat slots ``[picks]``, row * length + column.
            outputs: Names of heads, or ``hidden.N`` for the hidden states after layer N (0: the embeddings).

        Returns:
            One tensor an output: scores ``[picks, width]`` or hidden states ``[picks, hidden]``.
        """
        states = self.encoder(inputs)
        last = self._pick(states[-1], picks)
        results = []
        for name in outputs:
            if name.startswith("hidden."):
                results.append(self._pick(states[int(name.removeprefix("hidden."))], picks))
            else:
                results.append(self.heads[name](last))
        return results

    def _pick(self, states: T, picks: T) -> T:
        return self.ops.pick(states, picks, hidden_size=self.hidden_size)


def build_model(ops: Ops[T], checkpoint: Checkpoint, heads: Collection[str] | None = None) -> Model[T]:
    """Read a checkpoint's encoder, and the heads asked for, as an engine's tensors.

    Args:
        ops: The engine's.
        checkpoint: The model.
        heads: Names of the heads to read; by default all that an engine computes. Other outputs (``hidden.N``) may
            stand among them.

    Raises:
        WeightError: If a tensor is missing, of another shape, or belongs to no part of the model.
    """
    weights, config = checkpoint.open_weights(), checkpoint.config
    encoder = FAMILIES[config.family](ops, config, weights)
    if checkpoint.adapter is not None:
        encoder = encoder.adapted(read_adapters(ops, checkpoint.adapter, weights, hidden_size=config.hidden_size))
    names = computed_heads(checkpoint.heads, weights) if heads is None else heads
    wanted = [head for name, head in checkpoint.heads.items() if name in names]
    bricks = {
        head.name: build_head(ops, head, weights, config, embeddings=encoder.embeddings.pieces) for head in wanted
    }
    weights.check_used(pattern for head in checkpoint.heads.values() for pattern in tensor_patterns(head, config))
    return Model(ops, encoder, bricks, weights, config.hidden_size)
