"""The scorers' rules a second time, in plain loops over one position after the other: what the metrics must equal."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[int, int, str]


def conlleval_spans(tags: Sequence[str]) -> list[Span]:
    """The chunks of one sentence as the CoNLL shared tasks' scorer finds them, tag by tag."""
    found: list[Span] = []
    open_at, open_type = -1, ""
    last_role, last_type = "O", ""
    for i, tag in enumerate([*tags, "O"]):
        role, _, kind = tag.partition("-")
        ended = {
            ("B", "B"): True, ("B", "O"): True, ("I", "B"): True, ("I", "O"): True,
            ("B", "S"): True, ("I", "S"): True,
        }.get((last_role, role), last_role in ("E", "S"))  # fmt: skip
        ended = ended or (last_role != "O" and last_type != kind)
        started = role in ("B", "S") or (role in ("I", "E") and last_role in ("O", "E", "S"))
        started = started or (role != "O" and last_type != kind)
        if ended and open_at >= 0:
            found.append((open_at, i, open_type))
            open_at = -1
        if started:
            open_at, open_type = i, kind
        last_role, last_type = role, kind
    return found


def conlleval_scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """Gold, predicted and correct chunks by type."""
    counts: dict[str, list[int]] = {}
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        right, found = conlleval_spans(gold_tags), conlleval_spans(predicted_tags)
        for spans, column in ((right, 0), (found, 1), ([span for span in found if span in right], 2)):
            for _, _, kind in spans:
                counts.setdefault(kind, [0, 0, 0])[column] += 1
    return counts


def sighan_counts(gold: Sequence[str], predicted: Sequence[str], vocabulary: set[str]) -> list[int]:
    """Words of one sentence: gold, predicted, correct, known, known and found, OOV, OOV and found."""
    counts = [len(gold), len(predicted), 0, 0, 0, 0, 0]
    at, ends_there = 0, {}
    for word in predicted:
        ends_there[at] = at + len(word)
        at += len(word)
    at = 0
    for word in gold:
        found = ends_there.get(at) == at + len(word)
        counts[2] += found
        column = 3 if word in vocabulary else 5
        counts[column] += 1
        counts[column + 1] += found
        at += len(word)
    return counts


def conll18_tokens(gold: Sequence[str], predicted: Sequence[str]) -> tuple[int, int, int]:
    """Gold, predicted and correct tokens of a text, walking both lists at once over its characters."""
    gold = [form for word in gold if (form := "".join(word.split()))]
    predicted = [form for word in predicted if (form := "".join(word.split()))]
    assert "".join(gold) == "".join(predicted)
    i = j = at_gold = at_predicted = correct = 0
    while i < len(gold) and j < len(predicted):
        if at_gold < at_predicted:
            at_gold, i = at_gold + len(gold[i]), i + 1
        elif at_predicted < at_gold:
            at_predicted, j = at_predicted + len(predicted[j]), j + 1
        else:
            correct += len(gold[i]) == len(predicted[j])
            at_gold, at_predicted, i, j = at_gold + len(gold[i]), at_predicted + len(predicted[j]), i + 1, j + 1
    return len(gold), len(predicted), correct
