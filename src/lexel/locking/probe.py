"""A model's outputs on twenty fixed texts, which show whether a new revision decides differently.

The reference engine computes them in float64, so they are the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lexel.checkpoint import Checkpoint
from lexel.errors import LabelError
from lexel.names import TAGGING
from lexel.tasks.classify import Classifier
from lexel.tasks.embed import Embedder
from lexel.tasks.tag import Tagger
from lexel.text.tokenizer import load_tokenizer

TEXTS = (
    "王小明去年在臺北的圖書館工作。",
    "张丽华说，上海到杭州的火车今天晚了二十分钟。",
    "中央氣象署預測明天北部會下大雨，南部多雲。",
    "北京大学的学生周末去长城参观。",
    "這家公司第三季的營收比去年成長百分之八。",
    "李医生每天早上七点到医院上班。",
    "我們在高雄港看到一艘很大的貨船。",
    "苹果公司发布了新的手机，价格没有变。",
    "Anna Berg moved from Oslo to Toronto in 2019.",
    "The United Nations opened a new office in Nairobi last week.",
    "Mr. Okafor bought 300 shares of Brightwater Ltd. for $4,500.",
    "Heavy rain closed the road between Leeds and Manchester.",
    "Professor Maria Silva teaches history at the University of Porto.",
    "The film was long, dull and far too loud.",
    "Everybody at the party loved the food and the music.",
    "Le maire de Lyon a inauguré le pont mardi matin.",
    "Die Firma Nordlicht GmbH aus Hamburg stellt zwanzig Leute ein.",
    "El río Ebro pasa por Zaragoza.",
    "東京の会議で田中さんが発表しました。",
    "Call me at 5 pm, or write to office@example.org!",
)
"""Invented sentences in several languages. Changing one invalidates every lock file."""

_DIGITS = 4
_DIMS = 8


def probe(checkpoint: Checkpoint) -> dict[str, Any]:
    """A model's outputs on the fixed texts, in the form of a lock file."""
    kind, said = read_texts(checkpoint, TEXTS)
    return {"kind": kind, "texts_sha256": _digest("\n".join(TEXTS)), "said": said}


def read_texts(checkpoint: Checkpoint, texts: Sequence[str]) -> tuple[str, list[Any]]:
    """A model's outputs on texts, and their kind: ``tags``, ``classes`` or ``vectors``."""
    tasks = {head.task for head in checkpoint.heads.values()}
    if tasks.intersection(TAGGING):
        tagger = Tagger.load(checkpoint, engine="numpy")
        return "tags", [_tags(document) for document in tagger.stream(texts)]
    if "classify" in tasks:
        classifier = Classifier.load(checkpoint, engine="numpy", head=_first(checkpoint, "classify"))
        found = classifier.stream(texts)
        return "classes", [[[each.label, round(each.score, _DIGITS)] for each in one.ranked[:3]] for one in found]
    vectors = (Embedder.load(checkpoint, engine="numpy")(text).vector for text in texts)
    return "vectors", [[round(float(x), _DIGITS) for x in vector[:_DIMS]] for vector in vectors]


def tokenizer_fingerprint(checkpoint: Checkpoint) -> str:
    """A checksum of the tokenizer's pieces of the fixed texts."""
    config = checkpoint.config
    tokenizer = load_tokenizer(checkpoint.source.folder, pieces=checkpoint.pieces, model_type=config.model_type)
    pieces = tokenizer.encode(TEXTS)
    special = (tokenizer.special, tokenizer.n_pieces)
    return _digest(f"{pieces.ids.tolist()} {pieces.bounds.tolist()} {special}")


def flips(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences between two probes of one kind, one line per text."""
    if before.get("kind") != after.get("kind") or before.get("texts_sha256") != after.get("texts_sha256"):
        return [f"the probes are of another kind: {before.get('kind')}, {after.get('kind')}"]
    return flips_of(str(after["kind"]), TEXTS, before["said"], after["said"])


def flips_of(kind: str, texts: Sequence[str], before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    """The differences for each text: tags and best classes, or vectors that differ at all."""
    lines = []
    for text, old, new in zip(texts, before, after, strict=True):
        if kind == "vectors":
            found = "another vector" if old != new else ""
        elif kind == "classes":
            found = "" if old[:1] and old[0][0] == new[0][0] else f"{old[0][0]} -> {new[0][0]}"
        else:
            found = _changed_tags(text, old, new)
        if found:
            lines.append(f"{text}: {found}")
    return lines


def _changed_tags(text: str, old: Sequence[Any], new: Sequence[Any]) -> str:
    before, after = ({(start, end, layer): label for start, end, layer, label, *_ in said} for said in (old, new))
    changed = sorted(place for place in before.keys() | after.keys() if before.get(place) != after.get(place))
    return ", ".join(
        f"{text[place[0] : place[1]]} {before.get(place, '-')} -> {after.get(place, '-')}" for place in changed
    )


def _tags(document: Any) -> list[list[Any]]:
    """Words and entities: start, end, layer, label, score."""
    words = [] if "words" not in document.layers else document.words
    entities = [] if "entities" not in document.layers else document.entities
    return [
        *([word.start, word.end, "word", word.pos or "word", _rounded(word.score)] for word in words if _is_read(word)),
        *([span.start, span.end, "entity", span.label, _rounded(span.score)] for span in entities),
    ]


def _is_read(word: Any) -> bool:
    """Whether a head decided a word; a model with only entities uses the text's own words."""
    return word.score is not None or word.pos is not None


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), _DIGITS)


def _first(checkpoint: Checkpoint, task: str) -> str:
    found = next((head.name for head in checkpoint.heads.values() if head.task == task), None)
    if found is None:
        raise LabelError(f"{checkpoint.source.folder}: no head for {task}")
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
