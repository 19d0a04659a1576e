"""Exports a checkpoint as a TensorFlow SavedModel with the signature ``serving_default``, and as a LiteRT model.

    tensorflow/            for ``tf.saved_model.load`` and TensorFlow Serving
    litert/model.tflite    for LiteRT (TensorFlow Lite); resize the inputs to the batch

Inputs are int64 in both. A SavedModel of a character model that labels pieces has another signature, ``text``: it takes
strings and returns the label of every character, padded with empty strings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lexel.checkpoint import Checkpoint
from lexel.export.litert import LITERT
from lexel.export.parity import Run
from lexel.export.standard import Binary, Output, Reduction, StandardModel, Target, Unary, input_names
from lexel.names import LABELS_PIECES
from lexel.text.char_tokenizer import CharTokenizer
from lexel.text.tokenizer import load_tokenizer

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

SAVED_MODEL = "tensorflow"
SIGNATURE, TEXT_SIGNATURE = "serving_default", "text"


def write_tensorflow(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write a SavedModel.

    Raises:
        OptionError: If a graph cannot have its pooling.
        WeightError: If a tensor is missing, or has another shape.
    """
    module, serving = _module(checkpoint, target)
    signatures = {SIGNATURE: serving}
    if checkpoint.pieces == "chars" and target.head is not None and target.head.task in LABELS_PIECES:
        module.text = signatures[TEXT_SIGNATURE] = _text_function(serving, checkpoint, target.head.labels)
    tf.saved_model.save(module, str(folder / SAVED_MODEL), signatures=signatures)


def write_litert(checkpoint: Checkpoint, folder: Path, target: Target) -> None:
    """Write a LiteRT model; see ``write_tensorflow``."""
    module, serving = _module(checkpoint, target)
    with TemporaryDirectory(prefix="lexel-") as saved:  # only models that are loaded from a folder keep their signature
        tf.saved_model.save(module, saved, signatures={SIGNATURE: serving})
        model = tf.lite.TFLiteConverter.from_saved_model(saved, signature_keys=[SIGNATURE]).convert()
    (folder / LITERT).parent.mkdir(exist_ok=True)
    (folder / LITERT).write_bytes(model)


def run_tensorflow(folder: Path) -> Run:
    """A runner for the exported SavedModel."""
    loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
    serving = loaded.signatures[SIGNATURE]

    def run(given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = serving(**{name: tf.constant(array) for name, array in given.items()})
        return {name: tensor.numpy() for name, tensor in found.items() if loaded is not None}

    return run


def _module(checkpoint: Checkpoint, target: Target) -> tuple[Any, Any]:
    """A module that holds the variables, and the function of its signature."""
    names, module, variables = input_names(checkpoint), tf.Module(), list[Any]()
    model = StandardModel(TensorFlowOps(variables), checkpoint, target)
    module.weights = tuple(variables)

    def serving(*inputs: Any) -> dict[str, Any]:
        outputs: list[Output[Any]] = model(dict(zip(names, inputs, strict=True)))
        return {output.name: tf.identity(output.tensor, name=output.name) for output in outputs}

    signature = [tf.TensorSpec([None, None], tf.int64, name=name) for name in names]
    module.serving = tf.function(serving, input_signature=signature)
    return module, module.serving


def _text_function(serving: Any, checkpoint: Checkpoint, labels: Sequence[str]) -> Any:
    """Maps texts ``[rows]`` to the label of each character ``[rows, chars]``; long texts are truncated."""
    config = checkpoint.config
    tokenizer = load_tokenizer(checkpoint.source.folder, pieces="chars", model_type=config.model_type)
    assert isinstance(tokenizer, CharTokenizer)
    special, table = tokenizer.special, tokenizer.ids_by_code
    most = config.max_positions - len(special.prefix) - len(special.suffix)

    def text(texts: Any) -> dict[str, Any]:
        codes = tf.strings.unicode_decode(texts, "UTF-8")[:, :most]
        places = tf.minimum(codes.flat_values, len(table) - 1)
        ids = codes.with_flat_values(tf.gather(tf.constant(table, tf.int64), places))
        before, after = (
            tf.tile(tf.constant([some], tf.int64), [tf.shape(texts)[0], 1]) for some in (special.prefix, special.suffix)
        )
        pieces = tf.concat([before, ids, after], axis=1)
        mask = tf.sequence_mask(pieces.row_lengths(), dtype=tf.int64)
        padded = pieces.to_tensor(config.pad_id)
        given = [padded, mask, tf.zeros_like(padded)][: len(input_names(checkpoint))]
        best = tf.argmax(serving(*given)["logits"], axis=-1)
        end = tf.shape(best)[1] - len(special.suffix)
        found = tf.gather(tf.constant(list(labels)), best[:, len(special.prefix) : end])
        return {"labels": tf.where(tf.sequence_mask(codes.row_lengths()), found, "")}

    return tf.function(text, input_signature=[tf.TensorSpec([None], tf.string, name="text")])


class TensorFlowOps:
    """``StandardOps`` of TensorFlow; a mask is added to the scores, ``[rows, 1, 1 or length, length]``.

    Args:
        variables: Collects the variables, which keep the weights out of the graph.
    """

    def __init__(self, variables: list[Any]) -> None:
        self._variables = variables

    def constant(self, array: NDArray[Any], *, name: str, is_exact: bool = False) -> Any:
        values = array.astype(np.int64 if array.dtype.kind == "i" else np.float32, copy=False)
        if tf.inside_function():  # a constant that is created while tracing
            return tf.constant(values)
        self._variables.append(tf.Variable(values, trainable=False, name=name.replace(" ", "_")))
        return self._variables[-1]

    def gather(self, table: Any, ids: Any) -> Any:
        return tf.gather(table, ids)

    def add(self, left: Any, right: Any) -> Any:
        return left + right

    def multiply(self, left: Any, right: Any) -> Any:
        return left * right

    def linear(self, x: Any, weight: Any, bias: Any | None) -> Any:
        product = tf.matmul(x, weight, transpose_b=True)
        return product if bias is None else product + bias

    def layer_norm(self, x: Any, weight: Any, bias: Any | None, *, eps: float) -> Any:
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        normal = centred * tf.math.rsqrt(variance + eps) * weight
        return normal if bias is None else normal + bias

    def rms_norm(self, x: Any, weight: Any, *, eps: float) -> Any:
        return x * tf.math.rsqrt(tf.reduce_mean(tf.square(x), axis=-1, keepdims=True) + eps) * weight

    def activation(self, x: Any, name: str) -> Any:
        if name == "gelu":
            return tf.nn.gelu(x, approximate=False)
        if name in ("gelu_new", "gelu_pytorch_tanh"):
            return tf.nn.gelu(x, approximate=True)
        if name in ("silu", "quick_gelu"):
            return x * tf.sigmoid(x if name == "silu" else 1.702 * x)
        return {"relu": tf.nn.relu, "tanh": tf.tanh}[name](x)

    def mask(self, sequence_ids: Any, position_ids: Any, *, window: int | None = None) -> Any:
        seen = tf.expand_dims(tf.expand_dims(tf.cast(sequence_ids, tf.float32), 1), 1)
        if window is not None:
            apart = _slots_apart(position_ids)
            near = tf.maximum(apart, -apart) <= window // 2  # LiteRT has no absolute value of integers
            seen = seen * tf.expand_dims(tf.expand_dims(tf.cast(near, tf.float32), 0), 0)
        return (seen - 1.0) * 1e9

    def distances(self, position_ids: Any, buckets: Any, *, n_positions: int) -> Any:
        places = tf.clip_by_value(_slots_apart(position_ids) + n_positions - 1, 0, 2 * n_positions - 2)
        return tf.gather(buckets, places)

    def rotate(self, x: Any, cos: Any, sin: Any, *, n_heads: int, head_size: int, is_interleaved: bool = False) -> Any:
        heads = _split(x, n_heads, head_size)
        if is_interleaved:
            first, second = tf.unstack(_split(x, n_heads, head_size // 2, 2), axis=-1)
            turned = _split(tf.stack([-second, first], axis=-1), n_heads, head_size)
        else:
            first, second = tf.split(heads, 2, axis=-1)
            turned = tf.concat([-second, first], axis=-1)
        return _split(heads * tf.expand_dims(cos, 2) + turned * tf.expand_dims(sin, 2), n_heads * head_size)

    def relative_scores(
        self,
        x: Any,
        table: Any,
        distances: Any,
        *,
        n_heads: int,
        head_size: int,
        side: Literal["query", "key"],
        is_shared: bool = False,
    ) -> Any:
        tables = tf.transpose(tf.reshape(table, [-1, 1 if is_shared else n_heads, head_size]), [1, 2, 0])
        by_bucket = tf.matmul(_by_head(x, n_heads, head_size), tables)
        index = distances if side == "query" else tf.transpose(distances)
        picked = tf.gather(tf.transpose(by_bucket, [2, 3, 0, 1]), index, axis=1, batch_dims=1)
        scores = tf.transpose(picked, [2, 3, 0, 1])
        return scores if side == "query" else tf.transpose(scores, [0, 1, 3, 2])

    def attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        mask: Any,
        *,
        n_heads: int,
        head_size: int,
        n_key_value_heads: int | None = None,
        scale: float | None = None,
        bias: Any | None = None,
        far_values: tuple[Any, Any] | None = None,
    ) -> Any:
        n_own = n_key_value_heads or n_heads
        keys, values = (tf.repeat(_by_head(x, n_own, head_size), n_heads // n_own, axis=1) for x in (key, value))
        products = tf.matmul(_by_head(query, n_heads, head_size), keys, transpose_b=True)
        scores = products * (head_size**-0.5 if scale is None else scale)
        scores = (scores if bias is None else scores + bias) + mask
        probs = tf.nn.softmax(scores, axis=-1)
        mixed = tf.matmul(probs, values)
        if far_values is not None:
            distances, table = far_values
            mixed += tf.einsum("rhij,ijs->rhis", probs, tf.gather(table, distances))
        mixed = tf.transpose(mixed, [0, 2, 1, 3])
        return _split(mixed, n_heads * head_size)

    def pick(self, x: Any, picks: Any, *, hidden_size: int) -> Any:
        return x if picks is None else tf.gather(x, picks, axis=1)

    # What positions and pooling need ---------------------------------------------------------------------------------

    def slots(self, ids: Any) -> Any:
        return tf.expand_dims(tf.range(_length(ids)), 0)

    def counted(self, ids: Any, pad_id: int) -> Any:
        counted = tf.cumsum(tf.cast(tf.not_equal(ids, pad_id), tf.int64), axis=1)
        return tf.maximum(counted - 1, 0)

    def weights_of(self, mask: Any) -> Any:
        return tf.expand_dims(tf.cast(mask, tf.float32), 2)

    def real(self, value: float) -> Any:
        return tf.constant(value, tf.float32)

    def unary(self, kind: Unary, x: Any) -> Any:
        return tf.sqrt(x) if kind == "sqrt" else tf.sigmoid(x)

    def binary(self, kind: Binary, left: Any, right: Any) -> Any:
        return getattr(tf, kind)(left, right)

    def reduced(self, kind: Reduction, x: Any, *, axis: int, keeps_axis: bool = False) -> Any:
        return getattr(tf, f"reduce_{kind}")(x, axis=axis, keepdims=keeps_axis)

    def shares(self, x: Any) -> Any:
        return tf.nn.softmax(x, axis=1)

    def at(self, x: Any, index: int, *, axis: int) -> Any:
        return tf.gather(x, index, axis=axis)

    def joined(self, parts: Sequence[Any]) -> Any:
        return tf.concat(parts, axis=-1)


def _length(ids: Any) -> Any:
    return tf.shape(ids, out_type=tf.int64)[1]


def _slots_apart(position_ids: Any) -> Any:
    """Slot i minus slot j, ``[length, length]``."""
    slots = tf.range(_length(position_ids))
    return tf.expand_dims(slots, 1) - tf.expand_dims(slots, 0)


def _split(x: Any, *sizes: int) -> Any:
    """``[rows, length, ...]`` with other sizes after the length."""
    shape = tf.shape(x)
    return tf.reshape(x, tf.stack([shape[0], shape[1], *sizes]))


def _by_head(x: Any, n_heads: int, head_size: int) -> Any:
    """``[rows, length, hidden]`` as ``[rows, heads, length, head size]``."""
    return tf.transpose(_split(x, n_heads, head_size), [0, 2, 1, 3])
