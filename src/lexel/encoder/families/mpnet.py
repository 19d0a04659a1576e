"""MPNet (Song et al. 2020, https://arxiv.org/abs/2004.09297): BERT's layers with a learned score for each distance.

All layers share one table of scores by distance and head; long distances share rows, in logarithmic buckets, as in T5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexel.encoder.families import bert
from lexel.encoder.family import (
    EmbeddingNames,
    Family,
    FillNames,
    HeadNames,
    LayerNames,
    ModelConfig,
    ModelType,
    Weights,
)
from lexel.encoder.layers import Buckets, Encoder, Linear, Scope
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_layer
from lexel.encoder.values import Values

T = TypeVar("T")

N_BUCKETS = 32
LONGEST = 128
"""The distance at which the last bucket begins."""


def bucket_of(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket of each distance: position of the query minus that of the key.

    Half of the buckets are for keys to the right. The nearest eight distances have their own; the others share buckets
    in logarithmic steps. The logarithm is in float32 as in the original.
    """
    half, exact = N_BUCKETS // 2, N_BUCKETS // 4
    size = np.abs(distances)
    far = np.log(np.maximum(size, exact).astype(np.float32) / exact) / np.float32(np.log(LONGEST / exact))
    shared = np.minimum(exact + (far * (half - exact)).astype(np.int64), half - 1)
    return np.asarray(np.where(size < exact, size, shared) + half * (distances < 0), np.int64)


@dataclass(frozen=True, slots=True)
class Bias(Generic[T]):
    """A score for each distance and head, independent of the pieces.

    Attributes:
        ones: Returns an array ``[rows, length, heads]`` of ones.
        table: ``[buckets, heads]``.
    """

    ops: Ops[T]
    ones: Linear[T]
    table: T
    n_heads: int

    def __call__(self, query: T, key: T, distances: T) -> T:
        del key
        return self.ops.relative_scores(
            self.ones(query), self.table, distances, n_heads=self.n_heads, head_size=1, side="query"
        )


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of an MPNet checkpoint."""
    family, n_heads = config.family, config.n_heads
    base = weights.base(family.prefix)
    table = base.tensor("encoder.relative_attention_bias.weight", (N_BUCKETS, n_heads))
    ones = Linear(
        ops,
        ops.constant(np.zeros((n_heads, config.hidden_size), np.float32), name="no weights"),
        ops.constant(np.ones(n_heads, np.float32), name="ones", is_exact=True),
    )
    bias = Bias(ops, ones, ops.constant(table, name=base.full_name("encoder.relative_attention_bias.weight")), n_heads)
    layers = [base.at(family.layers.replace("*", str(i))) for i in range(config.n_layers)]
    reach = config.max_positions
    buckets = bucket_of(np.arange(1 - reach, reach)).astype(np.int32)
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [read_layer(ops, config, layer, family.layer, relative=bias) for layer in layers],
        scopes=[Scope(buckets=Buckets(ops.constant(buckets, name="buckets of distances"), reach))],
    )


def _check(values: Values) -> None:
    if values.size("relative_attention_num_buckets", default=N_BUCKETS) != N_BUCKETS:
        raise values.error("relative_attention_num_buckets", f"{N_BUCKETS}, which MPNet's own code always uses")


FAMILY = Family(
    name="mpnet",
    model_types={"mpnet": ModelType("MPNet", "MPNet")},
    build=build,
    required=bert.REQUIRED,
    optional={"layer_norm_eps": "layer_norm_eps", "pad_id": "pad_token_id"},
    defaults={"layer_norm_eps": 1e-12, "n_types": 0, "pad_id": 1},
    read_more=_check,
    prefix="mpnet",
    embeddings=EmbeddingNames(
        "embeddings.word_embeddings", "embeddings.position_embeddings", None, "embeddings.LayerNorm"
    ),
    layers="encoder.layer.*",
    layer=LayerNames(
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        inner="intermediate.dense",
        outer="output.dense",
        feed_forward_norm="output.LayerNorm",
    ),
    fill=FillNames(
        "lm_head",
        dense="lm_head.dense",
        norm="lm_head.layer_norm",
        decoder="lm_head.decoder",
        bias="lm_head.bias",
        activation="gelu",
    ),
    classify=HeadNames("classifier.dense", "classifier.out_proj"),
    unused=[("lm_head.*", "its pre-training head"), ("*pooler.*", "the map of its first piece")],
    skips_padding_position=True,
    doubles_separator=True,
    fits_segments=False,
)
