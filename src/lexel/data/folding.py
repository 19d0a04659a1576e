"""Folds gold tags while they are read, by a named rule that uses a word's second tag (XPOS).

Two releases of one treebank may tag the same words by different rules, so a model's figures hold for only one of
them. A Document has one tag per word, so the reader applies the rule; later code no longer sees both columns:
``read_jsonl(..., fold="ud-zh-2.12")``, ``read_conllu(..., fold="ud-zh-2.12")``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lexel.errors import DataError


@dataclass(frozen=True, slots=True)
class Fold:
    """A rule that replaces a tag, depending on the tag and the word's XPOS; other tags stay unchanged.

    Attributes:
        name: Its name for ``--fold`` and in a card.
        description: What it does, in one line.
        tags: The new tag by ``(tag, xpos)``.
    """

    name: str
    description: str
    tags: Mapping[tuple[str, str], str]

    @property
    def sources(self) -> str:
        """The tags that it changes."""
        return ", ".join(dict.fromkeys(tag for tag, _ in self.tags))

    def apply(self, tags: Sequence[str], xpos: Sequence[str]) -> list[str]:
        """The tags of a sentence, folded.

        Raises:
            ValueError: If their numbers differ.
        """
        if len(tags) != len(xpos):
            raise ValueError(f"{len(xpos)} XPOS for {len(tags)} tags; expected one per word")
        return [self.tags.get(pair, pair[0]) for pair in zip(tags, xpos, strict=True)]


def _rules() -> tuple[Fold, ...]:
    return (
        Fold(
            "ud-zh-2.12",
            "UD Chinese GSD and GSDSimp as before release 2.13: SCONJ with XPOS RB is ADV, with DEC or DEV is PART",
            {("SCONJ", "RB"): "ADV", ("SCONJ", "DEC"): "PART", ("SCONJ", "DEV"): "PART"},
        ),
    )


FOLDS: dict[str, Fold] = {fold.name: fold for fold in _rules()}
"""The rules by name."""


def fold_of(fold: Fold | str | Mapping[str, Mapping[str, str]]) -> Fold:
    """Returns a rule: the given one, the one of that name, or a new one from ``{tag: {xpos: new tag}}``.

    A table that equals that of a named rule gives the named rule.

    Raises:
        DataError: If no rule has the name; the message lists the known names.
    """
    if isinstance(fold, Fold):
        return fold
    if not isinstance(fold, str):
        tags = {(tag, xpos): new for tag, by_xpos in fold.items() for xpos, new in by_xpos.items()}
        named = next((rule for rule in FOLDS.values() if rule.tags == tags), None)
        return named or Fold(
            "given", ", ".join(f"{tag} with {xpos} is {new}" for (tag, xpos), new in tags.items()), tags
        )
    if fold not in FOLDS:
        raise DataError(f"fold {fold!r} is not a rule; expected one of {', '.join(FOLDS)}")
    return FOLDS[fold]


def fold_for(unknown: Collection[str], *, known: Collection[str]) -> Fold | None:
    """The named rule that turns a tag that a model does not know into tags that it knows; ``None`` if there is none."""
    for fold in FOLDS.values():
        if {tag for tag, _ in fold.tags} & set(unknown) and set(fold.tags.values()) <= set(known):
            return fold
    return None
