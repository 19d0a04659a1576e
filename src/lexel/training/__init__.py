"""Fine-tune or pre-train an encoder with any heads.

    lexel.training.train(TrainingOptions(...))

It needs the extra ``train`` (torch, transformers, accelerate, peft, pydantic), which is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lexel.errors import MissingExtra

if TYPE_CHECKING:
    from lexel.training.config.options import DataFile, HeadOptions, TrainingOptions
    from lexel.training.loop.cross_validation import CrossValidation, cross_validate
    from lexel.training.loop.fit import TrainingResult, train

__all__ = [
    "CrossValidation", "DataFile", "HeadOptions", "TrainingOptions", "TrainingResult", "cross_validate", "train",
]  # fmt: skip

_OF_FIT = ("TrainingResult", "train")
_OF_CROSS_VALIDATION = ("CrossValidation", "cross_validate")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _OF_FIT or name in _OF_CROSS_VALIDATION:
        try:
            from lexel.training.loop import cross_validation, fit
        except ModuleNotFoundError as cause:
            raise MissingExtra(f'training needs {cause.name}: pip install "lexel[train]"') from cause
        return getattr(fit if name in _OF_FIT else cross_validation, name)
    from lexel.training.config import options

    return getattr(options, name)
