"""Card sections on other forms of a model: an eight-bit graph next to the weights, and a distilled student."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lexel.cards import markdown
from lexel.cards.facts import Facts
from lexel.jsonfile import read_object
from lexel.provenance import chain_of
from lexel.provenance.statement import BOM, STATEMENT

DISTILLATION = "distillation.json"

Values = Mapping[str, Any]


def eight_bits(facts: Facts) -> str:
    """The loss of the quantised graph next to the weights."""
    made = facts.heads.quantised
    if made is None or not made.record.get("cost"):
        return ""
    calibration = made.record["calibration"]
    said = (
        f"The folder also has an int8 graph ({made.record['method']}, calibrated on {calibration['texts']:,} texts of "
        f"{calibration['chars']:,} characters). Precision `auto` uses it if the processor supports it. What it costs:"
    )
    return markdown.paragraphs(said, _table(made.record["cost"], ("float32", "int8")), *_kept(made.record))


def _kept(record: Values) -> Iterator[str]:
    if record.get("kept"):
        yield f"{len(record['kept'])} products stay in full precision, because decisions are most sensitive to them."


def distilled(facts: Facts) -> str:
    """The loss of a student compared with its teacher."""
    path = facts.folder / DISTILLATION
    if not path.is_file():
        return ""
    cost = read_object(path)["cost"]
    faster = cost["chars_per_second"] / max(cost["chars_per_second_before"], 1e-9)
    smaller = f"{cost['n_bytes'] / 1e6:,.1f} MB of weights instead of {cost['n_bytes_before'] / 1e6:,.1f} MB"
    return markdown.paragraphs(
        f"It was distilled from a larger model, its teacher: {smaller}, {faster:.2f} times as fast on one machine.",
        _table(cost, ("teacher", "student")),
        _agreement(cost.get("agreement") or {}),
    )


def steps(facts: Facts) -> str:
    """The steps that made it, in order, each with its inputs."""
    found = chain_of(facts.folder)
    rows = [
        (
            markdown.text(f"lexel {step['verb']}"),
            markdown.text(str(step["finished"])),
            markdown.text(", ".join(step["from"]) or "random weights"),
            markdown.text(", ".join(f"{name} ({checksum[:12]})" for name, checksum in step["data"].items())),
            markdown.text(step["provenance_sha256"][:12]),
        )
        for step in reversed(found)
    ]
    if not rows:
        return ""
    said = f"What went in, with checksums, is in [{STATEMENT}]({STATEMENT}) (in-toto) and [{BOM}]({BOM}) (CycloneDX)."
    return markdown.paragraphs(markdown.table(("step", "finished", "from", "data", "statement"), rows), said)


def _table(cost: Values, names: tuple[str, str]) -> str:
    """Scores, or changed decisions if there were no gold labels."""
    if not cost.get("layers"):
        flips = [
            (markdown.text(name), f"{n:.2f}") for name, n in cost["flips"].items() if not name.startswith("hidden.")
        ]
        return markdown.table(("", "of 1,000 decisions, changed"), flips) if flips else ""
    rows = [
        (
            markdown.text(name),
            layer.get("score", "F1"),
            *(_with_interval(layer.get(part)) for part in ("before", "after", "change")),
        )
        for name, layer in cost["layers"].items()
    ]
    return markdown.table(("", "score", *names, "change"), rows)


def _agreement(found: Mapping[str, Values]) -> str:
    """How far a student's vectors agree with its teacher's, in directions and in nearest neighbours."""
    rows = [
        (
            markdown.text(name),
            f"{vectors['n_texts']:,}",
            _with_interval(vectors["cosine"], times=1, digits=4),
            _with_interval(vectors["nearest"]),
        )
        for name, vectors in found.items()
    ]
    head = ("", "texts", "mean cosine with the teacher's", "same nearest text, of 100")
    said = [
        f"Its vectors have {own:,} numbers, the teacher's {theirs:,}, so only the nearest texts are compared."
        for theirs, own in (vectors["sizes"] for vectors in found.values())
        if theirs != own
    ]
    return markdown.paragraphs(markdown.table(head, rows), *said) if rows else ""


def _with_interval(score: Values | None, *, times: int = 100, digits: int = 2) -> str:
    if score is None:
        return ""
    value = f"{times * score['value'] + 0.0:.{digits}f}"
    if score.get("low") is None:
        return value
    return f"{value} [{times * score['low']:.{digits}f}, {times * score['high']:.{digits}f}]"
