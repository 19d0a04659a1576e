"""Heads: what stands on the encoder, computed only for the pieces that need it.

    tagging    linear                                             [picks, labels]
    classify   linear, activation, linear; on first pieces        [picks, labels]
    answer     linear                                             [picks, 2]: start, end
    fill       linear, activation, norm, embeddings transposed    [picks, vocab]
    embed      linear                                             [picks, 1]: a piece's share before the softmax

A head whose prefix is that of a plain Hugging Face folder has the tensors that its family gives it there. Any other
prefix is Lexel's (``heads.<name>``), with the same tensors for every family:

    tagging, answer   weight, bias
    classify          dense.{weight,bias} (tanh), out_proj.{weight,bias}
    fill              dense.{weight,bias}, layer_norm.{weight,bias}, bias; the activation is the encoder's
    embed             attention.{weight,bias}; dense.{weight,bias} (tanh), either or both; see ``read_dense``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from lexel.checkpoint.heads import PLAIN_CLASSIFIER, Head
from lexel.checkpoint.weights import Weights
from lexel.encoder.family import ClassifyNames, FillNames, ModelConfig
from lexel.encoder.layers import Brick, Linear
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_constant, read_layer_norm, read_linear

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Activation(Generic[T]):
    """One of ``lexel.encoder.ops.ACTIVATIONS``."""

    ops: Ops[T]
    name: str

    def __call__(self, x: T) -> T:
        return self.ops.activation(x, self.name)


@dataclass(frozen=True, slots=True)
class Chain(Generic[T]):
    """Bricks one after the other."""

    bricks: tuple[Brick[T], ...]

    def __call__(self, x: T) -> T:
        for brick in self.bricks:
            x = brick(x)
        return x


def build_head(ops: Ops[T], head: Head, weights: Weights, config: ModelConfig, *, embeddings: T) -> Brick[T]:
    """The head as a brick from picked hidden states ``[picks, hidden]`` to scores ``[picks, width]``.

    Args:
        ops: What computes.
        head: Which head.
        weights: All of the checkpoint's.
        config: Its config.
        embeddings: The encoder's table of pieces, ``[vocab, embedding]``, for decoders that are tied to it.
    """
    if head.task == "fill":
        return _build_fill(ops, _fill_names(head, config), weights, config, embeddings)
    if head.task == "classify":
        return _build_classify(ops, _classify_names(head, config), weights, (len(head.labels), config.hidden_size))
    if head.task == "embed":
        return read_linear(ops, weights, f"{head.prefix}.attention", (1, config.hidden_size))
    return read_linear(ops, weights, head.prefix, (output_width(head, config), config.hidden_size))


def output_width(head: Head, config: ModelConfig) -> int:
    """How many numbers a head gives for a piece."""
    return {"fill": config.vocab_size, "answer": 2, "embed": 1}.get(head.task, len(head.labels))


def computed_heads(heads: Mapping[str, Head], weights: Weights) -> list[str]:
    """The heads that give a score for each piece: all but those for vectors that have a dense map alone."""
    return [
        name for name, head in heads.items() if head.task != "embed" or weights.has(f"{head.prefix}.attention.weight")
    ]


def read_dense(head: Head, weights: Weights, *, hidden_size: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The map (followed by tanh) that an ``embed`` head puts behind its pooling: weight ``[size, hidden]``, bias.

    It is computed once a text, after pooling, as sentence-transformers does; so no engine is needed for it.
    """
    name = f"{head.prefix}.dense"
    if not weights.has(f"{name}.weight"):
        return None
    (size,) = weights.shape(f"{name}.bias")
    return weights.linear(name, (size, hidden_size))


def tensor_patterns(head: Head, config: ModelConfig) -> tuple[str, ...]:
    """Patterns of the names of a head's tensors, for a model that does without it."""
    own = f"{head.prefix}.*"
    if head.task == "classify" and head.prefix == PLAIN_CLASSIFIER:
        return own, f"{config.family.classify.dense}.*"
    return (own,)


def _classify_names(head: Head, config: ModelConfig) -> ClassifyNames:
    if head.prefix == PLAIN_CLASSIFIER:
        return config.family.classify
    return ClassifyNames(f"{head.prefix}.dense", f"{head.prefix}.out_proj")


def _build_classify(ops: Ops[T], names: ClassifyNames, weights: Weights, shape: tuple[int, int]) -> Brick[T]:
    dense = read_linear(ops, weights, names.dense, (shape[1], shape[1]))
    return Chain((dense, Activation(ops, names.activation), read_linear(ops, weights, names.output, shape)))


def _fill_names(head: Head, config: ModelConfig) -> FillNames:
    prefix = head.prefix
    if prefix == config.family.fill.prefix:
        return config.family.fill
    return FillNames(prefix, f"{prefix}.dense", f"{prefix}.layer_norm", f"{prefix}.decoder", f"{prefix}.bias")


def _build_fill(ops: Ops[T], names: FillNames, weights: Weights, config: ModelConfig, embeddings: T) -> Brick[T]:
    size = config.fill_size
    return Chain(
        (
            read_linear(ops, weights, names.dense, (size, config.hidden_size)),
            Activation(ops, names.activation or config.activation),
            read_layer_norm(ops, weights, names.norm, size, config.layer_norm_eps),
            _read_decoder(ops, names, weights, config, embeddings),
        )
    )


def _read_decoder(ops: Ops[T], names: FillNames, weights: Weights, config: ModelConfig, embeddings: T) -> Linear[T]:
    """The map to the vocabulary.

    A file that has the decoder's weight is followed, whatever the config says of tying: that is what transformers does.
    """
    shape = (config.vocab_size, config.fill_size)
    own = f"{names.decoder}.weight"
    tied = config.fill_size == config.embedding_size and config.tie_word_embeddings and not weights.has(own)
    bias = f"{names.decoder}.bias" if weights.has(f"{names.decoder}.bias") else names.bias
    weight = embeddings if tied else read_constant(ops, weights, own, shape)
    return Linear(ops, weight, read_constant(ops, weights, bias, shape[:1], is_exact=True))
