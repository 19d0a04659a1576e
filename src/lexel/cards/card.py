"""Writes a model folder's card from the facts in its files and the user's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lexel.cards.facts import ANSWERS, RELIABILITY_PLOT, Facts, gather, keep
from lexel.cards.front_matter import build_metadata
from lexel.cards.metadata import CARD
from lexel.cards.questions import asked_of, check_answers
from lexel.cards.reliability import plot_of
from lexel.cards.sections import SECTIONS, provenance, summary
from lexel.cards.speed import Speed, made_up_texts, measure_speed
from lexel.data.files import open_output
from lexel.errors import CheckpointError

FORMAT = 1
MARK = "<!-- Written by lexel card. Change what it says with lexel card FOLDER --set NAME=TEXT. -->"
"""The last line of each card written by Lexel; a card without it was written by a person."""


@dataclass(frozen=True, slots=True)
class CardResult:
    """A written card.

    Attributes:
        path: The card.
        asked: Names of the answers that are still missing.
    """

    path: Path
    asked: tuple[str, ...]


def write_card(
    folder: str | Path,
    *,
    answers: Mapping[str, Any] | None = None,
    replace_foreign: bool = False,
    measure: bool = True,
) -> CardResult:
    """Write ``README.md`` from the facts in a folder: configs, ``training.json``, ``evaluation.json``, earlier answers.

    Nothing is invented: a section without facts is left out, and the result names missing facts. The answers are
    saved in ``card.json``, so that the card can be written again.

    Args:
        folder: A model folder, Lexel's or a plain one.
        answers: Facts that no file contains, as strings or lists: ``licence``, ``language``, ... (see ``questions``).
        replace_foreign: Overwrite a card that a person wrote; its metadata is kept as far as it is still valid.
        measure: Measure speed and memory in a separate process, which takes some seconds.

    Raises:
        CheckpointError: If it is not a model folder, a file cannot be read, or the card was not written by Lexel.
        OptionError: If an answer has an unknown name.
        LabelError: If the model's labels have no meaning.
    """
    folder = Path(folder)
    check_answers(answers or {})
    facts = gather(folder, answers=answers or {})
    _check_card(folder, replace_foreign=replace_foreign)
    if measure:
        facts = replace(facts, speed=_measured(facts))
    if (plot := plot_of(facts)) is not None:
        (folder / RELIABILITY_PLOT).write_text(plot, encoding="utf-8")
    with open_output(folder / CARD) as output:
        output.write(card_text(facts))
    if facts.answers:
        keep(folder / ANSWERS, {"format": FORMAT, "answers": dict(facts.answers)})
    return CardResult(folder / CARD, asked_of(facts))


def card_text(facts: Facts) -> str:
    """The whole card."""
    sections = [(title, body) for title, write in SECTIONS if (body := write(facts).strip())]
    parts = [f"# {facts.name}", summary(facts), *(f"## {title}\n\n{body}" for title, body in sections)]
    end = "\n\n".join(part for part in (provenance(facts), MARK) if part)
    return f"---\n{build_metadata(facts).to_yaml()}\n---\n\n" + "\n\n".join([*parts, end]) + "\n"


def _check_card(folder: Path, *, replace_foreign: bool) -> None:
    path = folder / CARD
    if replace_foreign or not path.is_file():
        return
    if MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise CheckpointError(
            f"{path}: was not written by lexel card; it is kept. Pass --replace to overwrite it, or move it away"
        )


def _measured(facts: Facts) -> Speed | None:
    """The speed of the folder's model on this machine; only tagging models are measured."""
    if not facts.tagging_heads or len(facts.tagging_heads) < len(facts.heads.heads):
        return None
    texts = made_up_texts(facts.folder)
    return measure_speed(facts.folder, texts, of="random words of its vocabulary")
