"""``lexel train``: train a model on labelled data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import typer

from lexel.cli.jobs.training import check_extra, is_first_process, told_once, train_with
from lexel.cli.options.groups import MessageOptions, grouped
from lexel.cli.options.train import GivenOptions, Recipe, RunOptions, typed_as
from lexel.cli.terminal.messages import note, reported
from lexel.errors import DataError, OptionError
from lexel.training.config.options import TrainingOptions

if TYPE_CHECKING:
    from lexel.training.config.values import Value


@grouped
def train(
    *,
    recipe: Recipe = None,
    run: RunOptions,
    given: GivenOptions,
    messages: MessageOptions,
) -> None:
    """Train a model on labelled data.

    Options have the names of transformers' TrainingArguments. Set them on
    the command line, as environment variables, or in a recipe; the first of
    these wins. Run the same command again to resume.

    [bold]lexel train -m my-model --train-file train.jsonl
    --validation-file dev.jsonl -o new-model[/]

    [dim]Print what would be done:[/]
    [bold]lexel train recipe.yaml --dry-run[/]
    """
    messages = messages if is_first_process() else replace(messages, quiet=True)
    with reported(messages), told_once():
        check_extra()
        options = _options(recipe, given)
        if run.save_recipe is not None:
            _save_recipe(options, run.save_recipe)
        if run.dry_run:
            _show_plan(options)
        else:
            train_with(options, is_quiet=messages.quiet)


def _options(recipe: str | None, given: Any) -> TrainingOptions:
    from lexel.training.config.recipe import build_options, read_recipe

    written = {} if recipe is None else read_recipe(recipe)
    typed = dict(_typed(given))
    found = {} if "heads" in written or "heads" in typed else _heads_of({**written, **typed})
    try:
        options = build_options(written, typed | found)
    except OptionError as error:
        missing = [typed_as(name) for name in ("train", "output_dir") if name not in typed]
        if recipe is None and missing:
            raise typer.BadParameter(f"{' and '.join(missing)}: not given, and no recipe either") from error
        raise
    if found:
        _note_left_out(options)
    return options


def _typed(given: Any) -> Iterator[tuple[str, Value]]:
    """The options from the command line and from environment variables."""
    from lexel.training.config.recipe import read_words

    for field in fields(given):
        value = getattr(given, field.name)
        if value is None or value == []:
            continue
        words = value if isinstance(value, list) else [str(value).lower() if isinstance(value, bool) else str(value)]
        yield field.name, read_words(field.name, words, where=typed_as(field.name))


def _heads_of(values: Mapping[str, Value]) -> dict[str, Value]:
    """A head for each layer of the first document, if no heads were named."""
    from lexel.data.places import exists
    from lexel.training.config.recipe import first_data_file
    from lexel.training.config.values import Value
    from lexel.training.start.plan import layers_of_data

    file = first_data_file(values)
    if file is None:
        return {}
    layers = layers_of_data(file)
    if not layers and not exists(file.path):
        raise DataError(f"{file.path}: no such file; expected a file of training data")
    if not layers:
        raise OptionError(
            f"--heads: not given, and {file.path} has no words, pos or entities; name a task: fill, classify, "
            "answer or embed"
        )
    note(f"heads: {', '.join(layers)}, the layers of {file.path}; name others with --heads")
    tasks = [{"nested": "spans"}.get(layer, layer) for layer in layers if layer != "entities" or "nested" not in layers]
    return {"heads": Value([Value(task, "--heads") for task in tasks], "--heads")}


def _note_left_out(options: TrainingOptions) -> None:
    """Print the heads of the base model that are left out because the data has no such labels."""
    from lexel.training.start.plan import heads_left_out

    for name, layer in heads_left_out(options).items():
        labels = "nested entities" if layer == "nested" else layer
        note(f"the base model's head {name} is left out: {options.train[0].path} has no {labels}")


def _save_recipe(options: TrainingOptions, path: str) -> None:
    from lexel.training.config.recipe import write_recipe

    write_recipe(options, path)


def _show_plan(options: TrainingOptions) -> None:
    from lexel.training.start.plan import plan_training

    plan = plan_training(options)
    for line in plan.lines():
        print(line)
    if plan.problems:
        raise DataError(f"{len(plan.problems)} problems would stop this run; expected none. They are listed above")
