"""``lexel train``: from labelled data to a model folder."""

from __future__ import annotations

import os
import re
import shlex
import time
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, make_dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from lexel.cli.options.groups import MessageOptions, grouped, option
from lexel.cli.terminal.messages import note, reported
from lexel.errors import LexelError, MissingExtra, OptionError
from lexel.training.config.options import TrainingOptions

if TYPE_CHECKING:
    from lexel.training.config.recipe import Value
    from lexel.training.loop.fit import TrainingResult

_TRAINING, _SWITCHES = "Training", "Switches"
_PANELS = {
    "train": "Data",
    "heads": "Model and heads",
    "seed": "Steps and batches",
    "optim": "Optimiser and loss",
    "method": "Method",
    "eval_strategy": "Measuring and saving",
    "unknown_piece_probability": "Other",
}
"""The panels of the help, each by the first of its options."""

_NAMES = {
    "train": ("--train-file", "--train"),
    "validation": ("--validation-file", "--validation"),
    "test": ("--test-file", "--test"),
    "output_dir": ("--output-dir", "-o"),
    "model": ("--model", "-m"),
    "group_by_length": ("--group-by-length/--no-grouping",),
    "load_best_model_at_end": ("--load-best-model-at-end/--load-last",),
    "greater_is_better": ("--greater-is-better/--lower-is-better",),
}
"""How options are typed that are not typed as they are called."""

_VALUES = {
    "train": "FILE", "validation": "FILE", "test": "FILE", "output_dir": "FOLDER", "model": "MODEL", "heads": "TASKS",
    "tokenizer": "FOLDER", "teacher": "MODEL", "distill": "KEY=VALUE", "revision": "REV",
    "config": "KEY=VALUE", "card": "KEY=VALUE", "report_to": "NAMES",
    "class_weights": "WEIGHTS", "target_modules": "NAMES", "metric_for_best_model": "NAME",
}  # fmt: skip

_TIME_TO_SPEAK_S = 10.0

_TAGGING = {"words", "pos", "words+pos", "entities", "labels"}

Recipe = Annotated[
    str | None, typer.Argument(metavar="RECIPE", help="Options in a YAML file, by the same names.", show_default=False)
]


def _given_options() -> type:
    """A group with every option of training, none of which need be given."""
    hints = get_type_hints(TrainingOptions)
    panel, made = "", []
    for field in fields(TrainingOptions):
        panel = _PANELS.get(field.name, panel)
        is_switch = _kind(hints[field.name]) is bool
        made.append((field.name, _annotated(field, hints[field.name], _SWITCHES if is_switch else panel), None))
    return make_dataclass("GivenOptions", made, frozen=True, slots=True)


def _annotated(field: Field[Any], hint: Any, panel: str) -> Any:
    names = _NAMES.get(field.name, (f"--{field.name.replace('_', '-')}",))
    kind = _kind(hint)
    if kind is bool and "/" not in names[0]:
        names = (f"{names[0]}/{names[0].replace('--', '--no-', 1)}",)
    value = "" if kind is bool else _VALUES.get(field.name, {int: "N", float: "NUMBER"}.get(kind, "NAME"))
    typed_as = option(*names, panel=panel, value=value, help=_help(field, hint))
    typed: Any = bool if kind is bool else list[str] if _is_repeated(hint) else str
    return Annotated[typed | None, typed_as]


def _kind(hint: Any) -> Any:
    arms = [arm for arm in _arms(hint) if arm is not type(None)]
    return arms[0] if len(arms) == 1 else str


def _arms(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_repeated(hint: Any) -> bool:
    return any(get_origin(arm) in (tuple, Mapping) or is_dataclass(arm) for arm in _arms(hint))


def _help(field: Field[Any], hint: Any) -> str:
    """The option's line in the docstring, its choices, and what it is if not given."""
    said = _lines_of_docstring().get(field.name, "").rstrip(".")
    choices = [str(choice) for arm in _arms(hint) if get_origin(arm) is Literal for choice in get_args(arm)]
    if len(choices) > 1:
        said += f": {', '.join(choices)}"
    if field.default not in (MISSING, None, (), 0, -1) and _kind(hint) is not bool:
        said += f"; {field.default} if not given"
    return f"{said}."


def _lines_of_docstring() -> dict[str, str]:
    text = (TrainingOptions.__doc__ or "").partition("Attributes:")[2].partition("Raises:")[0]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", text, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", said).replace("``", "") for name, said in found}


GivenOptions: Any = _given_options()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is done with the options."""

    dry_run: Annotated[
        bool, option("--dry-run", panel=_TRAINING, help="Say what would be trained on what, and stop.")
    ] = False
    save_recipe: Annotated[
        str | None,
        option("--save-recipe", panel=_TRAINING, value="FILE", help="Write all options, defaults too, as a recipe."),
    ] = None


def spelled(option: str) -> str:
    """An option as it is called here, where it was typed as transformers writes it: ``learning_rate``."""
    return option.replace("_", "-")


@grouped
def train(
    *,
    recipe: Recipe = None,
    run: RunOptions,
    given: GivenOptions,
    messages: MessageOptions,
) -> None:
    """Train a model on labelled data.

    The options are transformers' own, on the command line, as variables,
    or in a recipe; the first of these wins. Started again, it goes on
    where it was stopped.

    [bold]lexel train -m my-model --train-file train.jsonl
    --validation-file dev.jsonl -o new-model[/]

    [dim]What would it do?[/]
    [bold]lexel train recipe.yaml --dry-run[/]
    """
    messages = messages if is_first_process() else replace(messages, quiet=True)
    with reported(messages), _told_once():
        check_extra()
        options = _options(recipe, given)
        if run.save_recipe is not None:
            _save_recipe(options, run.save_recipe)
        if run.dry_run:
            _show_plan(options)
        else:
            train_with(options, is_quiet=messages.quiet)


@contextmanager
def _told_once() -> Iterator[None]:
    """Let the first of several processes tell what went wrong with all; its launcher then ends the others.

    What went wrong with another alone is told by that one, when the first has had time to speak.
    """
    try:
        yield
    except LexelError:
        if not is_first_process():
            time.sleep(_TIME_TO_SPEAK_S)
        raise


def check_extra() -> None:
    """Make sure that what training needs is installed, before anything is read.

    Raises:
        MissingExtra: With the line that installs it.
    """
    missing = [name for name in ("torch", "transformers", "accelerate", "yaml") if find_spec(name) is None]
    if missing:
        raise MissingExtra(f'training needs {", ".join(missing)}: pip install "lexel[train]"')


def _options(recipe: str | None, given: Any) -> TrainingOptions:
    from lexel.training.config.recipe import build_options, read_recipe

    written = {} if recipe is None else read_recipe(recipe)
    typed = dict(_typed(given))
    if "heads" not in written and "heads" not in typed:
        typed |= _heads_of({**written, **typed})
    try:
        return build_options(written, typed)
    except OptionError as error:
        if recipe is None and not typed.keys() & {"train", "output_dir"}:
            raise typer.BadParameter("expected a recipe, or --train-file and --output-dir") from error
        raise


def _typed(given: Any) -> Iterator[tuple[str, Value]]:
    """The options that were given on the command line or by variables."""
    from lexel.training.config.recipe import read_words

    for field in fields(given):
        value = getattr(given, field.name)
        if value is None or value == []:
            continue
        where = _NAMES.get(field.name, (f"--{field.name.replace('_', '-')}",))[0].partition("/")[0]
        words = value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else str(value)]
        yield field.name, read_words(field.name, words, where=where)


def _heads_of(values: Mapping[str, Value]) -> dict[str, Value]:
    """A head for each layer that the first document has, where no heads were named."""
    from lexel.training.config.recipe import Value, first_data_file
    from lexel.training.start.plan import layers_of_data

    file = first_data_file(values)
    if file is None:
        return {}
    layers = layers_of_data(file)
    if not layers:
        raise OptionError(
            f"--heads: not given, and {file.path} has no words, pos or entities; name a task: fill, classify, "
            "answer or embed"
        )
    note(f"heads: {', '.join(layers)}, the layers of {file.path}; name others with --heads")
    return {"heads": Value([Value(layer, "--heads") for layer in layers], "--heads")}


def _save_recipe(options: TrainingOptions, path: str) -> None:
    from lexel.training.config.recipe import write_recipe

    write_recipe(options, path)


def _show_plan(options: TrainingOptions) -> None:
    from lexel.training.start.plan import plan_training

    for line in plan_training(options).lines():
        print(line)


def train_with(options: TrainingOptions, *, is_quiet: bool) -> None:
    """Train, showing how far it is, and say what can be done with the folder."""
    from lexel.cli.terminal.train_progress import show_training
    from lexel.training.loop.fit import train as fit

    with show_training(is_wanted=not is_quiet) as progress:
        result = fit(options, progress=progress)
    if not is_quiet:
        _say_what_next(options, result)


def is_first_process() -> bool:
    """Whether this is the process that speaks; accelerate's and torch's launchers number them."""
    return os.environ.get("RANK", "0") == "0"


def _say_what_next(options: TrainingOptions, result: TrainingResult) -> None:
    """Name the folder, what can be done with it, and what its card lacks."""
    from lexel.training.outcome.tables import cell, title_of

    folder = shlex.quote(str(result.folder))
    measured = next((shlex.quote(file.path) for files in (options.test, options.validation) for file in files), None)
    tasks = {head.task for head in options.heads.values()}
    print(f"{result.folder}")
    if result.best is not None:
        name, value = result.best["metric"], result.best["value"]
        print(f"  best weights:   step {result.best['step']:,}, {title_of(name)} {cell(name, value)}")
    if tasks & _TAGGING:
        print(f"  to use it:      lexel tag -m {folder}")
    for task in ("fill", "classify", "answer", "embed"):
        if task in tasks:
            print(f"  to use it:      lexel {task} -m {folder}")
    if tasks & (_TAGGING | {"classify", "answer"}):
        print(f"  to measure it:  lexel evaluate {folder} -d {measured or 'FILE'}")
    if measured is not None and (result.folder / "evaluation.json").exists():
        print(f"  to verify it:   lexel verify {folder} -d {measured}")
    if result.asked:
        print(f"  its card lacks: {', '.join(result.asked)}; to say it: lexel card {folder}")
