"""Options for files of labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option

_LABELLED = "Labelled data"


@dataclass(frozen=True, slots=True)
class LabelledOptions:
    """How labelled data is to be taken."""

    columns: Annotated[
        str | None,
        option(
            "--columns",
            panel=_LABELLED,
            value="A,B,...",
            help="CoNLL columns: word, pos, tag (of entities), - (passed over). If not given: by their number.",
        ),
    ] = None
    data_scheme: Annotated[
        str | None,
        option(
            "--data-scheme",
            panel=_LABELLED,
            value="NAME",
            help="Scheme of the tags in CoNLL columns: BIO if not given, IOB1, IOE1, IOE2, BIOES, BILOU.",
        ),
    ] = None
    repair: Annotated[
        bool,
        option("--repair", panel=_LABELLED, help="Read ill-formed tags by conlleval's rule instead of refusing them."),
    ] = False
    fold: Annotated[
        str | None,
        option(
            "--fold",
            panel=_LABELLED,
            value="RULE",
            help="Fold gold tags by XPOS; ud-zh-2.12: UD Chinese before 2.13.",
        ),
    ] = None
