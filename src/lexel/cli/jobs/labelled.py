"""Opens files of labelled data according to the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from lexel.cli.options.groups import InputOptions
from lexel.cli.options.labelled import LabelledOptions
from lexel.errors import OptionError

if TYPE_CHECKING:
    from lexel.data.labelled import DataOptions, LabelledFile


def open_labelled(place: str, input: InputOptions, options: LabelledOptions) -> LabelledFile:
    """Check a file and its options before a model is loaded.

    Raises:
        DataError: If there is no such file, or its format holds no labels.
        typer.BadParameter: If an option is wrong, or does not apply to the format.
    """
    from lexel.data.labelled import open_labelled as open_file

    try:
        return open_file(place, data_options(input, options))
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error


def data_options(input: InputOptions, options: LabelledOptions) -> DataOptions:
    """The options in the form of the Python API.

    Raises:
        OptionError: If a value is unknown.
    """
    from lexel.data.labelled import DataOptions

    columns = options.columns
    return DataOptions(
        format=input.from_,
        encoding=input.encoding,
        max_chars=input.max_chars,
        on_error=input.on_error,
        separator=options.separator,
        columns=None if columns is None else tuple(name.strip() for name in columns.split(",")),
        scheme=options.data_scheme,
        repair=options.repair,
        unit=options.unit,
        entity_key=options.entity_key,
        text_field=input.text_column,
        id_field=input.id_column,
        pair_field=options.pair_field,
        label_field=options.label_field,
        fold=options.fold,
    )
