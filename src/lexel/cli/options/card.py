"""Options of ``lexel card``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lexel.cli.options.groups import option

_CARD = "Card"

Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="A model folder.")]


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """Facts that are in no file."""

    licence: Annotated[
        str | None, option("--licence", panel=_CARD, value="NAME", help="Licence of the weights, such as apache-2.0.")
    ] = None
    language: Annotated[
        str | None, option("--language", panel=_CARD, value="A,B", help="Languages of the model, as ISO codes.")
    ] = None
    set: Annotated[
        list[str] | None,
        option("--set", panel=_CARD, value="NAME=TEXT", help="An entry of the card. @FILE reads the text from a file."),
    ] = None
    data: Annotated[
        list[str] | None,
        option(
            "--data",
            "-d",
            panel=_CARD,
            value="FILE[:NAME[:LICENCE]]",
            help="Labelled data to evaluate on. Can be repeated.",
        ),
    ] = None
    samples: Annotated[
        int, option("--samples", panel=_CARD, value="N", min=0, help="Bootstrap samples. Default: 1000. 0: none.")
    ] = 1000
    replace: Annotated[bool, option("--replace", panel=_CARD, help="Overwrite a card that Lexel did not write.")] = (
        False
    )
    no_speed: Annotated[bool, option("--no-speed", panel=_CARD, help="Do not measure speed and memory.")] = False
