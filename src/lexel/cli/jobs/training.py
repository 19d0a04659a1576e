"""Trains with a progress display, and prints the next steps."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lexel.errors import LexelError, MissingExtra
from lexel.names import TAGGING, TEXT_TASKS
from lexel.training.config.options import TrainingOptions

if TYPE_CHECKING:
    from lexel.training.loop.fit import TrainingResult

_TIME_TO_SPEAK_S = 10.0


def check_extra() -> None:
    """Check that the libraries for training are installed, before anything is read.

    Raises:
        MissingExtra: With the line that installs it.
    """
    missing = [name for name in ("torch", "transformers", "accelerate", "pydantic", "yaml") if find_spec(name) is None]
    if missing:
        raise MissingExtra(f'training needs {", ".join(missing)}: pip install "lexel[train]"')


def is_first_process() -> bool:
    """Whether this process prints messages: the first one by the number from accelerate's or torch's launcher."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def told_once() -> Iterator[None]:
    """Report an error of several processes once: the first one prints it, and the launcher then ends the others.

    If only another process fails, it prints its error itself, after waiting for the first one.
    """
    try:
        yield
    except LexelError:
        if not is_first_process():
            time.sleep(_TIME_TO_SPEAK_S)
        raise


def train_with(options: TrainingOptions, *, is_quiet: bool) -> None:
    """Train with a progress display, and print the next steps."""
    from lexel.cli.terminal.train_progress import show_training
    from lexel.training.loop.fit import train as fit

    if options.folds and options.fold_number is None:
        _cross_validate(options, is_quiet=is_quiet)
        return
    with show_training(is_wanted=not is_quiet) as progress:
        result = fit(options, progress=progress)
    if not is_quiet:
        _say_what_next(options, result)


def _cross_validate(options: TrainingOptions, *, is_quiet: bool) -> None:
    """Train once for each fold, and print the mean and the standard deviation of each figure."""
    from lexel.cli.terminal.train_progress import show_training
    from lexel.training.loop.cross_validation import cross_validate
    from lexel.training.outcome.tables import title_of

    with show_training(is_wanted=not is_quiet) as progress:
        result = cross_validate(options, progress=progress)
    print(f"{result.folder}")
    for name, figure in result.figures.items():
        print(f"  {title_of(name)}: {figure.mean:.4f} ± {figure.deviation:.4f} ({len(figure.values)} folds)")


def _say_what_next(options: TrainingOptions, result: TrainingResult) -> None:
    """Print the folder, the next commands, and the facts that its card lacks."""
    from lexel.training.outcome.tables import cell, title_of

    folder = shlex.quote(str(result.folder))
    measured = next((shlex.quote(file.path) for files in (options.test, options.validation) for file in files), None)
    tasks = {head.task for head in options.heads.values()}
    print(f"{result.folder}")
    if result.best is not None:
        name, value = result.best["metric"], result.best["value"]
        print(f"  best weights:   step {result.best['step']:,}, {title_of(name)} {cell(name, value)}")
    if tasks.intersection(TAGGING):
        print(f"  to use it:      lexel tag -m {folder}")
    for task in ("fill", *TEXT_TASKS):
        if task in tasks:
            print(f"  to use it:      lexel {task} -m {folder}")
    if tasks.intersection((*TAGGING, "classify", "answer")):
        print(f"  to measure it:  lexel evaluate {folder} -d {measured or 'FILE'}")
    if measured is not None and (result.folder / "evaluation.json").exists():
        print(f"  to verify it:   lexel verify {folder} -d {measured}")
    if result.unanswered:
        print(f"  its card lacks: {', '.join(result.unanswered)}; to add it: lexel card {folder}")
