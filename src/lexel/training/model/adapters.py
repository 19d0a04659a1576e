"""Bottleneck adapters for transformers' encoders (Houlsby et al. 2019, https://arxiv.org/abs/1902.00751).

Each encoder layer gets two small layers, one after its attention and one after its feed-forward part, before the
residual sums. They start as the identity. ``lexel.encoder`` runs them from the names ``adapters.N.attention`` and
``adapters.N.output``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.activations import ACT2FN

from lexel.encoder.families import family_of
from lexel.training.model.layers import layers_of

_STD = 0.02


class Adapter(nn.Module):  # type: ignore[misc]
    """``x + up(activation(down(x)))``.

    Attributes:
        down: To the bottleneck, ``[size, hidden]``.
        up: Back from it, ``[hidden, size]``; zeros at first.
    """

    def __init__(self, hidden_size: int, *, size: int, activation: str) -> None:
        super().__init__()
        self.down = nn.Linear(hidden_size, size)
        self.up = nn.Linear(size, hidden_size)
        self._activation = ACT2FN[activation]
        nn.init.normal_(self.down.weight, std=_STD)
        for zeros in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zeros)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map ``[..., hidden]`` to ``[..., hidden]``."""
        added: torch.Tensor = x + self.up(self._activation(self.down(x)))
        return added


class LayerAdapters(nn.Module):  # type: ignore[misc]
    """The two adapters of a layer."""

    def __init__(self, hidden_size: int, *, size: int, activation: str) -> None:
        super().__init__()
        self.attention = Adapter(hidden_size, size=size, activation=activation)
        self.output = Adapter(hidden_size, size=size, activation=activation)


def insert_adapters(encoder: nn.Module, *, size: int, activation: str) -> nn.ModuleList:
    """Add adapters to each layer of an encoder that does not share its weights with other layers.

    The encoder's parameters keep their names; it runs the adapters, but does not own them.

    Args:
        encoder: A model of transformers without a head, such as ``BertModel``.
        size: Width of the bottlenecks.
        activation: One of ``lexel.encoder.ops.ACTIVATIONS``.

    Returns:
        The adapters by layer, to be trained and saved.
    """
    names = family_of(encoder.config.model_type).layer
    hidden_size = encoder.config.hidden_size
    adapters = nn.ModuleList()
    for layer in layers_of(encoder):
        pair = LayerAdapters(hidden_size, size=size, activation=activation)
        layer.get_submodule(names.attention_output).register_forward_hook(_Behind(pair.attention))
        layer.get_submodule(names.outer).register_forward_hook(_Behind(pair.output))
        adapters.append(pair)
    return adapters


class _Behind:
    """A forward hook that passes a module's output through an adapter."""

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter

    def __call__(self, module: nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        adapted: torch.Tensor = self._adapter(output)
        return adapted
