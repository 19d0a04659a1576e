"""The families of encoders, one file each: the record of its properties, and the function that builds its encoder.

To add one, write its file and name its record here. See "Add a family" in CONTRIBUTING.md.
"""

from __future__ import annotations

from lexel.encoder.families import (
    albert,
    bert,
    data2vec,
    deberta,
    distilbert,
    electra,
    ernie,
    eurobert,
    gte,
    jina_embeddings_v3,
    megatron_bert,
    modernbert,
    mpnet,
    nezha,
    nomic_bert,
    rembert,
    roberta,
    roberta_prelayernorm,
    roformer,
    xlm_roberta_xl,
)
from lexel.encoder.family import Family

FAMILIES: tuple[Family, ...] = (
    albert.FAMILY,
    bert.FAMILY,
    data2vec.FAMILY,
    deberta.FAMILY,
    distilbert.FAMILY,
    electra.FAMILY,
    ernie.FAMILY,
    eurobert.FAMILY,
    gte.FAMILY,
    jina_embeddings_v3.FAMILY,
    megatron_bert.FAMILY,
    modernbert.FAMILY,
    mpnet.FAMILY,
    nezha.FAMILY,
    nomic_bert.FAMILY,
    rembert.FAMILY,
    roberta.FAMILY,
    roberta_prelayernorm.FAMILY,
    roformer.FAMILY,
    xlm_roberta_xl.FAMILY,
)

BY_MODEL_TYPE: dict[str, Family] = {model_type: family for family in FAMILIES for model_type in family.model_types}
"""The family that reads each ``model_type``."""


def family_of(model_type: str) -> Family:
    """The family of a supported ``model_type``.

    Raises:
        KeyError: If no family reads it.
    """
    return BY_MODEL_TYPE[model_type]
