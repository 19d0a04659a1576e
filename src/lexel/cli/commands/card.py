"""``lexel card``: write a model folder's card."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lexel.cli.jobs.labelled import open_labelled
from lexel.cli.options.card import AnswerOptions, Folder
from lexel.cli.options.groups import InputOptions, MessageOptions, PlainInputOptions, grouped
from lexel.cli.options.labelled import LabelledOptions
from lexel.cli.terminal.messages import is_terminal, note, reported
from lexel.disk import refused
from lexel.errors import CheckpointError

if TYPE_CHECKING:
    from lexel.cards.measuring import CardData


@grouped
def card(
    *,
    folder: Folder,
    asked: AnswerOptions,
    input: PlainInputOptions,
    labelled: LabelledOptions,
    messages: MessageOptions,
) -> None:
    """Write the model card of a folder.

    README.md gets the training record, the figures with intervals, and
    metadata that lexel verify can check. On a terminal you are asked for
    missing facts; otherwise they are listed at the end.

    [dim]A folder from lexel train, with facts that no file has:[/]
    [bold]lexel card my-model --licence cc-by-sa-4.0 --set genres=news[/]

    [dim]Any other folder, evaluated on a test set:[/]
    [bold]lexel card my-model -d test.conllu:GSD:cc-by-sa-4.0 --replace[/]
    """
    with reported(messages):
        from lexel.cards.card import write_card

        place, answers = _folder(folder), _answers(asked)
        if sets := _sets(asked.data or [], input=input, labelled=labelled):
            _measure(place, sets, samples=asked.samples)
        measure = not asked.no_speed
        result = write_card(place, answers=answers, replace_foreign=asked.replace, measure=measure)
        if result.asked and not messages.quiet and is_terminal(sys.stdin) and is_terminal(sys.stderr):
            answers |= _ask(result.asked)
            result = write_card(place, answers=answers, measure=measure)
        note(f"{result.path}: written")
        for name in result.asked:
            note(f"not known: {name}: {_question(name)} --set {shlex.quote(name)}=...")


def _folder(folder: str) -> Path:
    place = Path(folder)
    if not place.is_dir():
        raise CheckpointError(f"{folder}: no such folder; expected a model folder to write a card into")
    return place


def _answers(asked: AnswerOptions) -> dict[str, str]:
    from lexel.cards.questions import check_answers

    answers = {"licence": asked.licence, "language": asked.language}
    for entry in asked.set or []:
        name, sign, text = entry.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{entry!r}; expected NAME=TEXT", param_hint="--set")
        answers[name] = _text(text)
    given = {name: text for name, text in answers.items() if text is not None}
    check_answers(given)
    return given


def _text(said: str) -> str:
    if not said.startswith("@"):
        return said
    path = Path(said[1:])
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: {refused(error, doing='read')}", param_hint="--set") from error


def _sets(data: list[str], *, input: InputOptions, labelled: LabelledOptions) -> list[CardData]:
    """Check all files, so that errors are reported before a model is loaded."""
    from lexel.cards.measuring import CardData
    from lexel.evaluation.verify.claimed_data import Labelled

    def one(entry: str) -> CardData:
        path, name, licence = _parts(entry)
        opened = open_labelled(path, input, labelled)
        file = Labelled(path, lambda _: opened.documents(), opened.format.name)
        return CardData(file, name=name, licence=licence, role=_role(path), fold=labelled.fold)

    return [one(entry) for entry in data]


def _parts(entry: str) -> tuple[str, str | None, str | None]:
    """Parse ``FILE[:NAME[:LICENCE]]``; if a file with the whole name exists, it is that file."""
    if Path(entry).is_file():
        return entry, None, None
    path, *rest = entry.rsplit(":", 2) if Path(entry.rsplit(":", 2)[0]).is_file() else entry.rsplit(":", 1)
    name, licence = (*rest, "", "")[:2]
    return path, name or None, licence or None


def _role(path: str) -> str:
    """The part of a data set that a file is, by its name; by default the test set."""
    name = Path(path).name.lower()
    return "validation" if "dev" in name or "valid" in name else "train" if "train" in name else "test"


def _measure(folder: Path, sets: list[CardData], *, samples: int) -> None:
    from lexel.cards.measuring import add_reports
    from lexel.evaluation.scores.tallies import Sampling

    add_reports(folder, sets, command=shlex.join(["lexel", *sys.argv[1:]]), sampling=Sampling(samples))


def _question(name: str) -> str:
    from lexel.cards.questions import question

    return question(name)


def _ask(names: tuple[str, ...]) -> dict[str, str]:
    """Ask the user; an empty answer leaves the fact unknown."""
    said = {name: typer.prompt(_question(name), default="", show_default=False, err=True) for name in names}
    return {name: text.strip() for name, text in said.items() if text.strip()}
