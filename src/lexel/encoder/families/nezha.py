"""NEZHA (Wei et al. 2019, https://arxiv.org/abs/1909.00204): BERT with functional relative positions.

A distance is encoded as a vector of sines and cosines, the same in all layers and heads. It is added to the key and the
value of a piece. Distances are clipped at a limit. There is no table of positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lexel.encoder.families import bert
from lexel.encoder.family import HeadNames, ModelConfig, ModelType, Weights
from lexel.encoder.layers import Buckets, Encoder, Scope
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_layer
from lexel.encoder.values import Values

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that only this family's config has.

    Attributes:
        longest: Longer distances are clipped to this.
    """

    longest: int


def read_settings(values: Values) -> Settings:
    """The settings of a ``config.json``."""
    return Settings(values.size("max_relative_position", default=64))


def distance_table(longest: int, size: int) -> NDArray[np.float64]:
    """The vector of each distance from ``-longest`` (a key to the left) to ``longest``, ``[2 * longest + 1, size]``.

    Even entries are sines and odd ones cosines of the distance, counted from 0, with Vaswani's frequencies.
    """
    angles = np.arange(2 * longest + 1)[:, None] * 10_000.0 ** (-np.arange(0, size, 2) / size)
    return np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(len(angles), -1)[:, :size]


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a NEZHA checkpoint."""
    assert isinstance(config.more, Settings)
    family, longest, size = config.family, config.more.longest, config.head_size
    base = weights.base(family.prefix)
    table = distance_table(longest, size)
    keys = ops.constant(table * size**-0.5, name="distances.keys", is_exact=True)
    values = ops.constant(table, name="distances.values", is_exact=True)
    relative = bert.DistanceScores(ops, keys, config.n_heads, size, of_keys=False)
    reach = config.max_positions
    rows = longest - np.clip(np.arange(1 - reach, reach), -longest, longest)  # distances are query minus key
    layers = [base.at(family.layers.replace("*", str(i))) for i in range(config.n_layers)]
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [read_layer(ops, config, one, family.layer, relative=relative, far_values=values) for one in layers],
        scopes=[Scope(buckets=Buckets(ops.constant(rows.astype(np.int32), name="rows of distances"), reach))],
    )


FAMILY = replace(
    bert.FAMILY,
    name="nezha",
    model_types={"nezha": ModelType("NEZHA", "Nezha")},
    build=build,
    read_more=read_settings,
    prefix="nezha",
    embeddings=replace(bert.EMBEDDINGS, positions=None),
    layer=replace(bert.LAYER, distances=None),
    classify=HeadNames("nezha.pooler.dense", "classifier"),
    unused=[*bert.FAMILY.unused, ("*relative_positions_encoding.*", "the vectors of distances, which are computed")],
    fits_segments=False,
)
