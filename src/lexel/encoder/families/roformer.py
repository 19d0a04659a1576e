"""RoFormer (Su et al. 2021, https://arxiv.org/abs/2104.09864): BERT's layers with rotary positions.

Neighbouring values of a head form the rotated pairs. Its tokenizer splits Chinese text into words first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from lexel.encoder.families import bert
from lexel.encoder.family import HeadNames, ModelConfig, ModelType, Weights
from lexel.encoder.layers import Encoder, Scope
from lexel.encoder.ops import Ops
from lexel.encoder.read import build_rotary, read_layer
from lexel.encoder.values import Values

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that only this family's config has.

    Attributes:
        rotates_values: Whether values are rotated, not only queries and keys.
    """

    rotates_values: bool


def read_settings(values: Values) -> Settings:
    """The settings of a ``config.json``.

    Raises:
        CheckpointError: If it is from RoFormer v2, which has other norms and no biases.
    """
    if values.get("norm_type") not in (None, "layer_norm"):
        raise values.error("norm_type", "layer_norm; RoFormer v2 is not supported")
    if not values.flag("use_bias", default=True):
        raise values.error("use_bias", "true; RoFormer v2 is not supported")
    return Settings(values.flag("rotary_value", default=False))


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of a RoFormer checkpoint."""
    assert isinstance(config.more, Settings)
    family, turns = config.family, config.more.rotates_values
    base = weights.base(family.prefix)
    size, n = config.head_size, config.max_positions
    rotary = build_rotary(ops, base=10_000.0, size=size, n_positions=n, is_interleaved=True)
    layers = [base.at(family.layers.replace("*", str(i))) for i in range(config.n_layers)]
    return Encoder(
        ops,
        bert.read_embeddings(ops, config, base),
        [read_layer(ops, config, one, family.layer, rotates_values=turns) for one in layers],
        scopes=[Scope(rotary=rotary)],
    )


FAMILY = replace(
    bert.FAMILY,
    name="roformer",
    model_types={"roformer": ModelType("RoFormer", "RoFormer")},
    build=build,
    optional={**bert.OPTIONAL, "embedding_size": "embedding_size"},
    read_more=read_settings,
    prefix="roformer",
    embeddings=replace(bert.EMBEDDINGS, positions=None, project="embeddings_project"),
    layer=replace(bert.LAYER, distances=None),
    classify=HeadNames("classifier.dense", "classifier.out_proj", activation=None),
    unused=[*bert.UNUSED, ("cls.*", "its pre-training head"), ("*embed_positions.*", "sines, which are computed")],
    has_pooler=False,
    splits_words=True,
)
