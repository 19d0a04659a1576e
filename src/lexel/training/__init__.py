"""Fine-tune or pre-train an encoder with any heads: features, batches, the loop, checkpoints, the finished folder.

    lexel.training.train(TrainingOptions(...))

needs the extra ``train`` (torch, transformers, accelerate, peft); the names here load it when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lexel.errors import MissingExtra

if TYPE_CHECKING:
    from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
    from lexel.training.loop.fit import TrainingResult, train

__all__ = ["DataFile", "HeadOptions", "TrainingOptions", "TrainingResult", "train"]

_FIT = ("TrainingResult", "train")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _FIT:
        try:
            from lexel.training.loop import fit
        except ModuleNotFoundError as cause:
            raise MissingExtra(f'training needs {cause.name}: pip install "lexel[train]"') from cause
        return getattr(fit, name)
    from lexel.training.config import options

    return getattr(options, name)
