"""Options for files of labelled data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lexel.cli.options.groups import option
from lexel.names import RowUnit

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
    separator: Annotated[
        str | None,
        option(
            "--separator",
            panel=_LABELLED,
            value="NAME",
            help="Between CoNLL columns: tab, blank, or any text; by the first row if not given.",
        ),
    ] = None
    pair_field: Annotated[
        str, option("--pair-field", panel=_LABELLED, value="NAME", help="That of a pair's second text; text_pair.")
    ] = "text_pair"
    label_field: Annotated[
        str, option("--label-field", panel=_LABELLED, value="NAME", help="That of the class; label if not given.")
    ] = "label"
    unit: Annotated[
        RowUnit | None,
        option(
            "--unit",
            panel=_LABELLED,
            value="NAME",
            help="Rows of CoNLL columns: words, or chars, which hold no words. If not given: by the first rows.",
        ),
    ] = None
    entity_key: Annotated[
        str | None,
        option(
            "--entity-key", panel=_LABELLED, value="NAME", help="Entity tags in CoNLL-U's MISC; Entity if not given."
        ),
    ] = None
    data_scheme: Annotated[
        str | None,
        option(
            "--data-scheme",
            panel=_LABELLED,
            value="NAME",
            help="Scheme of the tags in CoNLL columns: BIO, IOB1, IOE1, IOE2, BIOES, BILOU; BIO if not given.",
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
