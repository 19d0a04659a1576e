"""Builds the model that an engine runs from a checkpoint: the encoder of its family with its heads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Generic, TypeVar

import numpy as np

from lexel.checkpoint import Checkpoint, Weights
from lexel.checkpoint.adapter import AdapterConfig
from lexel.encoder.family import ModelConfig, Pooling
from lexel.encoder.layers import Adapter, Brick, Encoder, Inputs, LayerAdapters, MaskDecoder
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_linear
from lexel.engines.heads import build_head, computed_heads, fills_originally, is_plain, output_width, tensor_patterns

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Model(Generic[T]):
    """An encoder with its heads, with an engine's tensors, and the weights that they were read from.

    Attributes:
        poolings: The inputs of a head, if they are not only its picked pieces.
        widths: Number of scores of each head.
        mask_decoders: The layers between the encoder and a head for masks, if any.
    """

    ops: Ops[T]
    encoder: Encoder[T]
    heads: Mapping[str, Brick[T]]
    weights: Weights
    config: ModelConfig
    poolings: Mapping[str, Pooling] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    mask_decoders: Mapping[str, MaskDecoder[T]] = field(default_factory=dict)

    def __call__(self, inputs: Inputs[T], picks: T, outputs: Sequence[str]) -> list[T]:
        """The requested outputs, at the picked pieces only.

        Args:
            inputs: Packed rows, each tensor ``[rows, length]``.
            picks: Flat slots ``[picks]``, row * length + column.
            outputs: Names of heads, or ``hidden.N`` for the hidden states after layer N (0: the embeddings).

        Returns:
            One tensor per output: scores ``[picks, width]`` or hidden states ``[picks, hidden]``.
        """
        context = self.encoder.context(inputs)
        states = self.encoder(inputs, context)
        last = self._pick(states[-1], picks)
        results = []
        for name in outputs:
            pooling = self.poolings.get(name, "first")
            if name.startswith("hidden."):
                results.append(self._pick(states[int(name.removeprefix("hidden."))], picks))
            elif name in self.mask_decoders:
                decoded = self.mask_decoders[name](states, inputs, context)
                results.append(self.heads[name](self._pick(decoded, picks)))
            elif pooling == "mean":
                means = self._means(states[-1], inputs, n_heads=self.config.n_heads, head_size=self.config.head_size)
                results.append(self.heads[name](self._pick(means, picks)))
            elif pooling == "scores":
                width = self.widths[name]
                means = self._means(self.heads[name](states[-1]), inputs, n_heads=1, head_size=width)
                results.append(self.ops.pick(means, picks, hidden_size=width))
            else:
                results.append(self.heads[name](last))
        return results

    def _pick(self, states: T, picks: T) -> T:
        return self.ops.pick(states, picks, hidden_size=self.config.hidden_size)

    def _means(self, states: T, inputs: Inputs[T], *, n_heads: int, head_size: int) -> T:
        """The mean over its sequence at each piece: attention with equal weights for all pieces."""
        mask = self.ops.mask(inputs.sequence_ids, inputs.position_ids)
        zeros = self.ops.multiply(states, self.ops.constant(np.zeros(1, np.float32), name="no scores", is_exact=True))
        return self.ops.attention(zeros, zeros, states, mask, n_heads=n_heads, head_size=head_size)


def build_model(ops: Ops[T], checkpoint: Checkpoint, heads: Collection[str] | None = None) -> Model[T]:
    """Read a checkpoint's encoder, and the requested heads, as an engine's tensors.

    Args:
        ops: The engine's operations.
        checkpoint: The model.
        heads: Names of the heads to read; by default all that an engine computes. The list may contain other outputs
            (``hidden.N``).

    Raises:
        WeightError: If a tensor is missing, has another shape, or belongs to no part of the model.
    """
    weights, config = checkpoint.open_weights(), checkpoint.config
    encoder = config.family.build(ops, config, weights)
    if checkpoint.adapter is not None:
        encoder = encoder.adapted(_read_adapters(ops, checkpoint.adapter, weights, hidden_size=config.hidden_size))
    names = computed_heads(checkpoint.heads, weights) if heads is None else heads
    wanted = [head for name, head in checkpoint.heads.items() if name in names]
    bricks = {
        head.name: build_head(ops, head, weights, config, embeddings=encoder.embeddings.pieces) for head in wanted
    }
    make, decoders = config.family.build_mask_decoder, {}
    for head in wanted:
        if make is not None and fills_originally(head, weights, config):
            decoders[head.name] = make(ops, config, weights, encoder)
    of_heads = (tensor_patterns(head, config) for head in checkpoint.heads.values())
    weights.check_used([*(pattern for pattern, _ in config.family.unused), *chain.from_iterable(of_heads)])
    pooled = {head.name: config.pooling for head in wanted if head.task == "classify" and is_plain(head, config)}
    return Model(
        ops,
        encoder,
        bricks,
        weights,
        config,
        pooled,
        {head.name: output_width(head, config) for head in wanted},
        {name: decoder for name, decoder in decoders.items() if decoder is not None},
    )


def _read_adapters(
    ops: Ops[T], adapter: AdapterConfig, weights: Weights, *, hidden_size: int
) -> Iterator[LayerAdapters[T]]:
    """The adapters of each layer with its own weights, ``adapters.N.attention`` and ``adapters.N.output``."""

    def read(place: Weights) -> Adapter[T]:
        down = read_linear(ops, place, "down", (adapter.size, hidden_size))
        return Adapter(ops, down, read_linear(ops, place, "up", (hidden_size, adapter.size)), adapter.activation)

    for i in count():
        layer = weights.at(f"adapters.{i}")
        yield LayerAdapters(read(layer.at("attention")), read(layer.at("output")))
