"""Experiment trackers, through accelerate: TensorBoard, Weights & Biases and others.

They write into ``<output_dir>-logs``, so that the output folder has only the model.
"""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from typing import Any

from accelerate import Accelerator

from lexel.errors import MissingExtra, OptionError
from lexel.training.config.options import TrainingOptions

PACKAGES = {
    "aim": "aim",
    "clearml": "clearml",
    "comet_ml": "comet_ml",
    "mlflow": "mlflow",
    "swanlab": "swanlab",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
    "wandb": "wandb",
}
"""The package of each tracker."""


def start_trackers(options: TrainingOptions, **settings: Any) -> Accelerator:
    """Make an accelerator whose ``log`` reports to the trackers in the options.

    Args:
        options: ``report_to`` names the trackers, ``output_dir`` the run.
        settings: Further arguments of the accelerator.

    Raises:
        OptionError: If there is no such tracker.
        MissingExtra: If a tracker's package is not installed.
    """
    for name in options.report_to:
        _check(name)
    if not options.report_to:
        return Accelerator(**settings)
    folder = f"{options.output_dir.rstrip('/')}-logs"
    accelerator = Accelerator(log_with=list(options.report_to), project_dir=folder, **settings)
    accelerator.init_trackers("lexel", config=_flat(options))
    return accelerator


def _check(name: str) -> None:
    if name not in PACKAGES:
        raise OptionError(f"report_to: {name!r} is not a tracker; expected some of {', '.join(PACKAGES)}")
    if find_spec(PACKAGES[name]) is None:
        raise MissingExtra(f"report_to: {name} is not installed: pip install {PACKAGES[name]}")


def _flat(options: TrainingOptions) -> dict[str, Any]:
    """The options as plain values, for trackers."""
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {
        name: value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in values.items()
        if value is not None and value not in ((), {})
    }
