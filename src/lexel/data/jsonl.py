"""JSON lines: one record per line, with every layer as offsets into its text. It holds everything that Lexel finds.

    {"id": "s1", "text": "他在北京", "words": [[0, 1], [1, 2], [2, 4]], "pos": ["PRON", "ADP", "PROPN"],
     "entities": [[2, 4, "LOC"]], "scores": {"words": [0.99, 0.98, 0.97]}, "offset_unit": "char"}

``null`` means that a layer is not annotated, ``[]`` that it is empty. ``nested`` is next to ``entities`` only if a
document has this layer: all spans of a span model, including those inside others. ``offset_unit`` is the unit of the
offsets: code points (``char``), UTF-16 units or UTF-8 bytes. Any Python string can be written; lone surrogates become
``\\ud8xx``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any

import numpy as np

from lexel.data.faults import Faults
from lexel.data.files import LineReader, Source, Target, TextOutput, open_output
from lexel.data.folding import Fold, fold_of
from lexel.data.json_values import Value, read_json_values
from lexel.data.offsets import OFFSET_UNITS, chars_of, check_order, pairs_of, unit_positions
from lexel.data.omissions import Loss, Losses
from lexel.data.unread import Unread
from lexel.document import Document, Spans, Words

FORMAT = "JSON lines"
SCORE_DECIMALS = 4
_KEYS = ("id", "text", "words", "pos", "upos", "entities", "nested", "sentences", "scores", "offset_unit")
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def read_jsonl(
    source: Source,
    *,
    encoding: str = "utf-8",
    losses: Losses | None = None,
    faults: Faults | None = None,
    fold: Fold | str | None = None,
) -> Iterator[Document]:
    """Reads each record as a Document: one per line, or the elements of one array. Blank lines are skipped.

    ``words``, ``pos`` (or ``upos``), ``entities``, ``nested``, ``sentences``, ``scores``, ``id`` and ``offset_unit``
    may be missing. Entities may be in any order and may overlap.

    Args:
        source: A path (also compressed), ``"-"`` or an open stream.
        encoding: The encoding of the input.
        losses: Counts unknown keys.
        faults: How to handle a record that cannot be read; an error by default.
        fold: A rule that folds the tags by ``xpos``, a list with one per word.

    Raises:
        DataError: With ``path:line`` of a record that is not JSON, or whose parts do not match its text.
    """
    rule = None if fold is None else fold_of(fold)
    known = {*_KEYS} if rule is None else {*_KEYS, "xpos"}
    lines = LineReader(source, encoding=encoding)
    losses = Losses() if losses is None else losses
    faults = Faults() if faults is None else faults
    unread = Unread(lines.name)

    def read(found: Value) -> tuple[Document, Set[str]]:
        record = found.value
        try:
            document = document_of_record(record, fold=rule)
        except ValueError as error:
            raise lines.error(str(error), line=found.place).at(lines.name, found.place, lines.line or None) from error
        others = record.keys() - known
        unread.look_at_record(record, others)
        return document, others

    for value in read_json_values(lines, faults):
        if (found := faults.attempt(partial(read, value))) is None:
            continue
        yield found[0]
        for key in sorted(found[1]):
            losses.add(f"key {key!r}", 1, format="documents")


def document_of_record(record: Any, *, fold: Fold | None = None) -> Document:
    """A Document from one record, fully checked; the tags are folded by a rule, if one is given.

    Raises:
        ValueError: If a part is wrong; the message names it, as in ``words[3] is [5, 9]; expected ...``.
    """
    if not isinstance(record, Mapping):
        raise ValueError(f"found a JSON {type(record).__name__}; expected an object with 'text'")
    text = record.get("text")
    if not isinstance(text, str):
        found = "no 'text'" if "text" not in record else f"'text' is {_kind(text)}"
        raise ValueError(f"{found}; expected the string that the offsets index")
    unit = record.get("offset_unit", "char")
    if unit not in OFFSET_UNITS:
        raise ValueError(f"offset_unit is {unit!r}; expected one of {', '.join(OFFSET_UNITS)}")
    scores = _typed(record, "scores", dict) or {}
    id = record.get("id")
    if not (id is None or type(id) in (str, int)):
        raise ValueError(f"id is {_kind(id)}; expected a string")
    return Document(
        text,
        _words(record, text, unit, scores, fold=fold),
        _spans("entities", record, text, unit, scores),
        _sentences(record, text, unit),
        id=None if id is None else str(id),
        nested=_spans("nested", record, text, unit, scores),
    )


def _words(
    record: Mapping[str, Any], text: str, unit: str, scores: dict[str, Any], *, fold: Fold | None = None
) -> Words | None:
    items = _typed(record, "words", list)
    pos_key = "pos" if "pos" in record else "upos"
    pos = _typed(record, pos_key, list)
    if items is None:
        if pos is not None:
            raise ValueError(f"{pos_key!r} without 'words'; expected one tag per word")
        return None
    chars = _ordered("words", items, text, unit)
    if pos is not None and len(pos) != len(items):
        raise ValueError(f"{pos_key!r} has {len(pos)} tags for {len(items)} words; expected one per word")
    labels, ids = _indexed(pos or [] if fold is None else _folded(record, pos or [], fold), pos_key)
    return Words(
        text,
        chars[:, 0],
        chars[:, 1],
        pos_ids=None if pos is None else ids,
        pos_labels=labels,
        scores=_scores(scores, "words", len(items)),
        pos_scores=_scores(scores, "pos", len(items)),
    )


def _folded(record: Mapping[str, Any], pos: list[str], fold: Fold) -> list[str]:
    xpos = _typed(record, "xpos", list)
    if xpos is None and pos:
        raise ValueError(f"no 'xpos'; the rule {fold.name} folds tags by it; expected a list with one per word")
    return fold.apply(pos, xpos or [])


def _spans(key: str, record: Mapping[str, Any], text: str, unit: str, scores: dict[str, Any]) -> Spans | None:
    """The labelled ranges under a key, in order of their starts; for ``nested``, longer ones first."""
    items = _typed(record, key, list)
    if items is None:
        return None
    for i, item in enumerate(items):
        if not (isinstance(item, list) and len(item) == 3 and isinstance(item[2], str)):
            raise ValueError(f"{key}[{i}] is {json.dumps(item)[:60]}; expected [start, end, label]")
    pairs = _named(key, pairs_of, [item[:2] for item in items])
    chars = _named(key, lambda pairs: chars_of(pairs, text, unit=unit), pairs)
    labels, ids = _indexed([item[2] for item in items], key)
    found = _scores(scores, key, len(items))
    order = np.lexsort((-chars[:, 1] if key == "nested" else chars[:, 1], chars[:, 0]))
    return Spans(
        text,
        chars[order, 0],
        chars[order, 1],
        label_ids=np.asarray(ids, dtype=np.int32)[order],
        labels=labels,
        scores=None if found is None else found[order],
    )


def _sentences(record: Mapping[str, Any], text: str, unit: str) -> Spans | None:
    items = _typed(record, "sentences", list)
    if items is None:
        return None
    chars = _ordered("sentences", items, text, unit)
    return Spans(text, chars[:, 0], chars[:, 1], label_ids=np.zeros(len(chars), np.int32), labels=("sentence",))


def _ordered(key: str, items: Any, text: str, unit: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Offsets of ranges that follow each other, in chars, ``[ranges, 2]``."""
    pairs = _named(key, pairs_of, items)
    chars: np.ndarray[Any, np.dtype[np.int64]] = _named(key, lambda pairs: chars_of(pairs, text, unit=unit), pairs)
    _named(key, check_order, chars)
    return chars


def _typed(record: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = record.get(key)
    if value is not None and not isinstance(value, kind):
        raise ValueError(f"{key} is {_kind(value)}; expected {'a list' if kind is list else 'an object'} or null")
    return value


def _named(key: str, rule: Callable[[Any], Any], items: Any) -> Any:
    try:
        return rule(items)
    except ValueError as error:
        raise ValueError(f"{key}{error}" if str(error).startswith("[") else f"{key} {error}") from error


def _indexed(names: Sequence[Any], key: str) -> tuple[list[str], list[int]]:
    """The distinct names, and each name's index among them."""
    for i, name in enumerate(names):
        if not isinstance(name, str):
            raise ValueError(f"{key}[{i}] is {_kind(name)}; expected a string")
    index = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return list(index), [index[name] for name in names]


def _scores(scores: dict[str, Any], key: str, size: int) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    values = scores.get(key)
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != size or not all(type(value) in (int, float) for value in values):
        found = f"{len(values)} values" if isinstance(values, list) else _kind(values)
        raise ValueError(f"scores[{key!r}] is {found}; expected {size} numbers, as many as there are {key}")
    return np.asarray(values, dtype=np.float32)


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def write_jsonl(
    documents: Iterable[Document], out: Target, *, encoding: str = "utf-8", offsets: str = "char"
) -> tuple[Loss, ...]:
    """Write each document as one record.

    Args:
        documents: Any documents.
        out: A path, ``"-"`` or an open text stream.
        encoding: The encoding of the output; characters that it lacks are written as escapes.
        offsets: The unit of offsets: ``char``, ``utf16`` or ``byte``.

    Returns:
        An empty tuple, since nothing is lost; scores are rounded to four decimals.

    Raises:
        DataError: If a text has a high surrogate directly before a low one, which JSON reads as one character, or if
            a score is not a number.
        ValueError: If ``offsets`` is not one of the units.
    """
    unit_positions("", offsets)
    with open_output(out, encoding=encoding) as output:
        for document in documents:
            output.write(_line(document, output, offsets))
    return ()


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False).encode
_dump_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), check_circular=False, allow_nan=False).encode


def _line(document: Document, output: TextOutput, unit: str) -> str:
    record = record_of_document(document, unit=unit)
    try:
        line = _dump(record)
        line.encode(output.encoding)
    except UnicodeEncodeError as error:
        if _SURROGATE_PAIR.search(line):
            raise output.error(
                "a high surrogate is directly before a low one; JSON reads the two as one character; expected the "
                "character itself; make it with text.encode('utf-16', 'surrogatepass').decode('utf-16')"
            ) from error
        line = _dump_ascii(record)
    except ValueError as error:
        raise output.error(f"a score is not finite ({error}); expected probabilities") from error
    return line + "\n"


def record_of_document(document: Document, *, unit: str = "char", exact: bool = False) -> dict[str, Any]:
    """The record of a document, ready for ``json.dumps``.

    Args:
        document: Any document.
        unit: The unit of offsets: ``char``, ``utf16`` or ``byte``.
        exact: Keep all digits of the scores, and the sentences. Files omit sentences, because a rule finds them again.
    """
    text, layers = document.text, document.layers
    positions = unit_positions(text, unit)
    scores: dict[str, list[float]] = {}
    words = pos = entities = None
    if "words" in layers:
        found = document.words
        starts, ends = _in_unit(found.starts, positions), _in_unit(found.ends, positions)
        words, pos = _rows(starts, ends), found.pos
        _put_scores(scores, "words", found.scores, exact=exact)
        _put_scores(scores, "pos", found.pos_scores, exact=exact)
    if "entities" in layers:
        entities = _span_rows(document.entities, positions)
        _put_scores(scores, "entities", document.entities.scores, exact=exact)
    record: dict[str, Any] = {"id": document.id, "text": text, "words": words, "pos": pos, "entities": entities}
    if "nested" in layers:
        record["nested"] = _span_rows(document.nested, positions)
        _put_scores(scores, "nested", document.nested.scores, exact=exact)
    if exact and "sentences" in layers:
        found_sentences = document.sentences
        starts, ends = _in_unit(found_sentences.starts, positions), _in_unit(found_sentences.ends, positions)
        record["sentences"] = _rows(starts, ends)
    return record | {"scores": scores, "offset_unit": unit}


def _span_rows(spans: Spans, positions: np.ndarray[Any, np.dtype[np.int64]] | None) -> list[list[Any]]:
    names = spans.labels
    starts, ends = _in_unit(spans.starts, positions), _in_unit(spans.ends, positions)
    return _rows(starts, ends, [names[i] for i in spans.label_ids.tolist()])


def _rows(*columns: list[Any]) -> list[list[Any]]:
    return list(map(list, zip(*columns, strict=True)))


def _in_unit(
    offsets: np.ndarray[Any, np.dtype[np.int32]], positions: np.ndarray[Any, np.dtype[np.int64]] | None
) -> list[int]:
    found: list[int] = (offsets if positions is None else positions[offsets]).tolist()
    return found


def _put_scores(
    scores: dict[str, list[float]], key: str, values: np.ndarray[Any, np.dtype[np.float32]] | None, *, exact: bool
) -> None:
    if values is not None:
        scores[key] = (values if exact else np.round(values.astype(np.float64), SCORE_DECIMALS)).tolist()


def json_line(values: Mapping[str, Any]) -> str:
    """Values as a line of JSON; a lone surrogate is written as an escape."""
    text = json.dumps(values, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(values)
    return text + "\n"
