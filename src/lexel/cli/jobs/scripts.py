"""Prints a note if most of a text is in a script that the model does not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lexel.checkpoint.source import BUNDLED_SCRIPTS, bundled_name, bundled_names
from lexel.cli.terminal.messages import note
from lexel.data.records import Record
from lexel.tasks.tag import Tagger
from lexel.text.letters import count_scripts

ENOUGH_LETTERS = 400
"""Number of letters needed to judge the share of each script; at the end of the input, fewer are enough."""

FEWEST_LETTERS = 10

_LETTERS = {"Hani": "Chinese characters", "Latn": "Latin letters"}


def bundled_model_of(tagger: Tagger) -> str | None:
    """The name of the bundled model that a tagger uses; ``None`` if it uses another, or several."""
    read = {bundled_name(flow.checkpoint.source.folder) for flow in tagger.flows}
    return read.pop() if len(read) == 1 else None


def with_note_on_script(records: Iterable[Record], name: str | None) -> Iterator[Record]:
    """The records, unchanged; prints a note if most letters are not in the script that a bundled model reads."""
    if name is None:
        yield from records
        return
    counts: Counter[str] = Counter()
    is_known = False
    for record in records:
        if not is_known:
            counts.update(count_scripts(record.text[: 10 * ENOUGH_LETTERS]))
            if is_known := sum(counts.values()) >= ENOUGH_LETTERS:
                _say(counts, name)
        yield record
    if not is_known and sum(counts.values()) >= FEWEST_LETTERS:
        _say(counts, name)


def _say(counts: Counter[str], name: str) -> None:
    """Print a note if another script has most of the letters, with the bundled model that reads it."""
    (script, n), *_ = counts.most_common(1)
    own = BUNDLED_SCRIPTS[name]
    if script == own or 2 * n <= sum(counts.values()):
        return
    found = f"{100 * n / sum(counts.values()):.0f} % of the letters are {_LETTERS.get(script, script)}"
    others = [other for other in bundled_names() if BUNDLED_SCRIPTS[other] == script]
    advice = f"use --model {others[0]}" if others else "choose another model with --model"
    note(f"{found}; the model {name} reads {_LETTERS[own]}. To read this text, {advice}")
