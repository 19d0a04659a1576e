"""Compiles a model's layers with ``torch.compile``: the operations between products are fused into few kernels.

On a GPU, a third of a layer's time goes to sums, normalisations, activations and casts, each a pass over memory. One
layer is compiled for any number of pieces, and used for all layers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException

from lexel.encoder.layers import Context, Inputs, Turn
from lexel.engines.model import Model

_logger = logging.getLogger("lexel")


class CompiledModel:
    """Wraps a model. If it cannot be compiled, a warning is logged, and the model runs uncompiled.

    Args:
        model: The model to compile.
        backend: One of ``torch.compile``'s.
    """

    def __init__(self, model: Model[torch.Tensor], *, backend: str = "inductor") -> None:
        step = torch.compile(_step, dynamic=True, fullgraph=True, backend=backend)
        turns: list[Any] = [partial(step, turn) for turn in model.encoder.layers]
        self._eager = model
        self._compiled: Model[torch.Tensor] | None = replace(model, encoder=replace(model.encoder, layers=turns))

    def __call__(self, inputs: Inputs[torch.Tensor], picks: torch.Tensor, outputs: Sequence[str]) -> list[torch.Tensor]:
        """See ``Model.__call__``."""
        if self._compiled is not None:
            try:
                return self._compiled(inputs, picks, outputs)
            except TorchDynamoException as error:
                reason = str(error).strip().partition("\n")[0]
                _logger.warning("torch.compile does not work here; continuing without it: %s", reason)
                self._compiled = None
        return self._eager(inputs, picks, outputs)


def _step(turn: Turn[torch.Tensor], x: torch.Tensor, context: Context[torch.Tensor]) -> torch.Tensor:
    return turn(x, context)
