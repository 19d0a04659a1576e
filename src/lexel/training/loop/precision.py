"""The number type that a run computes in, and loss scaling for float16."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from lexel.engines.choose import is_bf16_native, processor_flags
from lexel.training.config.options import TrainingOptions

PRECISIONS = {torch.float32: "float32", torch.bfloat16: "bf16", torch.float16: "fp16"}
"""The names of the number types, as they are in ``training.json``."""


def dtype_of(options: TrainingOptions, device: torch.device) -> torch.dtype:
    """The number type in the options; by default, bfloat16 if the device supports it natively."""
    if options.fp16:
        return torch.float16
    is_bf16 = _has_bf16(device) if options.bf16 is None else options.bf16
    return torch.bfloat16 if is_bf16 else torch.float32


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return is_bf16_native(processor_flags())


@dataclass
class LossScaler:
    """Dynamic loss scaling (https://arxiv.org/abs/1710.03740), because small gradients would be zero in float16.

    A step whose scaled gradients overflow is skipped and halves the scale; after ``GROWTH_STEPS`` steps without an
    overflow the scale is doubled.

    Attributes:
        scale: Factor on the loss, and on its gradients.
        good_steps: Steps since the scale last changed.
    """

    GROWTH_STEPS = 2000
    SMALLEST = 1.0

    scale: float = 65536.0
    good_steps: int = 0

    def update(self, norm: float) -> bool:
        """Adapt the scale to the norm of a step's gradients; returns whether the step must be skipped."""
        if not math.isfinite(norm) and self.scale > self.SMALLEST:
            self.scale, self.good_steps = self.scale / 2, 0
            return True
        self.good_steps += 1
        if self.good_steps == self.GROWTH_STEPS:
            self.scale, self.good_steps = self.scale * 2, 0
        return False
