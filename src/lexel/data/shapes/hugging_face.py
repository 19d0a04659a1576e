"""Hugging Face datasets: ``tokens`` with ``ner_tags``, as strings or as ClassLabel numbers.

    {"id": "0", "tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"], "pos_tags": ["PROPN", "VERB"]}

The names of the numbers are in a Parquet file's metadata, or in the ``dataset_info.json`` next to the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lexel.data.files import TextOutput
from lexel.data.omissions import Losses
from lexel.data.shapes.shape import Context, Shape, Values, id_of, named
from lexel.data.tags import entity_words, spans_of_tags, tags_of_spans
from lexel.data.words import align_words, document_of, words_joined, words_must_tile
from lexel.document import Document

_ENTITY_KEYS = ("ner_tags", "tags")
_POS_KEYS = ("pos_tags", "upos")


def _matches(values: Values) -> bool:
    tokens = values.get("tokens")
    return isinstance(tokens, list) and all(isinstance(token, str) for token in tokens) and _key(values) is not None


def _key(values: Values, keys: Sequence[str] = (*_ENTITY_KEYS, *_POS_KEYS)) -> str | None:
    return next((key for key in keys if isinstance(values.get(key), list)), None)


def _read(values: Values, context: Context) -> Document:
    tokens = values["tokens"]
    for i, token in enumerate(tokens):
        if not isinstance(token, str) or not token.strip():
            raise ValueError(f"tokens[{i}] is {token!r:.40}; expected a word")
    entity_key, pos_key = _key(values, _ENTITY_KEYS), _key(values, _POS_KEYS)
    tags = None if entity_key is None else _names(values, entity_key, len(tokens), context)
    pos = None if pos_key is None else _names(values, pos_key, len(tokens), context)
    entities = None if tags is None else spans_of_tags(tags, scheme=_scheme(tags))
    text, id = values.get("text"), id_of(values)
    if isinstance(text, str) and (spans := align_words(tokens, text)) is not None:
        return document_of(text, spans, pos=pos, entities=entities, id=id)
    return words_joined(tokens, joiner=None, pos=pos, entities=entities, id=id)


def _scheme(tags: Sequence[str]) -> str:
    return "BIOES" if any(tag[:2] in ("E-", "S-") for tag in tags) else "BIO"


def _names(values: Values, key: str, size: int, context: Context) -> list[str]:
    items = values[key]
    if len(items) != size:
        raise ValueError(f"{key} has {len(items)} items for {size} tokens; expected one per token")
    names = context.class_names.get(key)
    if all(isinstance(item, str) for item in items):
        return list(items)
    if names is None:
        advice = "put the dataset_info.json of the data set beside the file, or write names"
        raise ValueError(f"{key} holds numbers; expected names; {advice}")
    wrong = [item for item in items if type(item) is not int or not 0 <= item < len(names)]
    if wrong:
        raise ValueError(f"{key} has {wrong[0]!r}; expected a number below {len(names)}")
    return [names[item] for item in items]


def _write(document: Document, output: TextOutput, losses: Losses) -> dict[str, Any]:
    words_must_tile(document, output)
    tokens, pos = document.words.texts, document.words.pos
    record: dict[str, Any] = {"tokens": tokens}
    if "entities" in document.layers:
        spans = entity_words(document, output, off_words="drop", losses=losses, format="Hugging Face datasets")
        record["ner_tags"] = tags_of_spans(spans, n_words=len(tokens), scheme="BIO")
    if pos is not None:
        record["pos_tags"] = pos
    if words_joined(tokens, joiner=None).text != document.text:
        record["text"] = document.text
    return named(record, document)


HUGGING_FACE = Shape(
    "hugging-face",
    "Hugging Face datasets",
    frozenset(("id", "words", "pos", "entities")),
    _matches,
    _read,
    _write,
    columns={"id": "string", "text": "string", "tokens": "strings", "ner_tags": "strings", "pos_tags": "strings"},
)
