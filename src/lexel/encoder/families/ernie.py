"""ERNIE (Sun et al. 2019, https://arxiv.org/abs/1907.12412): BERT; version 2 and 3 add an embedding of the task.

The task of a text is known only in pre-training. Inference uses task 0, so its row is added to the types.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from lexel.encoder.families import bert
from lexel.encoder.family import HeadNames, ModelConfig, ModelType, Weights
from lexel.encoder.layers import Encoder
from lexel.encoder.ops import Ops
from lexel.encoder.values import Values

T = TypeVar("T")

_TASKS, _TYPES = "embeddings.task_type_embeddings.weight", f"{bert.EMBEDDINGS.types}.weight"


@dataclass(frozen=True, slots=True)
class Tasks:
    """Rows of the table of tasks; 0 if the model has none."""

    n: int


def read_tasks(values: Values) -> Tasks:
    """The config's settings for tasks."""
    used = values.flag("use_task_id", default=False)
    return Tasks(values.size("task_type_vocab_size", default=3) if used else 0)


def build(ops: Ops[T], config: ModelConfig, weights: Weights) -> Encoder[T]:
    """The encoder of an ERNIE checkpoint."""
    encoder = bert.build(ops, config, weights)
    assert isinstance(config.more, Tasks)
    if not config.more.n:
        return encoder
    base = weights.base(config.family.prefix)
    types = base.tensor(_TYPES, (config.n_types, config.hidden_size))
    task = base.tensor(_TASKS, (config.more.n, config.hidden_size))[0]
    table = ops.constant(types.astype(np.float64) + task, name=base.full_name(f"{_TYPES}+task"))
    return replace(encoder, embeddings=replace(encoder.embeddings, types=table))


FAMILY = replace(
    bert.FAMILY,
    name="ernie",
    model_types={"ernie": ModelType("ERNIE", "Ernie")},
    build=build,
    read_more=read_tasks,
    prefix="ernie",
    classify=HeadNames("ernie.pooler.dense", "classifier"),
)
