"""Checks a ``tokenizer.json`` for unsafe contents before the tokenizers library reads it.

The library trusts the file: some values make it panic, abort the process, run forever or exhaust the memory, on
loading or later on some text. So a file must follow rules that every published tokenizer meets:

- only the kinds of steps that the library's own converters write;
- only known regular expressions, or those whose backtracking is bounded (see ``_check_pattern``);
- normalisers that lengthen a text at most ``MOST_GROWTH`` times;
- templates that contain each text, and only special pieces that they define;
- a SentencePiece character map whose trie has no references outside itself (see ``_check_char_map``);
- at most ``MOST_PIECES`` pieces, and merges that match the prefix of continued pieces.

The JSON reader rejects duplicate keys, because the library would apply both.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lexel.errors import CheckpointError

MOST_PIECES = 2_000_000
MOST_ADDED = 20_000
LONGEST_PIECE = 1_000
MOST_GROWTH = 64
LONGEST_WORD = 1_000
LONGEST_PATTERN = 2_000

_MOST_STEPS = 64
_MOST_CHOICES = 1_000
_MOST_ADDED_CHARS = 1_000_000
_LONGEST_MAPPED_BYTES = 256
_LARGEST_ID = 2**31 - 1

_KINDS: Mapping[str, frozenset[str]] = {
    "normalizer": frozenset(
        (
            *("BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled"),
            *("Prepend", "Replace", "Sequence", "Strip", "StripAccents"),
        )
    ),
    "pre_tokenizer": frozenset(
        (
            *("BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation"),
            *("Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit"),
        )
    ),
    "post_processor": frozenset(("BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing")),
    "decoder": frozenset(
        (
            *("BPEDecoder", "ByteFallback", "ByteLevel", "Fuse", "Metaspace", "Replace", "Sequence", "Strip"),
            "WordPiece",
        )
    ),
    "model": frozenset(("BPE", "Unigram", "WordLevel", "WordPiece")),
}
_MEMBERS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}
"""The key of the steps of a sequence, for each kind of step."""

_ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_BEFORE = r"[^\r\n\p{L}\p{N}]?"
KNOWN_PATTERNS = frozenset(
    (
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        rf"{_ENDINGS}|{_BEFORE}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}",
        rf"{_ENDINGS}|{_BEFORE}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}",
        rf"{_BEFORE}{_UPPER}*{_LOWER}+{_ENDINGS}?|{_BEFORE}{_UPPER}+{_LOWER}*{_ENDINGS}?|"
        rf"\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}",
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)"
        r"|\s+",
        r"(?i)(n['’]t\b|(?<=\bcan)not\b|(?<=\bgon|\bwan)na\b|(?<=\bgot)ta\b)",
    )
)
"""Regular expressions of GPT-2, Llama 3, Qwen 2, o200k, cl100k and ``recipes/en``, which the rules would reject."""

_CLASS = r"\[(?:[^\[\]\\]|\\.)*\]|\\[pP]\{[^{}]*\}|\\.|[^\\\[\](){}|*+?]"
"""One character of a pattern: a class, a property, an escape, or a plain one."""
_PATTERN_PART = re.compile(
    rf"(?P<ahead>\(\?[=!](?:{_CLASS})\))|(?P<open>\((?:\?:|\?i:)?)|(?P<close>\)\??(?![*+?{{]))|(?P<or>\|)"
    rf"|(?P<one>(?:{_CLASS})(?P<many>[*+?]|\{{\d{{1,3}}(?:,\d{{0,3}})?\}})?(?![*+?{{]))"
)
_BACK = re.compile(r"\\[1-9kgGbBAzZXRK]|\(\?<|\(\?>")


def check_tokenizer(values: Mapping[str, Any], where: str) -> None:
    """Reject a tokenizer.json that the library could not read safely.

    Args:
        values: The file's contents.
        where: The file, for messages.

    Raises:
        CheckpointError: If the rules forbid something; the message names it.
    """
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        steps = list(_steps(values.get(part), part, where))
        if len(steps) > _MOST_STEPS:
            raise CheckpointError(f"{where}: {part} has {len(steps)} steps; expected at most {_MOST_STEPS}")
        for step in steps:
            _CHECKS.get(step["type"], _accept)(step, f"{where}: {part}")
    _check_growth(list(_steps(values.get("normalizer"), "normalizer", where)), where)
    _check_model(values.get("model"), where)
    _check_added(values.get("added_tokens"), where)


def check_size(n_pieces: int, where: str) -> None:
    """Reject a vocabulary with more pieces than any model has.

    Raises:
        CheckpointError: If it has more than ``MOST_PIECES``.
    """
    if n_pieces > MOST_PIECES:
        raise CheckpointError(
            f"{where}: {n_pieces:,} pieces; expected at most {MOST_PIECES:,}. Download the file again"
        )


def checked_vocabulary(vocab: Any, where: str) -> dict[str, int]:
    """A vocabulary as a mapping from pieces to indexes.

    Raises:
        CheckpointError: If it is empty, too large, or an index is not a natural number.
    """
    if not isinstance(vocab, dict) or not vocab:
        raise CheckpointError(
            f"{where}: the vocabulary is a {type(vocab).__name__}; expected pieces with their indexes"
        )
    check_size(len(vocab), where)
    if set(map(type, vocab.values())) != {int} or min(vocab.values()) < 0 or max(vocab.values()) > _LARGEST_ID:
        wrong = next(item for item in vocab.items() if type(item[1]) is not int or not 0 <= item[1] <= _LARGEST_ID)
        raise CheckpointError(f"{where}: piece {wrong[0]!r:.60} has index {wrong[1]!r:.60}; expected a natural number")
    return vocab


# Steps ---------------------------------------------------------------------------------------------------------------


def _steps(step: Any, part: str, where: str) -> Iterator[Mapping[str, Any]]:
    """The steps of a part, with sequences flattened."""
    if step is None:
        return
    kind = step.get("type") if isinstance(step, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS[part]:
        found = f"of type {kind!r:.60}" if isinstance(step, dict) else f"a {type(step).__name__}"
        raise CheckpointError(f"{where}: {part} is {found}; expected one of {', '.join(sorted(_KINDS[part]))}")
    if kind != "Sequence":
        yield step
        return
    members = step.get(_MEMBERS[part])
    if not isinstance(members, list):
        raise CheckpointError(f"{where}: {part} is a sequence without {_MEMBERS[part]}; expected a list of steps")
    for member in members:
        yield from _steps(member, part, where)


def _accept(step: Mapping[str, Any], where: str) -> None:
    """A step that is safe with any values, or whose values the library checks."""


def _check_text(step: Mapping[str, Any], key: str, where: str) -> str:
    text = step.get(key)
    if not isinstance(text, str) or len(text) > LONGEST_PIECE:
        raise CheckpointError(
            f"{where}: {step['type']} has {key} {text!r:.60}; expected at most {LONGEST_PIECE} characters"
        )
    return text


def _check_prepend(step: Mapping[str, Any], where: str) -> None:
    _check_text(step, "prepend", where)


def _check_replace(step: Mapping[str, Any], where: str) -> None:
    _check_text(step, "content", where)
    _check_split(step, where)


def _check_split(step: Mapping[str, Any], where: str) -> None:
    pattern = step.get("pattern")
    if not isinstance(pattern, dict) or len(pattern) != 1 or not isinstance(text := next(iter(pattern.values())), str):
        raise CheckpointError(
            f"{where}: {step['type']} has pattern {pattern!r:.60}; expected a string or an expression"
        )
    if "Regex" in pattern:
        _check_pattern(text, f"{where}: {step['type']}")
    elif len(text) > LONGEST_PATTERN:
        raise CheckpointError(
            f"{where}: {step['type']} has a pattern of {len(text):,} characters; expected at most {LONGEST_PATTERN}"
        )


def _check_pattern(pattern: str, where: str) -> None:
    """Reject a regular expression with unbounded backtracking.

    Each alternative may repeat one character class without limit, no group may be repeated, and all other optional
    parts and alternatives in groups may allow at most ``_MOST_CHOICES`` ways to match. Then the number of steps of an
    attempt at one place of a text is bounded by the text's length.
    """
    if pattern in KNOWN_PATTERNS:
        return
    if len(pattern) > LONGEST_PATTERN or _BACK.search(pattern) or not _is_bounded(pattern):
        raise CheckpointError(
            f"{where}: the regular expression {pattern!r:.100} is not known and could run forever; expected one that "
            "repeats at most one character class in each alternative"
        )


def _is_bounded(pattern: str) -> bool:
    position, depth, n_endless, n_choices = 0, 0, 0, 1
    while position < len(pattern):
        part = _PATTERN_PART.match(pattern, position)
        if part is None:
            return False
        position = part.end()
        depth += bool(part["open"]) - bool(part["close"])
        if part["or"] and not depth:
            n_endless, n_choices = 0, 1
        ways = _ways(part)
        n_endless += ways == 0
        n_choices *= ways or 1
        if n_endless > 1 or n_choices > _MOST_CHOICES or not 0 <= depth <= _MOST_STEPS:
            return False
    return depth == 0


def _ways(part: re.Match[str]) -> int:
    """The number of ways in which a part of a pattern can match at one place; 0 if unlimited."""
    many = part["many"] or ""
    if many in ("*", "+") or many.endswith(",}"):
        return 0
    if many.startswith("{"):
        least, _, most = many[1:-1].partition(",")
        return max(int(most or least) - int(least), 0) + 1
    return 2 if many == "?" or part["or"] or (part["close"] or "").endswith("?") else 1


def _check_template(step: Mapping[str, Any], where: str) -> None:
    special, single, pair = (step.get(key) for key in ("special_tokens", "single", "pair"))
    wrong = CheckpointError(
        f"{where}: TemplateProcessing does not put text A once into single, A and B once into pair, and special pieces "
        "that special_tokens defines. Download the file again"
    )
    if not isinstance(special, dict) or not all(map(_is_special, special.values())):
        raise wrong
    for template, texts in ((single, ["A"]), (pair, ["A", "B"])):
        if not isinstance(template, list) or len(template) > _MOST_STEPS:
            raise wrong
        parts = [next(iter(part.items()), None) if isinstance(part, dict) else None for part in template]
        named = [(kind, value.get("id")) for kind, value in filter(None, parts) if isinstance(value, dict)]
        if len(named) != len(template) or sorted(str(id) for kind, id in named if kind == "Sequence") != texts:
            raise wrong
        if any(not isinstance(id, str) or id not in special for kind, id in named if kind != "Sequence"):
            raise wrong


def _is_special(entry: Any) -> bool:
    ids, tokens = (entry.get(key) if isinstance(entry, dict) else None for key in ("ids", "tokens"))
    return (
        isinstance(ids, list)
        and isinstance(tokens, list)
        and 0 < len(ids) == len(tokens) <= _MOST_STEPS
        and all(type(id) is int and 0 <= id <= _LARGEST_ID for id in ids)
    )


def _check_strip(step: Mapping[str, Any], where: str) -> None:
    if "content" not in step:  # the normaliser; the library checks its flags
        return
    if any(type(step.get(key)) is not int or not 0 <= step[key] <= 1 for key in ("start", "stop")):
        raise CheckpointError(f"{where}: Strip removes more than one character at an end; expected 0 or 1")


def _check_char_map(step: Mapping[str, Any], where: str) -> None:
    """Reject a SentencePiece character map with references outside itself.

    It is a double-array trie (https://github.com/s-yata/darts-clone), preceded by its length and followed by
    NUL-terminated strings; the trie's values are offsets into the strings.
    """
    try:
        data = base64.b64decode(step.get("precompiled_charsmap"), validate=True)  # type: ignore[arg-type]
        n_bytes = int.from_bytes(data[:4], "little")
        units = np.frombuffer(data, "<u4", n_bytes // 4, 4) if n_bytes else np.zeros(0, "<u4")
        strings = data[4 + n_bytes :].decode("utf-8").encode()
    except (TypeError, ValueError, binascii.Error) as cause:
        raise CheckpointError(
            f"{where}: Precompiled has no SentencePiece character map. Download the file again"
        ) from cause
    places = _trie_values(units)
    if places is None or n_bytes % 4 or (places >= len(strings)).any():
        raise CheckpointError(f"{where}: Precompiled has a damaged character map. Download the file again")
    inside = np.frombuffer(strings, np.uint8)
    if ((inside[places] & 0xC0) == 0x80).any() or max(map(len, strings.split(b"\0"))) > _LONGEST_MAPPED_BYTES:
        raise CheckpointError(f"{where}: Precompiled has a damaged character map. Download the file again")


def _trie_values(units: np.ndarray[Any, np.dtype[np.uint32]]) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    """The values of a double-array trie; ``None`` if a step from any node could leave it."""
    if not len(units):
        return None
    wide = units.astype(np.int64)
    is_value = wide >> 31 == 1
    offsets = (wide >> 10) << ((wide & (1 << 9)) >> 6)
    bases = np.arange(len(units)) ^ offsets
    nodes = ~is_value
    if ((bases[nodes] | 0xFF) >= len(units)).any():
        return None
    leaves = bases[nodes & ((wide >> 8) & 1 == 1)]
    values: np.ndarray[Any, np.dtype[np.int64]] = wide[leaves] & 0x7FFFFFFF
    return values


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], str], None]] = {
    "Replace": _check_replace,
    "Split": _check_split,
    "Prepend": _check_prepend,
    "TemplateProcessing": _check_template,
    "Strip": _check_strip,
    "Precompiled": _check_char_map,
}


def _check_growth(steps: Sequence[Mapping[str, Any]], where: str) -> None:
    """Reject normalisers that together would lengthen a text too much."""
    growth = 1
    for step in steps:
        if step["type"] == "Replace":
            found = next(iter(step["pattern"].values())) if "String" in step["pattern"] else ""
            growth *= max(1, -(-len(step["content"]) // max(len(found), 1)))
        growth += step["type"] == "Prepend" and len(step["prepend"]) > 1
    if growth > MOST_GROWTH:
        raise CheckpointError(
            f"{where}: the normalisers make a text {growth:,} times as long; expected at most {MOST_GROWTH} times"
        )


# The model -----------------------------------------------------------------------------------------------------------


def _check_model(model: Any, where: str) -> None:
    if not isinstance(model, dict):
        raise CheckpointError(
            f"{where}: model is a {type(model).__name__}; expected an object. Download the file again"
        )
    kind = model.get("type", "WordPiece")
    if not isinstance(kind, str) or kind not in _KINDS["model"]:
        raise CheckpointError(
            f"{where}: model is of type {kind!r:.60}; expected one of {', '.join(sorted(_KINDS['model']))}"
        )
    vocab = model.get("vocab")
    if isinstance(vocab, list):
        check_size(len(vocab), where)
    else:
        checked_vocabulary(vocab, where)
    longest = model.get("max_input_chars_per_word", 100)
    if type(longest) is not int or not 0 < longest <= LONGEST_WORD:
        raise CheckpointError(
            f"{where}: max_input_chars_per_word is {longest!r:.60}; expected a whole number from 1 to {LONGEST_WORD}"
        )
    _check_merges(model, where)


def _check_merges(model: Mapping[str, Any], where: str) -> None:
    """Check prefixes, since the library cuts the prefix off a merge's second piece without checking for it."""
    merges, prefix = model.get("merges") or (), model.get("continuing_subword_prefix") or ""
    if not isinstance(merges, list | tuple) or not isinstance(prefix, str):
        raise CheckpointError(f"{where}: merges or continuing_subword_prefix are malformed")
    if not prefix:
        return
    seconds = (merge.partition(" ")[2] if isinstance(merge, str) else merge[-1] if merge else "" for merge in merges)
    for number, second in enumerate(seconds):
        if not isinstance(second, str) or not second.startswith(prefix):
            raise CheckpointError(
                f"{where}: merge {number} joins {second!r:.60}, which does not begin with continuing_subword_prefix "
                f"{prefix!r:.60}; expected pieces that continue a word. Download the file again"
            )


def _check_added(added: Any, where: str) -> None:
    pieces = [] if added is None else added
    if not isinstance(pieces, list) or len(pieces) > MOST_ADDED:
        raise CheckpointError(f"{where}: added_tokens is not a list of at most {MOST_ADDED:,} pieces")
    for piece in pieces:
        content, index = (piece.get(key) if isinstance(piece, dict) else None for key in ("content", "id"))
        if not isinstance(content, str) or len(content) > LONGEST_PIECE or type(index) is not int or index < 0:
            raise CheckpointError(
                f"{where}: added piece {piece!r:.60}; expected content of at most {LONGEST_PIECE} characters and an id"
            )
        if index > _LARGEST_ID:
            raise CheckpointError(f"{where}: added piece {content!r:.60} has index {index}; expected a smaller one")
    n_chars = sum(len(piece["content"]) for piece in pieces)
    if n_chars > _MOST_ADDED_CHARS:
        raise CheckpointError(
            f"{where}: added_tokens has {n_chars:,} characters; expected at most {_MOST_ADDED_CHARS:,}"
        )
