"""Gold tags folded by a named rule that looks at a word's second tag (XPOS), while they are read.

Two releases of one treebank may tag the same words by other rules, and a model's figures then hold for one of them
only. A Document carries one tag a word, so the rule is applied by the reader, the last place that sees both columns:
``read_jsonl(..., fold="ud-zh-2.12")``, ``read_conllu(..., fold="ud-zh-2.12")``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lexel.errors import DataError


@dataclass(frozen=True, slots=True)
class Fold:
    """A rule: what a tag becomes, by the tag and the word's XPOS; any other stays as it is.

    Attributes:
        name: What ``--fold`` and a card call it.
        description: What it does, in a line.
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
            ValueError: If there are not as many of both.
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
    """The rule meant: itself, the one of that name, or one made of ``{tag: {xpos: new tag}}``.

    A table that is that of a named rule is that rule.

    Raises:
        DataError: If no rule has the name; the message lists those there are.
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
    """The named rule that turns a tag which a model does not know into tags that it knows; ``None`` without one."""
    for fold in FOLDS.values():
        if {tag for tag, _ in fold.tags} & set(unknown) and set(fold.tags.values()) <= set(known):
            return fold
    return None
