"""The figures of a card: tables for readers, and the same figures as claims that ``lexel verify`` can measure again."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexel.cards import markdown
from lexel.cards.facts import EVALUATION, Facts
from lexel.cards.metadata import CARD
from lexel.data import FOLDS

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

Values = Mapping[str, Any]
_logger = logging.getLogger("lexel")

SHARE_DECIMALS = 4
_QUANTITIES = ("precision", "recall", "f1")
_SAID = {"precision": "precision", "recall": "recall", "f1": "F1", "accuracy": "accuracy"}
_SPLITS = {"train": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class Scored:
    """A row of a report: one scored item.

    Attributes:
        title: Its name in tables.
        name: The name for its figures: ``word`` in ``word F1``.
        scores: Its scores, by ``precision``, ``recall``, ``f1`` or ``accuracy``: ``{"value", "low", "high"}``.
        args: Identifies the figures for ``lexel verify``; empty if it cannot measure them again.
        n_gold: Their number in the data; ``None`` if it is not counted.
    """

    title: str
    name: str
    scores: Mapping[str, Values]
    args: Mapping[str, str]
    n_gold: int | None = None


def scored(report: Values) -> Iterator[Scored]:
    """The rows of a report: words, tags and entities by both rules, or classes, or answers."""
    results = report.get("results") or {}
    if classes := results.get("classes"):
        yield from _classes(classes)
    if answers := results.get("answers"):
        shown = {"f1": answers["f1"], "accuracy": answers["exact"]}
        yield Scored("answers (accuracy: exact match)", "answer", shown, {})
    if words := results.get("words"):
        yield _spans("words", "word", words["words"], layer="words")
    if pos := results.get("pos"):
        yield _spans("words with their tags", "words with tags", pos["words_and_tags"], layer="pos")
        given = bool((report.get("options") or {}).get("given_words"))
        where = "given words" if given else "found words"
        yield Scored(f"tags of {where}", f"tags of {where},", {"accuracy": pos["accuracy"]}, {"layer": "pos"})
    if entities := results.get("entities"):
        for rule in ("strict", "lenient"):
            yield _spans(
                f"entities, {rule} rule", f"entity ({rule})", entities[rule]["micro"], layer="entities", rule=rule
            )
    if nested := results.get("nested"):
        yield _spans("nested entities", "nested entity", nested["spans"]["micro"], layer="nested")


def _classes(scores: Values) -> Iterator[Scored]:
    if scores.get("accuracy"):
        yield Scored("classes", "", {"accuracy": scores["accuracy"]}, {"layer": "classes"})
    if scores.get("macro"):
        macro = dict(zip(_QUANTITIES, scores["macro"], strict=True))
        yield Scored("classes, macro average", "macro", macro, {"layer": "classes", "average": "macro"})


def _spans(title: str, name: str, score: Values, **args: str) -> Scored:
    return Scored(title, name, {key: score[key] for key in _QUANTITIES}, args, score.get("n_gold"))


def eval_results(facts: Facts) -> list[EvalResult]:
    """Every figure of every report, in the hub's own type; values are from 0 to 1.

    Without reports, the claims of an earlier card are kept.
    """
    if not facts.reports:
        return _earlier(facts)
    return [result for report in facts.reports for result in _claims(facts, report)]


def _earlier(facts: Facts) -> list[EvalResult]:
    from huggingface_hub.repocard_data import model_index_to_eval_results

    index = facts.previous.get("model-index")
    if not index:
        return []
    try:
        return model_index_to_eval_results(index)[1]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _logger.warning("%s: its model-index is left out: not what the hub reads (%r)", facts.folder / CARD, error)
        return []


def _claims(facts: Facts, report: Values) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    data, (name, role) = report.get("data") or {}, facts.report_name(report)
    common = _common_args(report)
    kind = "text" if (report.get("results") or {}).get("classes") else "token"
    for row in scored(report):
        for quantity, score in row.scores.items() if row.args else ():
            yield EvalResult(
                task_type=f"{kind}-classification",
                task_name=f"{kind.title()} classification",
                dataset_name=name,
                dataset_type=slug(name),
                dataset_config=fold_name(report),
                dataset_split=_SPLITS.get(role or ""),
                dataset_revision=data.get("sha256"),
                metric_type=quantity,
                metric_name=f"{row.name} {_SAID[quantity]}".strip(),
                metric_value=round(float(score["value"]), SHARE_DECIMALS),
                metric_args={**row.args, **common},
                source_name=f"lexel {(report.get('versions') or {}).get('lexel', '')}".strip(),
                source_url=EVALUATION,
            )


def _common_args(report: Values) -> dict[str, Any]:
    """The settings that affect the figures."""
    options = report.get("options") or {}
    is_tagged = not (report.get("results") or {}).get("classes")
    found: dict[str, Any] = {"decode": options.get("decode", "viterbi")} if is_tagged else {}
    if options.get("given_words"):
        found["given_words"] = True
    if options.get("label_map"):
        found["label_map"] = dict(options["label_map"])
    return found


def fold_name(report: Values) -> str | None:
    """The named rule by which a report's gold tags were folded."""
    fold = (report.get("data") or {}).get("fold")
    return fold if isinstance(fold, str) and fold in FOLDS else None


def slug(name: str) -> str:
    """A name as an identifier."""
    return re.sub(r"[^\w.]+", "-", name.lower()).strip("-") or "data"


# For readers ---------------------------------------------------------------------------------------------------------


def result_table(facts: Facts) -> str:
    """All figures of all reports, in per cent, with their intervals."""
    return markdown.table(
        ("data", "part", "what", "precision", "recall", "F1", "95 % of F1", "accuracy", "in gold"),
        [row for report in facts.reports for row in _rows(facts, report)],
        numbers=("precision", "recall", "F1", "accuracy", "in gold"),
    )


def _rows(facts: Facts, report: Values) -> Iterator[Sequence[str]]:
    name, role = facts.report_name(report)
    for row in scored(report):
        shown = [percent(row.scores[key]["value"]) if key in row.scores else "" for key in (*_QUANTITIES, "accuracy")]
        shown.insert(3, interval(row.scores["f1"]) if "f1" in row.scores else "")
        if "accuracy" in row.scores and (span := interval(row.scores["accuracy"])):
            shown[-1] += f" ({span})"
        count = "" if row.n_gold is None else f"{row.n_gold:,}"
        yield markdown.text(name), role or "", row.title, *shown, count


def claim_table(facts: Facts) -> str:
    """The claims of an earlier card, unchanged."""
    rows = [
        (markdown.text(claim.dataset_name), claim.dataset_split or "", markdown.text(name), markdown.text(value))
        for claim in _earlier(facts)
        if (name := claim.metric_name or claim.metric_type) and (value := claim.metric_value) is not None
    ]
    return markdown.table(("data", "part", "what", "claimed"), rows, numbers=("claimed",)) if rows else ""


def type_table(facts: Facts) -> str:
    """F1 of each type of entity, by both rules."""
    rows = []
    for report in facts.reports:
        entities = (report.get("results") or {}).get("entities")
        if not entities:
            continue
        name, role = facts.report_name(report)
        for label, lenient in entities["lenient"]["by_label"].items():
            strict = entities["strict"]["by_label"].get(label)
            shown = ["" if score is None else percent(score["f1"]["value"]) for score in (strict, lenient)]
            place = (markdown.text(name), role or "")
            rows.append((*place, markdown.cell_code(label), *shown, interval(lenient["f1"]), f"{lenient['n_gold']:,}"))
    head = ("data", "part", "type", "strict F1", "lenient F1", "95 % of lenient", "in gold")
    return markdown.table(head, rows, numbers=("strict F1", "lenient F1", "in gold")) if rows else ""


def nested_table(facts: Facts) -> str:
    """F1 of each type of nested entity."""
    rows = []
    for report in facts.reports:
        nested = (report.get("results") or {}).get("nested")
        name, role = facts.report_name(report)
        for label, score in nested["spans"]["by_label"].items() if nested else ():
            shown = percent(score["f1"]["value"]), interval(score["f1"]), f"{score['n_gold']:,}"
            rows.append((markdown.text(name), role or "", markdown.cell_code(label), *shown))
    head = ("data", "part", "type", "F1", "95 %", "in gold")
    return markdown.table(head, rows, numbers=("F1", "in gold")) if rows else ""


def tag_table(facts: Facts) -> str:
    """F1 of each part-of-speech tag, by set."""
    reports = [report for report in facts.reports if (report.get("results") or {}).get("pos")]
    names = [facts.report_title(report) for report in reports]
    by_label = [report["results"]["pos"]["by_label"] for report in reports]
    labels = list(dict.fromkeys(label for scores in by_label for label in scores))
    rows = [
        (
            markdown.cell_code(label),
            *(percent(scores[label]["f1"]["value"]) if label in scores else "" for scores in by_label),
        )
        for label in labels
    ]
    heads = [markdown.text(name) for name in names]
    return markdown.table(("tag", *heads), rows, numbers=heads) if rows else ""


def verify_commands(facts: Facts) -> list[str]:
    """The command that measures each report's figures again."""
    files = [Path(str((report.get("data") or {}).get("file", "data"))) for report in facts.reports]
    names = [file.name for file in files]
    are_alike = len(set(names)) < len(set(files))
    shown = [
        str(Path(*file.parts[-2:]) if are_alike else file.name) if file.is_absolute() else str(file) for file in files
    ]
    return [shlex.join(["lexel", "verify", facts.place, "--data", name]) for name in dict.fromkeys(shown)]


def percent(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.2f}"


def interval(score: Values) -> str:
    """``91.80-92.90``, or nothing."""
    low, high = score.get("low"), score.get("high")
    return "" if low is None or high is None else f"{percent(low)}-{percent(high)}"
