"""Options of ``lexel check``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import typer

from lexel.cli.options.groups import choices, option

_CHECKING = "Checking"

CheckFormat = Literal["terminal", "json", "sarif"]

Models = Annotated[
    list[str] | None, typer.Argument(metavar="MODELS", help="Folders, hub ids or names of bundled models.")
]


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The policy and lock to check against, and the format of the result."""

    policy: Annotated[
        str | None,
        option(
            "--policy", panel=_CHECKING, value="FILE", help="Policy file. Default: the nearest lexel.toml or pyproject."
        ),
    ] = None
    lock: Annotated[
        bool, option("--lock", panel=_CHECKING, help="Check the models of lexel.lock, and whether they changed.")
    ] = False
    to: Annotated[
        CheckFormat,
        option("--to", panel=_CHECKING, value="FORMAT", help=f"{choices(CheckFormat)}. Default: a table."),
    ] = "terminal"
    out: Annotated[str | None, option("--out", "-o", panel=_CHECKING, value="FILE", help="Write the report here.")] = (
        None
    )
