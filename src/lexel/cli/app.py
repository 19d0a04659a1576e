"""The commands of ``lexel``, and the messages for wrong arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

import lexel
from lexel.cli.commands.answer import answer
from lexel.cli.commands.bundle import bundle
from lexel.cli.commands.calibrate import calibrate
from lexel.cli.commands.card import card
from lexel.cli.commands.check import check
from lexel.cli.commands.classify import classify
from lexel.cli.commands.cluster import cluster
from lexel.cli.commands.compare import compare
from lexel.cli.commands.convert import convert
from lexel.cli.commands.corpus import corpus
from lexel.cli.commands.describe import describe
from lexel.cli.commands.distill import distill
from lexel.cli.commands.embed import embed
from lexel.cli.commands.evaluate import evaluate
from lexel.cli.commands.export import export
from lexel.cli.commands.fill import fill
from lexel.cli.commands.lock import lock
from lexel.cli.commands.models import models
from lexel.cli.commands.probe import probe
from lexel.cli.commands.quantize import quantize
from lexel.cli.commands.search import search
from lexel.cli.commands.segment import segment
from lexel.cli.commands.serve import serve
from lexel.cli.commands.tag import tag
from lexel.cli.commands.train import train
from lexel.cli.commands.verify import verify
from lexel.cli.options.train import spelled
from lexel.cli.terminal.messages import (
    MISUSE,
    end_on_signals,
    flush_output,
    have_output_buffered,
    let_go_of_output,
    output_reported,
    say_error,
)
from lexel.cli.terminal.statuses import DONE, MISUSED
from lexel.near import nearest_name

_EPILOG = (
    "Every option can also be set by an environment variable: [bold]--batch-pieces[/] by "
    "[bold]LEXEL_BATCH_PIECES[/]. The command line wins."
)

app = typer.Typer(
    name="lexel",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Read": (tag, segment, classify, fill, answer),
    "Serve": (serve,),
    "Embed and search": (embed, search, cluster),
    "Evaluate": (evaluate, compare, probe, verify),
    "Train and convert": (train, calibrate, distill, quantize, export, convert),
    "Models": (models, describe, check, lock, bundle, card),
}
"""The commands by their panels in the help."""

_SETTINGS: dict[Callable[..., None], dict[str, Any]] = {train: {"token_normalize_func": spelled}}

for _panel, _commands in _COMMANDS.items():
    for _command in _commands:
        app.command(epilog=_EPILOG, rich_help_panel=_panel, context_settings=_SETTINGS.get(_command))(_command)
app.add_typer(corpus, rich_help_panel="Read")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"lexel {lexel.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find words, tags, entities, classes, answers and vectors in text.

    With any model of the BERT family. Chinese and English models are bundled.

    [bold]echo 日本隊昨晚以5比3戰勝了韓國隊。 | lexel tag[/]
    """


def run_app() -> int:
    """Run the command in the arguments; returns its exit status."""
    end_on_signals()
    have_output_buffered()
    try:
        with output_reported():
            status = app(sys.argv[1:] or ["--help"], prog_name="lexel", standalone_mode=False)
            if not status:  # a failed command has printed its error
                flush_output()
    except MISUSE as misuse:
        say_error(_told(misuse))
        status = MISUSED
    except typer.Exit as ending:
        status = ending.exit_code
    finally:
        let_go_of_output()
    return status if isinstance(status, int) else DONE


def _told(misuse: Exception) -> str:
    """One line about a wrong argument, with a similar correct one, and the help to read."""
    context, near = getattr(misuse, "ctx", None), getattr(misuse, "possibilities", None)
    said = str(getattr(misuse, "format_message", misuse.__str__)()).rstrip(".")
    if near is not None:  # the parser lists even remotely similar names
        said = str(getattr(misuse, "message", misuse)).partition(" Did you mean")[0].rstrip(".")
        nearest = nearest_name(str(getattr(misuse, "option_name", "")), near)
        said += "" if nearest is None else f"; did you mean {nearest}?"
    said = said.replace("Value error, ", "")  # the parser's word for any value that it rejects
    variable = getattr(getattr(misuse, "param", None), "envvar", None)
    if isinstance(variable, str) and variable in os.environ and not _is_given(misuse):
        said += f" (from {variable})"
    command = "lexel" if context is None else context.command_path
    return f"{said}{'' if said.endswith('?') else '.'} See '{command} --help'."


def _is_given(misuse: Exception) -> bool:
    """Whether the option is on the command line."""
    names = tuple(getattr(getattr(misuse, "param", None), "opts", ()))
    return any(argument.startswith(names) for argument in sys.argv[1:])
