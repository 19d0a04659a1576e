"""The verification of a card's claims in the terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from lexel.data.files import Target, open_output
from lexel.evaluation.reports.report import interval_of, percent
from lexel.evaluation.verify.verify import Verdict, Verification

FORMAT = 1


def show(verification: Verification, console: Console) -> None:
    """Draw a verification in a terminal."""
    run = [verdict for verdict in verification.verdicts if verdict.is_within is not None]
    if run:
        console.print(_table(run))
    for line in remarks(verification):
        console.print(line, highlight=False, markup=False)


def remarks(verification: Verification) -> Iterator[str]:
    """Notes below the table, one line each; the last one is the outcome."""
    for verdict in verification.verdicts:
        if verdict.is_within is False:
            reasons = verdict.reasons or ("none of the usual reasons applies",)
            yield from (f"{verdict.claim.data_name}: {verdict.claim.name}: {reason}" for reason in reasons)
    left: dict[tuple[str, str], list[str]] = {}
    for verdict in verification.verdicts:
        if verdict.is_within is None:
            left.setdefault((verdict.claim.data_name, verdict.why_not_run), []).append(verdict.claim.name)
    yield from (f"not verified: {data}: {', '.join(names)}: {why}" for (data, why), names in left.items())
    yield from (f"note: {note}" for note in verification.notes)
    yield outcome(verification)


def outcome(verification: Verification) -> str:
    """The outcome in a line."""
    within = sum(verdict.is_within is True for verdict in verification.verdicts)
    left = len(verification.verdicts) - verification.n_run
    said = f"{within} of {verification.n_run} figures within {verification.tolerance:g} points"
    return f"{said}; {left} not verified" if left else said


def as_json(verification: Verification, made: Mapping[str, Any]) -> dict[str, Any]:
    """A verification as JSON values.

    Args:
        verification: The verification.
        made: The provenance of the figures, see ``provenance``.
    """
    rows = asdict(verification)
    return {"format": FORMAT, **made, "holds": verification.holds, **rows}


def write_json(verification: Verification, out: Target, *, made: Mapping[str, Any]) -> None:
    """Write a verification as JSON.

    Raises:
        DataError: If the file cannot be written.
    """
    with open_output(out) as output:
        output.write(json.dumps(as_json(verification, made), indent=2, default=str) + "\n")


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("data", "figure", box=None, pad_edge=False, header_style="bold")
    for name in ("claimed", "measured", "95 %", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for verdict in verdicts:
        if verdict.claimed is None or verdict.measured is None:
            continue
        agrees = "within" if verdict.is_within else "[red]differs[/]"
        figures = percent(verdict.claimed), percent(verdict.measured.value), interval_of(verdict.measured)
        table.add_row(verdict.claim.data_name, verdict.claim.name, *figures, agrees)
    return table
