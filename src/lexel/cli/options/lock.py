"""Options of ``lexel lock`` and ``lexel bundle``."""

from __future__ import annotations

from typing import Annotated

import typer

from lexel.cli.options.groups import option

_LOCKING = "Locking"

Models = Annotated[
    list[str] | None, typer.Argument(metavar="MODELS", help="Hub ids at a revision, folders, or bundled models.")
]
Update = Annotated[
    bool, option("--update", panel=_LOCKING, help="Show what would change if every model were locked again.")
]
Write = Annotated[bool, option("--write", panel=_LOCKING, help="With --update: also write the changes.")]
OwnText = Annotated[
    str | None,
    option("--text", panel=_LOCKING, value="FILE", help="With --update: compare the decisions on your own text."),
]
