"""Options of ``lexel train``, made from the description of ``TrainingOptions``."""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, make_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from lexel.cli.options.groups import option
from lexel.training.config.options import TrainingOptions

_TRAINING, _SWITCHES = "Training", "Switches"

_PANELS = {
    "train": "Data",
    "heads": "Model and heads",
    "seed": "Steps and batches",
    "optim": "Optimizer and loss",
    "method": "Method",
    "eval_strategy": "Evaluation and saving",
    "unknown_piece_probability": "Other",
}
"""The panels of the help, each by the first of its options."""

_NAMES = {
    "train": ("--train-file", "--train"),
    "validation": ("--validation-file", "--validation"),
    "test": ("--test-file", "--test"),
    "output_dir": ("--output-dir", "-o"),
    "model": ("--model", "-m"),
    "data_format": ("--from",),
    "data_fold": ("--fold",),
    "group_by_length": ("--group-by-length/--no-grouping",),
    "load_best_model_at_end": ("--load-best-model-at-end/--load-last",),
    "greater_is_better": ("--greater-is-better/--lower-is-better",),
}
"""Names on the command line that differ from the names of fields."""

_VALUES = {
    "train": "FILE", "validation": "FILE", "test": "FILE", "output_dir": "FOLDER", "model": "MODEL", "heads": "TASKS",
    "tokenizer": "FOLDER", "teacher": "MODEL", "distill": "KEY=VALUE", "revision": "REV",
    "config": "KEY=VALUE", "card": "KEY=VALUE", "report_to": "NAMES",
    "columns": "A,B,...", "data_fold": "RULE", "separator": "TEXT",
    "class_weights": "WEIGHTS", "target_modules": "NAMES", "metric_for_best_model": "NAME",
}  # fmt: skip

Recipe = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="YAML file with options of the same names.", show_default=False)
]


def _given_options() -> type:
    """A group with every option of training; all are optional."""
    hints = get_type_hints(TrainingOptions)
    panel, made = "", []
    for field in fields(TrainingOptions):
        panel = _PANELS.get(field.name, panel)
        is_switch = _kind(hints[field.name]) is bool
        made.append((field.name, _annotated(field, hints[field.name], _SWITCHES if is_switch else panel), None))
    return make_dataclass("GivenOptions", made, frozen=True, slots=True)


def _annotated(field: Field[Any], hint: Any, panel: str) -> Any:
    names = _names_of(field.name)
    kind = _kind(hint)
    if kind is bool and "/" not in names[0]:
        names = (f"{names[0]}/{names[0].replace('--', '--no-', 1)}",)
    value = "" if kind is bool else _VALUES.get(field.name, {int: "N", float: "NUMBER"}.get(kind, "NAME"))
    typed_as = option(*names, panel=panel, value=value, help=_help(field, hint))
    typed: Any = bool if kind is bool else list[str] if _is_repeated(hint) else str
    return Annotated[typed | None, typed_as]


def typed_as(name: str) -> str:
    """The command-line name of a field: ``--train-file`` for ``train``."""
    return _names_of(name)[0].partition("/")[0]


def _names_of(name: str) -> tuple[str, ...]:
    return _NAMES.get(name, (f"--{name.replace('_', '-')}",))


def _kind(hint: Any) -> Any:
    arms = [arm for arm in _arms(hint) if arm is not type(None)]
    return arms[0] if len(arms) == 1 else str


def _arms(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_repeated(hint: Any) -> bool:
    return any(get_origin(arm) in (tuple, Mapping) or is_dataclass(arm) for arm in _arms(hint))


def _help(field: Field[Any], hint: Any) -> str:
    """The option's help: its line in the docstring, its choices and its default."""
    said, _, default = _lines_of_docstring().get(field.name, "").rstrip(".").partition(". Default: ")
    choices = [str(choice) for arm in _arms(hint) if get_origin(arm) is Literal for choice in get_args(arm)]
    if len(choices) > 1:
        said += f": {', '.join(choices)}"
    if not default and field.default not in (MISSING, None, (), 0, -1) and _kind(hint) is not bool:
        default = str(field.default)
    return f"{said}. Default: {default}." if default else f"{said}."


def _lines_of_docstring() -> dict[str, str]:
    text = (TrainingOptions.__doc__ or "").partition("Attributes:")[2].partition("Raises:")[0]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", text, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", said).replace("``", "") for name, said in found}


GivenOptions: Any = _given_options()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to do with the options."""

    dry_run: Annotated[
        bool, option("--dry-run", panel=_TRAINING, help="Print what would be trained on what data, and stop.")
    ] = False
    save_recipe: Annotated[
        str | None,
        option(
            "--save-recipe", panel=_TRAINING, value="FILE", help="Write all options, including defaults, as a recipe."
        ),
    ] = None


def spelled(option: str) -> str:
    """The option's own name for a name in transformers' spelling: ``learning_rate``."""
    return option.replace("_", "-")
