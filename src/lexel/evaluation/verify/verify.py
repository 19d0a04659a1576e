"""Measures the figures of a card again, and reports for each whether it agrees, and if not, possible reasons.

Claims are grouped by their data; each group is evaluated once, in float32 unless you choose another precision. If a
figure does not agree, the usual reasons are tried in turn, and a reason is reported only if it applies or gives the
claimed figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from lexel.checkpoint import Checkpoint
from lexel.disk import sha256_of
from lexel.errors import LexelError
from lexel.evaluation.verify.claimed_data import Labelled, match
from lexel.evaluation.verify.claims import Claim, DataKey, Figure, figure_of
from lexel.evaluation.verify.reruns import ClassRuns, How, Runs, TagRuns, VerifyOptions
from lexel.jsonfile import read_object
from lexel.metrics.scores import Estimate
from lexel.tasks.classify import Classifier
from lexel.tasks.tag import Tagger

__all__ = ["Labelled", "Verdict", "Verification", "VerifyOptions", "verify"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one claim.

    Attributes:
        claim: The claim.
        file: The data; ``None`` if it was not measured.
        figure: The interpretation of the claim, in words; empty if there is none.
        claimed: The claimed figure, from 0 to 1; ``None`` if it is not a figure.
        measured: The measured figure, with its interval; ``None`` if it was not measured.
        is_within: Whether the two agree; ``None`` if it was not measured.
        reasons: Possible reasons for a difference.
        why_not_run: The reason why it was not measured; empty if it was.
    """

    claim: Claim
    file: str | None = None
    figure: str = ""
    claimed: float | None = None
    measured: Estimate | None = None
    is_within: bool | None = None
    reasons: tuple[str, ...] = ()
    why_not_run: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The results for all claims of a card.

    Attributes:
        verdicts: One for each claim, in the card's order.
        notes: Notes for readers of them.
        tolerance: Tolerance in points.
    """

    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    tolerance: float

    @property
    def n_run(self) -> int:
        """Number of claims that were measured again."""
        return sum(verdict.is_within is not None for verdict in self.verdicts)

    @property
    def holds(self) -> bool:
        """Whether at least one figure was measured, and all of them agree."""
        return self.n_run > 0 and all(verdict.is_within is not False for verdict in self.verdicts)


def verify(
    model: Tagger | Classifier,
    claims: Sequence[Claim],
    *,
    files: Sequence[Labelled],
    options: VerifyOptions | None = None,
) -> Verification:
    """Measure claims again on their data.

    Args:
        model: A tagger, or a text classifier.
        claims: The claims of its card.
        files: Gold data.
        options: How to measure them.

    Raises:
        DataError: If a file matches no claim, or cannot be read.
    """
    options = options or VerifyOptions()
    places = match(claims, files)
    runs: Runs = ClassRuns(model, options) if isinstance(model, Classifier) else TagRuns(model, options)
    figures = [figure_of(claim, runs.layers) for claim in claims]
    in_percent = _sets_in_percent(claims, figures)
    verdicts = tuple(
        _verdict(claim, figure, file=file, runs=runs, is_percent=claim.data in in_percent)
        for claim, figure, file in zip(claims, figures, places, strict=True)
    )
    run = {verdict.claim.data for verdict in verdicts if verdict.is_within is not None}
    said = ["the card's figures are in per cent" if run <= in_percent else "some of the card's figures are in per cent"]
    notes = dict.fromkeys((said if run & in_percent else []) + runs.notes)
    return Verification(verdicts, tuple(notes), options.tolerance)


def _sets_in_percent(claims: Sequence[Claim], figures: Sequence[Figure | str]) -> set[DataKey]:
    """The data sets with figures in per cent: those with a figure above 1."""
    pairs = zip(claims, figures, strict=True)
    return {claim.data for claim, figure in pairs if isinstance(figure, Figure) and claim.is_above_1}


# Judging -------------------------------------------------------------------------------------------------------------


def _verdict(claim: Claim, figure: Figure | str, *, file: Labelled | None, runs: Runs, is_percent: bool) -> Verdict:
    if isinstance(figure, str):
        return Verdict(claim, why_not_run=figure)
    claimed = _fraction(claim, is_percent=is_percent)
    if claimed is None:
        return Verdict(claim, figure=figure.name, why_not_run=f"the value {claim.value!r} is not a share or per cent")
    if file is None:
        said = f"no data given for {claim.data_name}"
        return Verdict(claim, figure=figure.name, claimed=claimed, why_not_run=said)
    how = runs.plan(claim, file)
    measured = runs.measure(figure, how)
    if measured is None:
        absent = runs.why_absent(how)
        said = f"{figure.name} was not scored" + (f" ({absent})" if absent else "")
        return Verdict(claim, file.path, figure.name, claimed, why_not_run=said)
    runs.tell(how, of=claim.data_name)
    case = _Case(claim, figure, claimed, measured, how, runs)
    is_within = case.fits(measured)
    reasons = () if is_within else tuple(case.reasons())
    return Verdict(claim, file.path, figure.name, claimed, measured, is_within, reasons)


def _fraction(claim: Claim, *, is_percent: bool) -> float | None:
    number = claim.number
    if number is None:
        return None
    value = number / 100 if is_percent else number
    return value if 0 <= value <= 1 else None


@dataclass(frozen=True)
class _Case:
    """Compare a claim with the measured figure."""

    claim: Claim
    figure: Figure
    claimed: float
    measured: Estimate
    how: How
    runs: Runs

    def fits(self, value: Estimate | None) -> bool:
        """Whether a figure agrees with the claim, within the tolerance."""
        return value is not None and abs(value.value - self.claimed) * 100 <= self.runs.options.tolerance + _ROUNDING

    def reasons(self) -> Iterator[str]:
        """The usual reasons that apply."""
        yield from self._other_figures()
        yield from self._other_runs()
        yield from self._data()
        yield from self._precision()
        yield from self._tokenizer()

    def _other_figures(self) -> Iterator[str]:
        for other in self.figure.others():
            value = self.runs.measure(other, self.how)
            if value is not None and self.fits(value):
                yield f"the claim is what another rule gives: {other.name} is {_percent(value.value)}"
                return

    def _other_runs(self) -> Iterator[str]:
        for said, how in self.runs.variants(self.figure, self.how):
            try:
                value = self.runs.measure(self.figure, how)
            except LexelError:  # this data or this machine does not allow these settings
                continue
            if value is not None and self.fits(value):
                yield f"{said} it is {_percent(value.value)}, as claimed"

    def _data(self) -> Iterator[str]:
        expected = self.claim.revision or ""
        if _SHA256.fullmatch(expected) and sha256_of(self.how.file.path) != expected:
            yield f"{self.how.file.path} is not the file of the claim, whose SHA-256 is {expected}"

    def _precision(self) -> Iterator[str]:
        low = sorted({flow.engine.precision for flow in self.runs.flows} - {"float32", "float64"})
        if low:
            yield f"computed in {', '.join(low)}; measure with --precision float32"

    def _tokenizer(self) -> Iterator[str]:
        for flow in self.runs.flows:
            made = _made_with(flow.checkpoint)
            if made is not None and made != _installed("tokenizers"):
                yield f"the model was made with tokenizers {made}; here it is {_installed('tokenizers')}"


def _made_with(checkpoint: Checkpoint) -> str | None:
    """The version of tokenizers that a model was made with, if ``lexel.json`` or ``training.json`` has it."""
    record = checkpoint.source.folder / "training.json"
    environment = read_object(record).get("environment") if record.is_file() else None
    for values in (checkpoint.made, environment):
        versions = values.get("versions") if isinstance(values, Mapping) else None
        if isinstance(versions, Mapping) and isinstance(versions.get("tokenizers"), str):
            return str(versions["tokenizers"])
    return None


def _installed(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"
