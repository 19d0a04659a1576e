"""DeBERTa v2 and v3, also mDeBERTa (He et al. 2020 and 2021, https://arxiv.org/abs/2006.03654 and 2111.09543).

Attention is disentangled: it adds products of pieces with distances, in both directions, to those of pieces with
pieces. A distance is a row of one table, which every layer maps with its own query and key maps. The mapped tables
depend only on weights, so they are computed on loading. Long distances share rows, in logarithmic buckets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

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
from lexel.encoder.layers import Buckets, Embeddings, Encoder, Layer, MaskDecoder, Scope
from lexel.encoder.ops import Ops
from lexel.encoder.read import read_constant, read_layer, read_layer_norm
from lexel.encoder.values import Values

T = TypeVar("T")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that only this family's config has.

    Attributes:
        has_positions: Whether a table of positions is added to the pieces.
        kinds: The terms of attention by distance: ``c2p`` (piece to distance), ``p2c``; empty if there are none.
        span: Half the number of rows in the table of distances.
        n_buckets: Buckets on each side, or 0: each distance has its own row.
        longest: The distance at which the last bucket begins.
        shares_maps: Whether distances use the maps of queries and keys.
        norm_distances: Whether the table of distances is normalised.
    """

    has_positions: bool
    kinds: frozenset[str]
    span: int
    n_buckets: int
    longest: int
    shares_maps: bool
    norm_distances: bool


def read_settings(values: Values) -> Settings:
    """The settings of a ``config.json``."""
    if values.get("conv_kernel_size"):
        raise values.error("conv_kernel_size", "0; convolutions over neighbouring pieces are not supported")
    if values.get("embedding_size") not in (None, values.get("hidden_size")):
        raise values.error("embedding_size", f"{values.get('hidden_size')}, the width of the encoder")
    is_relative = values.flag("relative_attention", default=False)
    longest: Any = values.get("max_relative_positions")
    if type(longest) is not int or longest < 1:
        longest = values.size("max_position_embeddings")
    buckets: Any = values.get("position_buckets")
    n_buckets = buckets if type(buckets) is int and buckets > 0 else 0
    asked: Any = values.get("pos_att_type") or ()
    kinds = asked.lower().split("|") if isinstance(asked, str) else asked
    norms = str(values.get("norm_rel_ebd") or "none").lower().split("|")
    return Settings(
        has_positions=values.flag("position_biased_input", default=True),
        kinds=frozenset(str(kind).strip() for kind in kinds) & {"c2p", "p2c"} if is_relative else frozenset(),
        span=n_buckets or longest,
        n_buckets=n_buckets,
        longest=longest,
        shares_maps=values.flag("share_att_key", default=False),
        norm_distances="layer_norm" in [norm.strip() for norm in norms],
    )


def bucket_of(distances: NDArray[np.int64], *, n_buckets: int, longest: int) -> NDArray[np.int64]:
    """The signed bucket of each distance: itself up to half of the buckets, then logarithmic.

    The logarithms are in float32, as in the original; the bucket edges depend on it.
    """
    middle = n_buckets // 2
    size = np.abs(distances)
    over = (np.maximum(size, middle) / middle).astype(np.float32)
    far = np.log(over) / np.log(np.float32((longest - 1) / middle))
    log = np.ceil(far * np.float32(middle - 1)) + middle
    return np.where(size <= middle, distances, log * np.sign(distances)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Disentangled(Generic[T]):
    """The terms of attention by distance; their tables are scaled like the scores.

    Attributes:
        keys: The vector of each distance as a key, ``[distances, hidden]``, or ``None``.
        queries: The same as a query, or ``None``.
    """

    ops: Ops[T]
    keys: T | None
    queries: T | None
    n_heads: int
    head_size: int

    def __call__(self, query: T, key: T, distances: T) -> T:
        ops, n_heads, size = self.ops, self.n_heads, self.head_size
        terms = []
        if self.keys is not None:
            terms.append(
                ops.relative_scores(query, self.keys, distances, n_heads=n_heads, head_size=size, side="query")
            )
        if self.queries is not None:
            terms.append(ops.relative_scores(key, self.queries, distances, n_heads=n_heads, head_size=size, side="key"))
        return terms[0] if len(terms) == 1 else ops.add(*terms)


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a DeBERTa checkpoint."""
    settings, family = config.more, config.family
    assert isinstance(settings, Settings)
    base = weights.base(family.prefix)
    names, hidden = family.embeddings, config.hidden_size
    embeddings = Embeddings(
        ops,
        pieces=read_constant(ops, base, f"{names.pieces}.weight", (config.vocab_size, hidden)),
        positions=bert.read_positions(ops, config, base) if settings.has_positions else None,
        types=read_constant(ops, base, f"{names.types}.weight", (config.n_types, hidden)) if config.n_types else None,
        norm=read_layer_norm(ops, base, "embeddings.LayerNorm", hidden, config.layer_norm_eps),
    )
    table = _read_table(config, settings, base) if settings.kinds else None
    layers = [base.at(family.layers.replace("*", str(i))) for i in range(config.n_layers)]
    return Encoder(
        ops,
        embeddings,
        [_read_layer(ops, config, settings, layer, table) for layer in layers],
        scopes=[Scope(buckets=None if table is None else _build_buckets(ops, config, settings))],
    )


def _build_buckets(ops: Ops[T], config: ModelConfig, settings: Settings) -> Buckets[T]:
    distances, span = np.arange(1 - config.max_positions, config.max_positions), settings.span
    if settings.n_buckets:
        distances = bucket_of(distances, n_buckets=settings.n_buckets, longest=settings.longest)
    rows = np.clip(distances + span, 0, 2 * span - 1).astype(np.int32)
    return Buckets(ops.constant(rows, name="rows of distances"), config.max_positions)


def _read_table(config: ModelConfig, settings: Settings, base: Weights) -> Floats:
    """The table of distances, ``[2 * span, hidden]``."""
    hidden = config.hidden_size
    table = base.tensor("encoder.rel_embeddings.weight", (2 * settings.span, hidden)).astype(np.float64)
    if not settings.norm_distances:
        return table
    weight, bias = (base.tensor(f"encoder.LayerNorm.{part}", (hidden,)) for part in ("weight", "bias"))
    centred = table - table.mean(axis=1, keepdims=True)
    variance = np.square(centred).mean(axis=1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + config.layer_norm_eps) * weight + bias)


def _read_layer(ops: Ops[T], config: ModelConfig, settings: Settings, layer: Weights, table: Floats | None) -> Layer[T]:
    if table is None:
        return read_layer(ops, config, layer, config.family.layer)
    scale = 1 / float(np.sqrt(np.float32(config.head_size * (1 + len(settings.kinds)))))  # in float32, as the original

    def mapped(kind: str, name: str) -> T | None:
        """A term's table, mapped by the layer's map of distances."""
        if kind not in settings.kinds:
            return None
        full = f"attention.self.{name}_proj"
        hidden = config.hidden_size
        weight, bias = layer.tensor(f"{full}.weight", (hidden, hidden)), layer.tensor(f"{full}.bias", (hidden,))
        rows = (table @ weight.T.astype(np.float64) + bias) * scale
        return ops.constant(rows, name=layer.full_name(f"{full}.{kind}"))

    own = "" if settings.shares_maps else "pos_"
    relative = Disentangled(
        ops, mapped("c2p", f"{own}key"), mapped("p2c", f"{own}query"), config.n_heads, config.head_size
    )
    return read_layer(ops, config, layer, config.family.layer, relative=relative, scale=scale)


def build_mask_decoder(
    ops: Ops[T], config: ModelConfig, weights: Weights, encoder: Encoder[T]
) -> MaskDecoder[T] | None:
    """The enhanced mask decoder, if the inputs have no positions and the checkpoint has its table of positions."""
    settings, base = config.more, weights.base(config.family.prefix)
    assert isinstance(settings, Settings)
    if settings.has_positions or not base.has(f"{config.family.embeddings.positions}.weight"):
        return None
    table, last = bert.read_positions(ops, config, base), encoder.layers[-1]
    assert table is not None
    assert isinstance(last, Layer)
    return MaskDecoder(ops, table, last)


FAMILY = Family(
    name="deberta",
    model_types={"deberta-v2": ModelType("DeBERTa v2/v3", "DebertaV2")},
    build=build,
    required=bert.REQUIRED,
    optional={**bert.OPTIONAL, "head_activation": "pooler_hidden_act"},
    defaults={"layer_norm_eps": 1e-7, "n_types": 0, "pad_id": 0},
    read_more=read_settings,
    prefix="deberta",
    embeddings=EmbeddingNames(
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.token_type_embeddings",
        "embeddings.LayerNorm",
    ),
    layers="encoder.layer.*",
    layer=LayerNames(
        query="attention.self.query_proj",
        key="attention.self.key_proj",
        value="attention.self.value_proj",
        attention_output="attention.output.dense",
        attention_norm="attention.output.LayerNorm",
        inner="intermediate.dense",
        outer="output.dense",
        feed_forward_norm="output.LayerNorm",
    ),
    fill=bert.FAMILY.fill,
    original_fill=FillNames(
        "lm_predictions.lm_head",
        dense="lm_predictions.lm_head.dense",
        norm="lm_predictions.lm_head.LayerNorm",
        decoder="lm_predictions.lm_head.decoder",
        bias="lm_predictions.lm_head.bias",
        is_tied=True,
    ),
    build_mask_decoder=build_mask_decoder,
    classify=HeadNames("pooler.dense", "classifier", activation=None),
    unused=[
        *bert.UNUSED,
        ("cls.*", "its pre-training head"),
        ("lm_predictions.*", "the pre-training head of version 3"),
        ("mask_predictions.*", "the head of version 3 that tells replaced pieces from original ones"),
    ],
    fits_segments=False,
    has_pooler=False,
    mask_maker="encoder.get_attention_mask",
)
