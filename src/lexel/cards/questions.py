"""Facts for a card that no file contains: asked at the command line, and listed if unanswered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lexel.cards.facts import Facts
from lexel.errors import OptionError
from lexel.near import nearest_name

QUESTIONS: Mapping[str, str] = {
    "licence": "Under which licence may the weights be used (a hub identifier such as apache-2.0, or a name)?",
    "language": "Which languages does it read (ISO codes, such as zh, en)?",
    "base": "Which model was it made from (a hub id, or 'none')?",
    "base_licence": "What is the licence of the model that it was made from?",
    "training_data": "Which data was it trained on?",
    "genres": "Which kinds of text are the data (news, encyclopaedia, speech, ...)?",
    "author": "Who made the model?",
}
"""The questions about unknown facts, by the answer's name."""

OPTIONAL = (
    "attribution",
    "citation",
    "contact",
    "example",
    "hub_id",
    "intended_use",
    "languages",
    "license",
    "licence_link",
    "limits",
    "name",
    "notes",
)
"""Other answers, never asked for."""

OF_DATA = "licence."
"""Prefix of a data set's name: the answer gives its licence."""


def asked_of(facts: Facts) -> tuple[str, ...]:
    """Names of the answers that are missing."""
    return tuple(dict.fromkeys(_missing(facts)))


def question(name: str) -> str:
    """The question for an answer."""
    if name.startswith(OF_DATA):
        return f"What is the licence of the data {name.removeprefix(OF_DATA)}?"
    return QUESTIONS[name]


def check_answers(answers: Mapping[str, object]) -> None:
    """Reject answers with unknown names.

    Raises:
        OptionError: If a name is unknown; the message suggests the most similar one.
    """
    known = [*QUESTIONS, *OPTIONAL]
    for name in answers:
        if name in known or (name.startswith(OF_DATA) and name != OF_DATA):
            continue
        near = nearest_name(name, known)
        hint = f"did you mean {near}?" if near is not None else f"expected one of {', '.join(known)} or {OF_DATA}DATA"
        raise OptionError(f"card: a card has no question {name!r}; {hint}")


def _missing(facts: Facts) -> Iterator[str]:
    if facts.licence is None:
        yield "licence"
    if not facts.languages:
        yield "language"
    if not facts.training and not facts.base and facts.answer("base") is None:
        yield "base"
    if facts.base and not facts.base.get("licence"):
        yield "base_licence"
    if not any(row.role == "train" for row in facts.data) and facts.answer("training_data") is None:
        yield "training_data"
    yield from (f"{OF_DATA}{row.name}" for row in facts.data if row.licence is None)
    yield from (name for name in ("genres", "author") if facts.answer(name) is None)
