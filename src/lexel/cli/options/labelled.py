"""Options for files of labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option
from lexel.names import RowUnit

_LABELLED = "Labelled data"


@dataclass(frozen=True, slots=True)
class LabelledOptions:
    """How labelled data is read."""

    columns: Annotated[
        str | None,
        option(
            "--columns",
            panel=_LABELLED,
            value="A,B,...",
            help="CoNLL columns: word, pos, tag (of entities), - (skip). Default: by their number.",
        ),
    ] = None
    separator: Annotated[
        str | None,
        option(
            "--separator",
            panel=_LABELLED,
            value="NAME",
            help="Separator of CoNLL columns: tab, blank, or any text. Default: by the first row.",
        ),
    ] = None
    pair_field: Annotated[
        str,
        option(
            "--pair-field",
            panel=_LABELLED,
            value="NAME",
            help="Key or column of a pair's second text. Default: text_pair.",
        ),
    ] = "text_pair"
    label_field: Annotated[
        str, option("--label-field", panel=_LABELLED, value="NAME", help="Key or column of the class. Default: label.")
    ] = "label"
    unit: Annotated[
        RowUnit | None,
        option(
            "--unit",
            panel=_LABELLED,
            value="NAME",
            help="Unit of CoNLL rows: words or chars. Default: by the first rows.",
        ),
    ] = None
    entity_key: Annotated[
        str | None,
        option(
            "--entity-key", panel=_LABELLED, value="NAME", help="MISC key of entity tags in CoNLL-U. Default: Entity."
        ),
    ] = None
    data_scheme: Annotated[
        str | None,
        option(
            "--data-scheme",
            panel=_LABELLED,
            value="NAME",
            help="Scheme of CoNLL tags: BIO (default), IOB1, IOE1, IOE2, BIOES or BILOU.",
        ),
    ] = None
    repair: Annotated[
        bool,
        option("--repair", panel=_LABELLED, help="Read ill-formed tags by conlleval's rule instead of rejecting them."),
    ] = False
    fold: Annotated[
        str | None,
        option(
            "--fold",
            panel=_LABELLED,
            value="RULE",
            help="Fold gold tags by XPOS. ud-zh-2.12: as in UD Chinese before 2.13.",
        ),
    ] = None
