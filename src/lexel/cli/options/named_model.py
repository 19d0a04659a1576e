"""The model as a positional argument, for commands with one model."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from lexel.cli.options.groups import ModelOptions

Model = Annotated[
    str | None, typer.Argument(metavar="MODEL", help="Model folder or hub id, the same as --model.", show_default=False)
]


def chosen_model(model: ModelOptions, named: str | None) -> ModelOptions:
    """The options with the model of the argument, if it was given.

    Raises:
        typer.BadParameter: If ``--model`` names another.
    """
    if named is None:
        return model
    if model.model is not None and model.model != named and _is_typed():
        raise typer.BadParameter(f"{named!r} and {model.model!r}; expected one model", param_hint="MODEL")
    return replace(model, model=named)


def _is_typed() -> bool:
    """Whether ``--model`` is on the command line; a variable has lower priority than the argument."""
    return any(argument.startswith(("-m", "--model")) for argument in sys.argv[1:])
