"""Make the entities of relabelled text agree: names that a teacher finds in one text and misses in another, and others.

What ``names.yaml`` lists is read the same way in all texts. An entity of that text gets the listed label, or is dropped
if it is listed as no name. Where the teacher found nothing, the words of a listed name become an entity, unless a word
beside them could belong to it. Laughter and the days of the week are no names either.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import opencc
import prepare
import yaml

HERE = Path(__file__).parent
LABELS = ("LOC", "ORG", "PER")
LONGEST_NAME = 6
"""Most words of a listed name."""

NO_NAME = re.compile(r"([哈嘻呵嘿呜嗯啊哦噢唉哎])\1+|(周|星期|礼拜)[一二三四五六日天末]|[一二三四五六七八九十]+月")
ENDS_OF_PLACES = frozenset("市县省州国")
"""Words that belong to the name of a place before them."""

BEGIN_NO_NAME = frozenset(["的", "地", "得", "了", "着", "过", "等", "们"])
"""Particles that may follow a name; any other word that is tagged PART may be the end of a longer one."""

FRONTS = frozenset("东西南北前新旧古")
"""Words that may begin a name before its listed part."""

log = logging.getLogger("recipe")


@lru_cache
def lists() -> dict[str, list[str]]:
    """The lists of ``names.yaml``."""
    return {name: words.split() for name, words in yaml.safe_load((HERE / "names.yaml").read_bytes()).items()}


@lru_cache
def listed() -> dict[str, str | None]:
    """The label of each listed name; ``None`` for a word that is no name."""
    labels: dict[str, str | None] = dict.fromkeys(lists()["never"])
    return labels | {name: label for label in LABELS for name in lists()[label]}


def write_agreed(source: Path, out: Path, *, names: Sequence[str]) -> None:
    """Write every file of relabelled text again, with entities that agree.

    Args:
        source: Folder of ``<name>.<script>.jsonl``.
        out: Where the files go; those that are there are skipped.
        names: The raw files.
    """
    simplify = opencc.OpenCC("t2s").convert
    for name in names:
        for script in prepare.SCRIPTS:
            path = out / f"{name}.{script}.jsonl"
            if path.exists():
                continue
            records = [json.loads(line) for line in (source / path.name).read_bytes().splitlines()]
            n_changed = 0
            for record in records:
                text = record["text"] if script == "simplified" else simplify(record["text"])
                if len(text) != len(record["text"]):
                    continue
                entities = agreed(text, record["words"], record["pos"], record["entities"])
                n_changed += entities != record["entities"]
                record["entities"] = entities
            prepare.write_text(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
            log.info("names: %s, %s: %d of %d documents changed", name, script, n_changed, len(records))


def agreed(
    text: str, words: Sequence[Sequence[int]], pos: Sequence[str], entities: Sequence[tuple[int, int, str]]
) -> list[list[int | str]]:
    """The entities of a document, listed names read as they are listed.

    Args:
        text: The text in simplified script.
        words: Begin and end of each word.
        pos: The words' tags.
        entities: Begin, end and label of each entity as the teacher found them.
    """
    labels = listed()
    found: list[list[int | str]] = []
    for start, end, label in entities:
        name = text[start:end]
        if not NO_NAME.fullmatch(name) and labels.get(name, label) is not None:
            found.append([start, end, labels.get(name) or label])
    taken = {at for start, end, _ in entities for at in range(start, end)}
    found += _missed(text, words, pos, labels, taken)
    return sorted(found)


def _missed(
    text: str, words: Sequence[Sequence[int]], pos: Sequence[str], labels: Mapping[str, str | None], taken: set[int]
) -> list[list[int | str]]:
    """Listed names of whole words where there is no entity; the longest from each word on."""
    found: list[list[int | str]] = []
    first = 0
    while first < len(words):
        next_word = first + 1
        for last in range(min(first + LONGEST_NAME, len(words)) - 1, first - 1, -1):
            start, end = words[first][0], words[last][1]
            label = labels.get(text[start:end])
            if label is None:
                continue
            if label == "LOC" and last + 1 < len(words) and text[slice(*words[last + 1])] in ENDS_OF_PLACES:
                last += 1
                end = words[last][1]
            if not taken & set(range(start, end)) and _stands_alone(text, words, pos, first, last, taken):
                found.append([start, end, label])
            next_word = last + 1
            break
        first = next_word
    return found


def _stands_alone(
    text: str, words: Sequence[Sequence[int]], pos: Sequence[str], first: int, last: int, taken: set[int]
) -> bool:
    """Whether the words beside some words are not likely to be parts of the same name."""
    if first > 0:
        before = text[slice(*words[first - 1])]
        if pos[first - 1] in ("PROPN", "X") or words[first][0] - 1 in taken or before in FRONTS:
            return False
    if last + 1 == len(words):
        return True
    after = text[slice(*words[last + 1])]
    if pos[last + 1] in ("PROPN", "X") or words[last + 1][0] in taken or after in lists()["heads"]:
        return False
    return pos[last + 1] != "PART" or after in BEGIN_NO_NAME
