"""Heads on top of the encoder, computed only for the pieces that need them.

    tagging    linear                                             [picks, labels]
    classify   linear, activation, linear; on first pieces        [picks, labels]
    answer     linear                                             [picks, 2]: start, end
               (in some families, linear, activation and norm come before the linear map of each of these)
    fill       linear, activation, norm, embeddings transposed    [picks, vocab]
    embed      linear                                             [picks, 1]: a piece's share before the softmax
    spans      linear                                             [picks, width]: see ``lexel.pointers``

A head with the prefix of a plain Hugging Face folder has the tensors of its family in such folders. Any other prefix is
Lexel's (``heads.<name>``), with the same tensors for every family:

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
from lexel.checkpoint.transitions import transition_prefixes
from lexel.checkpoint.weights import Weights
from lexel.encoder.family import FillNames, HeadNames, ModelConfig
from lexel.encoder.layers import Brick, Linear
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_constant, read_layer_norm, read_linear
from lexel.engines.pointers import build_pointer
from lexel.names import LABELS_PIECES

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
    """Applies bricks one after the other."""

    bricks: tuple[Brick[T], ...]

    def __call__(self, x: T) -> T:
        for brick in self.bricks:
            x = brick(x)
        return x


def build_head(ops: Ops[T], head: Head, weights: Weights, config: ModelConfig, *, embeddings: T) -> Brick[T]:
    """The head as a brick that maps picked hidden states ``[picks, hidden]`` to scores ``[picks, width]``.

    Args:
        ops: The engine's operations.
        head: The head.
        weights: All weights of the checkpoint.
        config: Its config.
        embeddings: The encoder's embedding table, ``[vocab, embedding]``, for decoders that are tied to it.
    """
    if head.task == "fill":
        return _build_fill(ops, _fill_names(head, weights, config), weights, config, embeddings)
    if head.task == "spans":
        return build_pointer(ops, head, weights, hidden_size=config.hidden_size)
    if head.task == "embed":
        return read_linear(ops, weights, f"{head.prefix}.attention", (1, config.hidden_size))
    return _build_outputs(ops, _output_names(head, config), weights, config, width=output_width(head, config))


def is_plain(head: Head, config: ModelConfig) -> bool:
    """Whether a head has the tensors of its family in a plain Hugging Face folder."""
    return head.prefix == plain_prefix(head, config)


def plain_prefix(head: Head, config: ModelConfig) -> str:
    """The prefix of a head in a plain Hugging Face folder; there is none for spans."""
    plain = {"fill": config.family.fill.prefix, "answer": config.family.answer.output}
    return plain.get(head.task, PLAIN_CLASSIFIER)


def output_width(head: Head, config: ModelConfig) -> int:
    """Number of outputs of a head for a piece."""
    if head.pointer is not None:
        return head.pointer.width(len(head.labels))
    return {"fill": config.vocab_size, "answer": 2, "embed": 1}.get(head.task, len(head.labels))


def computed_heads(heads: Mapping[str, Head], weights: Weights) -> list[str]:
    """The heads with a score for each piece: all except those for vectors with only a dense map."""
    return [
        name for name, head in heads.items() if head.task != "embed" or weights.has(f"{head.prefix}.attention.weight")
    ]


def read_dense(head: Head, weights: Weights, *, hidden_size: int) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The map (followed by tanh) of an ``embed`` head after its pooling: weight ``[size, hidden]``, bias.

    It is computed once per text, after pooling, as in sentence-transformers, so it needs no engine.
    """
    name = f"{head.prefix}.dense"
    if not weights.has(f"{name}.weight"):
        return None
    (size,) = weights.shape(f"{name}.bias")
    return weights.linear(name, (size, hidden_size))


def tensor_patterns(head: Head, config: ModelConfig) -> tuple[str, ...]:
    """Patterns for the names of a head's tensors, for a model that does not load it."""
    own: tuple[str, ...] = (f"{head.prefix}.*",)
    if head.task == "spans":  # tables of angles, which some programs store
        return *own, f"{head.prefix.rpartition('.')[0] or head.prefix}.position_embedding.*"
    if head.task in LABELS_PIECES:  # used in decoding
        own += tuple(f"{prefix}.*" for prefix in transition_prefixes(head))
    if head.task in ("fill", "embed") or not is_plain(head, config):
        return own
    names = _output_names(head, config)
    return *own, *(f"{part}.*" for part in (names.dense, names.norm) if part is not None)


def _output_names(head: Head, config: ModelConfig) -> HeadNames:
    family, prefix = config.family, head.prefix
    if is_plain(head, config):
        return {"classify": family.classify, "answer": family.answer}.get(head.task, family.tagging)
    return HeadNames(f"{prefix}.dense", f"{prefix}.out_proj") if head.task == "classify" else HeadNames(None, prefix)


def _build_outputs(ops: Ops[T], names: HeadNames, weights: Weights, config: ModelConfig, *, width: int) -> Brick[T]:
    """The map to the outputs, and the layers before it."""
    hidden = config.hidden_size
    output = read_linear(ops, weights, names.output, (width, hidden))
    if names.dense is None:
        return output
    has_bias = names.dense_bias is None or weights.has(f"{names.dense}.bias")
    dense = read_linear(ops, weights, names.dense, (hidden, hidden), has_bias=has_bias)
    activation = Activation(ops, names.activation or config.head_activation)
    if names.norm is None:
        return Chain((dense, activation, output))
    has_bias = names.norm_bias is None or weights.has(f"{names.norm}.bias")
    norm = read_layer_norm(ops, weights, names.norm, hidden, config.layer_norm_eps, has_bias=has_bias)
    return Chain((dense, activation, norm, output))


def fills_originally(head: Head, weights: Weights, config: ModelConfig) -> bool:
    """Whether a head for masks has the form from before transformers' own."""
    family = config.family
    if family.original_fill is None or head.task != "fill" or not is_plain(head, config):
        return False
    return weights.has(family.original_fill.bias) and not weights.has(family.fill.bias)


def _fill_names(head: Head, weights: Weights, config: ModelConfig) -> FillNames:
    prefix, family = head.prefix, config.family
    if family.original_fill is not None and fills_originally(head, weights, config):
        return family.original_fill
    if is_plain(head, config):
        return family.fill
    return FillNames(prefix, f"{prefix}.dense", f"{prefix}.layer_norm", f"{prefix}.decoder", f"{prefix}.bias")


def _build_fill(ops: Ops[T], names: FillNames, weights: Weights, config: ModelConfig, embeddings: T) -> Brick[T]:
    size, eps = config.fill_size, config.layer_norm_eps
    usual = config.head_activation if names.is_like_heads else config.activation
    if names.dense is None or names.norm is None:
        return _read_decoder(ops, names, weights, config, embeddings)
    dense_bias = names.dense_bias is None or weights.has(f"{names.dense}.bias")
    norm_bias = names.norm_bias is None or weights.has(f"{names.norm}.bias")
    return Chain(
        (
            read_linear(ops, weights, names.dense, (size, config.hidden_size), has_bias=dense_bias),
            Activation(ops, names.activation or usual),
            read_layer_norm(ops, weights, names.norm, size, eps, has_bias=norm_bias),
            _read_decoder(ops, names, weights, config, embeddings),
        )
    )


def _read_decoder(ops: Ops[T], names: FillNames, weights: Weights, config: ModelConfig, embeddings: T) -> Linear[T]:
    """The map to the vocabulary.

    If the file has the decoder's weight, it is used, whatever the config says about tying, as in transformers.
    """
    shape = (config.vocab_size, config.fill_size)
    own = f"{names.decoder}.weight"
    fits = config.fill_size == config.embedding_size and config.tie_word_embeddings
    tied = names.is_tied or (fits and not weights.has(own))
    bias = f"{names.decoder}.bias" if weights.has(f"{names.decoder}.bias") else names.bias
    weight = embeddings if tied else read_constant(ops, weights, own, shape)
    if names.decoder_bias is not None and not weights.has(bias):
        return Linear(ops, weight, None)
    return Linear(ops, weight, read_constant(ops, weights, bias, shape[:1], is_exact=True))
