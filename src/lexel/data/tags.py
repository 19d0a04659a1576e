"""Converts entities to one tag per word, and back.

    scheme   one word   three words        two adjacent spans of one type
    BIO      B-X        B-X I-X I-X        B-X B-X            (IOB2)
    IOB1     I-X        I-X I-X I-X        I-X B-X
    IOE1     I-X        I-X I-X I-X        E-X I-X
    IOE2     E-X        I-X I-X E-X        E-X E-X
    BIOES    S-X        B-X I-X E-X        S-X S-X            (IOBES; M- is read as I-, W- as S-)
    BILOU    U-X        B-X I-X L-X        U-X U-X            (BILUO)

Reading is strict: the tags must be exactly those that writing the spans would give. With repair, any sequence is read
by the rule of the conlleval scorer: a span begins at ``B``, ``S``, after an end, or where the type changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lexel.data.files import TextOutput
from lexel.data.omissions import Losses
from lexel.document import Document, Span

TAG_SCHEMES = ("BIO", "IOB1", "IOE1", "IOE2", "BIOES", "BILOU")
OFF_WORDS = ("error", "drop", "widen")
_ALIASES = {"IOB2": "BIO", "IOB": "BIO", "IOBES": "BIOES", "BMESO": "BIOES", "BILUO": "BILOU"}
_ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
_PREFIXES = {"BIO": "BI", "IOB1": "BI", "IOE1": "IE", "IOE2": "IE", "BIOES": "BIMESW", "BILOU": "BILU"}
_ANY_PREFIX = "".join(_ROLES)

ILL_FORMED = "ill-formed tags"
"""The name of repaired tags among a reader's losses."""

WordSpan = tuple[int, int, str]
"""First word, one past the last, label."""


class TagError(ValueError):
    """A tag that is not allowed at its place.

    Attributes:
        index: Index of the tag, from 0.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(problem)
        self.index = index


class _Tag(NamedTuple):
    role: str
    label: str


def scheme_named(name: str) -> str:
    """One of ``TAG_SCHEMES``, by any of its names.

    Raises:
        ValueError: If the scheme is unknown.
    """
    scheme = _ALIASES.get(name.upper(), name.upper())
    if scheme not in TAG_SCHEMES:
        raise ValueError(f"scheme {name!r}; expected one of {', '.join(TAG_SCHEMES)}")
    return scheme


def tags_of_spans(spans: Sequence[WordSpan], *, n_words: int, scheme: str) -> list[str]:
    """One tag per word.

    Args:
        spans: Spans in order, without overlaps.
        n_words: The number of words.
        scheme: One of ``TAG_SCHEMES``.
    """
    tags = ["O"] * n_words
    before: WordSpan | None = None
    for i, (first, end, label) in enumerate(spans):
        after = spans[i + 1] if i + 1 < len(spans) else None
        touches_before = before is not None and before[1] == first and before[2] == label
        touches_after = after is not None and after[0] == end and after[2] == label
        roles = _roles(end - first, scheme=scheme, touches_before=touches_before, touches_after=touches_after)
        tags[first:end] = [f"{role}-{label}" for role in roles]
        before = spans[i]
    return tags


def _roles(size: int, *, scheme: str, touches_before: bool, touches_after: bool) -> str:
    match scheme:
        case "BIO":
            return "B" + "I" * (size - 1)
        case "IOB1":
            return ("B" if touches_before else "I") + "I" * (size - 1)
        case "IOE1":
            return "I" * (size - 1) + ("E" if touches_after else "I")
        case "IOE2":
            return "I" * (size - 1) + "E"
    single, last = "SE" if scheme == "BIOES" else "UL"
    return single if size == 1 else "B" + "I" * (size - 2) + last


def spans_of_tags(tags: Sequence[str], *, scheme: str, repair: bool = False) -> list[WordSpan]:
    """The spans of a sequence of tags.

    Args:
        tags: One tag per word; ``O`` and ``_`` are outside.
        scheme: One of ``TAG_SCHEMES``.
        repair: Read sequences that are invalid in the scheme, with tags of any scheme, by conlleval's rule.

    Raises:
        TagError: At the first tag that no scheme has; without ``repair``, also at one that this scheme does not have,
            or that is not allowed there.
    """
    prefixes = _ANY_PREFIX if repair else _PREFIXES[scheme]
    read = [_tag(tag, index=i, scheme=scheme, prefixes=prefixes) for i, tag in enumerate(tags)]
    spans = _lenient_spans(read)
    if repair:
        return spans
    due = tags_of_spans(spans, n_words=len(tags), scheme=scheme)
    for i, (tag, wanted) in enumerate(zip(tags, due, strict=True)):
        if tag != wanted and read[i] != _tag(wanted, index=i, scheme=scheme, prefixes=prefixes):
            raise TagError(
                i,
                f"tag {tag!r} is not allowed here in scheme {scheme}; expected {wanted!r}; "
                "name another scheme or repair",
            )
    return spans


def n_ill_formed(tags: Sequence[str], spans: Sequence[WordSpan], *, scheme: str) -> int:
    """How many tags differ from those that writing the spans would give: the number of repaired tags."""
    due = tags_of_spans(spans, n_words=len(tags), scheme=scheme)
    pairs = zip(tags, due, strict=True)
    return sum(
        tag != wanted
        and _tag(tag, index=i, scheme=scheme, prefixes=_ANY_PREFIX)
        != _tag(wanted, index=i, scheme=scheme, prefixes=_ANY_PREFIX)
        for i, (tag, wanted) in enumerate(pairs)
    )


def _tag(tag: str, *, index: int, scheme: str, prefixes: str) -> _Tag:
    if tag in ("O", "_"):
        return _Tag("O", "")
    prefix, dash, label = tag.partition("-")
    if dash and label and prefix in tuple(prefixes):
        return _Tag(_ROLES[prefix], label)
    wanted = ", ".join(f"{letter}-TYPE" for letter in _PREFIXES[scheme])
    raise TagError(index, f"tag {tag!r} is not in scheme {scheme}; expected O, {wanted}; name another scheme or column")


def _lenient_spans(tags: Sequence[_Tag]) -> list[WordSpan]:
    spans: list[WordSpan] = []
    first = 0
    for i, (before, tag) in enumerate(pairwise([_Tag("O", ""), *tags, _Tag("O", "")])):
        new_type = before.label != tag.label
        if before.role != "O" and (new_type or before.role in "ES" or tag.role in "BSO"):
            spans.append((first, i, before.label))
        if tag.role != "O" and (new_type or tag.role in "BS" or before.role in "ESO"):
            first = i
    return spans


def entity_words(
    document: Document, output: TextOutput, *, off_words: str, losses: Losses, format: str
) -> list[WordSpan]:
    """A document's entities as ranges of its words, in order, without overlaps.

    Args:
        document: Words and entities.
        output: The output, which gives the place of an error.
        off_words: How to handle an entity that cuts a word, or overlaps another: ``error``; ``drop`` leaves it out;
            ``widen`` extends it to the words it overlaps (and leaves it out if it overlaps another).
        losses: Counts dropped and widened entities.
        format: Name of the format, for the losses.

    Raises:
        DataError: With ``off_words="error"``, if there is such an entity; the message names the first.
    """
    kept: list[WordSpan] = []
    for first, end, fits, entity in sorted(_word_ranges(document), key=lambda row: (row[0], -row[1])):
        problem = "does not consist of whole words"
        if fits or (off_words == "widen" and end > first):
            if not kept or kept[-1][1] <= first:
                kept.append((first, end, entity.label))
                losses.add("exact offsets of entities", int(not fits), format=format)
                continue
            problem = "lies over another"
        if off_words == "error":
            raise output.error(_off_words(entity, problem))
        losses.add("entities that cut words or overlap", 1, format=format)
    return kept


def _word_ranges(document: Document) -> list[tuple[int, int, bool, Span]]:
    """For each entity, the first word it overlaps, one past the last, and whether it consists of exactly these."""
    entities, words = document.entities, document.words
    if not len(entities):
        return []
    firsts = np.searchsorted(words.ends, entities.starts, side="right")
    ends = np.searchsorted(words.starts, entities.ends, side="left")
    starts_there = np.isin(entities.starts, words.starts)
    ends_there = np.isin(entities.ends, words.ends)
    fits = starts_there & ends_there & (ends > firsts)
    return list(zip(firsts.tolist(), ends.tolist(), fits.tolist(), entities, strict=True))


def _off_words(entity: Span, problem: str) -> str:
    return (
        f"entity {entity.text!r} at chars {entity.start} to {entity.end} ({entity.label}) {problem}; expected entities "
        "of whole words, one beside the other; drop or widen such entities (off_words), or write JSON lines"
    )
