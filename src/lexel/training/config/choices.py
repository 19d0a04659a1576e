"""The choices of training options by name, and the methods that are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

HeadPooling = Literal["attention", "dense", "both"]
Method = Literal["full", "head", "last_layers", "lora", "dora", "ia3", "adapter"]
Strategy = Literal["epoch", "steps", "no"]
Optimizer = Literal["adamw_torch", "muon"]
Schedule = Literal["linear", "cosine", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"]
LabelsFrom = Literal["train", "all"]

REFUSED_METHODS: Mapping[str, str] = dict.fromkeys(
    ("prompt", "prompt_tuning", "prefix", "prefix_tuning", "p_tuning", "ptuning"),
    "it adds virtual pieces to every sequence, which take room from each window and cannot be merged into the weights",
)
"""Methods of other libraries that Lexel does not offer, with the reason."""


def refusal_of(method: str) -> str | None:
    """Why a method of other libraries is refused; ``None`` if it is not one of them."""
    reason = REFUSED_METHODS.get(method.lower().replace("-", "_")) if isinstance(method, str) else None
    return None if reason is None else f"{method!r} is refused: {reason}. Use one of {listed(Method)}"


def listed(choices: Any) -> str:
    """The values of a ``Literal``, for messages."""
    return ", ".join(get_args(choices))
